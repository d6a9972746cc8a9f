#pragma once
#include "config/vocabulary.h"
#include "dicom/header_reader.h"
#include "dicom/report_content.h"
#include "dicom/series_roles.h"
#include "server/worker_protocol.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glionode::server {

/// One instance with the place of its file.
struct StoredHeader {
  dicom::InstanceHeader header;
  std::string file;  ///< absolute, or relative to the data folder
};

struct StudyInput {
  std::string series_uid, description, why;
  std::vector<std::string> files;  ///< as in StoredHeader, parallel to `instances`
  std::vector<dicom::ReferencedInstance> instances;
};

/// What one evaluation of a study works on: everything that the parent found out from headers.
struct StudyInputs {
  std::string study_uid, study_date;
  std::string identity;  ///< IdentityKey of all candidates; the caller has checked that it is one
  std::map<Role, StudyInput> inputs;
  std::vector<Reason> reasons;  ///< missing_role, unsure_role, incomplete_series, geometry, still_arriving
  std::string source_file;      ///< newest selected instance: its patient and study attributes are copied
  std::string selection_key;    ///< names the selected inputs alone (no bundle, no software)
  int rejected = 0;             ///< images of the study that rejection notes took back
  double headers_ms = 0;        ///< time spent on headers and roles
};

enum class IdentityVerdict { kOne, kMixed, kNone };

/// Do all candidate images name one patient? Own objects and non-images are not asked.
IdentityVerdict CheckIdentity(const std::vector<StoredHeader>& instances);

/// `instances`: current candidates of one study, oldest first. `selection`: SelectSeries over them.
StudyInputs CollectInputs(const std::vector<StoredHeader>& instances, const dicom::StudySelection& selection);

/// SHA-256 over study, selected instances with their pixel digests, identity and known reasons.
std::string SelectionKey(const StudyInputs& inputs, const std::map<std::string, InstanceDigest>& digests);
/// The job's input key (design section 2): the selection with bundle, software and what changes the objects' bytes.
std::string InputKey(const std::string& selection_key, const std::string& bundle_sha256, const std::string& software,
                     int revision);

/// What to ask the worker. `root` stands in front of relative files.
WorkerRequest MakeRequest(WorkerStep step, const StudyInputs& inputs, const std::filesystem::path& root);

/// "the T2 series was replaced": how `now` differs from what the last report rests on.
std::string DescribeChange(const StudyInputs& before, const StudyInputs& now);

nlohmann::json ToJson(const StudyInputs& inputs);
StudyInputs InputsFromJson(const nlohmann::json& json);

/// Series of one study with verdicts, as `glionode roles --json` and the API show them.
nlohmann::json RolesJson(const dicom::StudySelection& selection);
/// {"t1": {...} or null, ...} for the wanted roles.
nlohmann::json ChosenJson(const dicom::StudySelection& selection, const std::vector<Role>& wanted);

}  // namespace glionode::server
