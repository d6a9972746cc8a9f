#pragma once
#include "dicom/report_content.h"
#include "dicom/secondary_capture.h"
#include "dicom/sr_report.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace glionode::dicom {

inline constexpr Decision kAllDecisions[] = {Decision::kRecurrence, Decision::kNecrosis, Decision::kIndeterminate,
                                             Decision::kNotEvaluable};

/// A folder of its own and a study to report on: made up by default, with every identity attribute filled.
class ResultsTest : public ::testing::Test {
 protected:
  ResultsTest();
  ~ResultsTest() override;

  using Edit = std::function<void(DcmDataset&)>;
  /// One MR slice with small pixels; `edit` may change or remove anything before it is written.
  std::filesystem::path WriteSource(const std::string& name, const Edit& edit = {}) const;

  /// A complete result on the made-up study; three series of `instances` images each.
  ReportContent Content(Decision decision, int instances = 5) const;
  /// The same as the second revision of the result.
  static ReportContent Revised(ReportContent content);

  /// Head-like slices with a map on every one of them (also where it must not be drawn).
  static CaptureViews Views();
  static SliceView View(Role role, Plane plane, double position_mm);

  std::filesystem::path folder_;
  std::filesystem::path source_;
};

/// A file of ours, read whole.
class ReadBack {
 public:
  explicit ReadBack(const std::filesystem::path& file);
  DcmDataset& Data() { return *file_.getDataset(); }
  std::string Text(const DcmTagKey& tag) { return TextOf(Data(), tag); }
  static std::string TextOf(DcmItem& item, const DcmTagKey& tag);
  /// "value|scheme" of the item in a code sequence.
  static std::string CodeOf(DcmItem& item, const DcmTagKey& sequence);
  /// All content items, parents before children.
  std::vector<DcmItem*> ContentItems();

 private:
  DcmFileFormat file_;
};

std::string FileBytes(const std::filesystem::path& file);

struct ToolRun {
  int exit_code = -1;
  std::string output;  ///< stdout and stderr together
};
ToolRun RunTool(const std::string& command);
/// Is `program` there? Without it a test skips, but fails where the environment says CI.
bool HasTool(const std::string& program);

}  // namespace glionode::dicom

#define GLIONODE_NEED_TOOL(program)                                          \
  do {                                                                       \
    if (!glionode::dicom::HasTool(program)) {                                \
      if (std::getenv("CI") != nullptr) FAIL() << program << " is missing";  \
      GTEST_SKIP() << program << " is not installed: nothing was validated"; \
    }                                                                        \
  } while (false)
