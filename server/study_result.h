#pragma once
#include "config/clock.h"
#include "dicom/report_content.h"
#include "dicom/secondary_capture.h"
#include "dicom/sr_report.h"
#include "server/study_inputs.h"
#include "server/worker_protocol.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace glionode::server {

/// A moment in local time, by strftime's format.
std::string LocalTimeText(WallMs at, const char* format);

/// Whose result it is and what it follows.
struct ResultContext {
  std::string input_key;
  std::string node_id;  ///< names the device UID
  std::string ae_title;
  ReportCodes codes;
  WallMs now = 0;
  int revision = 1;
  std::optional<dicom::Predecessor> predecessor;
  std::string revision_reason;
};

struct StudyResult {
  Decision decision = Decision::kNotEvaluable;
  nlohmann::json json;           ///< result.json of the design, section 4
  dicom::ReportContent content;  ///< what SR and capture say
};

/// Puts what was found together: the one place where a probability becomes a decision, or is withheld because of
/// reasons. Pure.
StudyResult MakeResult(const StudyInputs& inputs, const WorkerAnswer& answer, const BundleSummary& bundle,
                       const ResultContext& context);

/// The worker's views.bin as pictures. Throws Error{kInternal} if the file is not what the answer says.
dicom::CaptureViews LoadViews(const WorkerAnswer& answer, const std::filesystem::path& views_file);

struct WrittenObjects {
  std::vector<dicom::EncodedObject> reports;  ///< one a class, best first: Comprehensive 3D, Comprehensive, Enhanced
  std::vector<dicom::EncodedObject> captures;
};

/// Encodes everything once into `folder`: sr.dcm, sr-comprehensive.dcm, sr-enhanced.dcm, sc-N.dcm, capture-N.png,
/// report.txt, objects.json (the list of the encoded objects) and result.json (timings filled in).
WrittenObjects WriteResult(StudyResult& result, const dicom::CaptureViews& views,
                           const std::filesystem::path& source_file, const std::filesystem::path& folder);

/// Reads objects.json back; `file` of each is absolute.
WrittenObjects ReadObjects(const std::filesystem::path& folder);

}  // namespace glionode::server
