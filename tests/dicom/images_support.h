#pragma once
#include "dicom/header_reader.h"
#include "dicom/mr_writer.h"
#include "dicom/series_roles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace glionode::dicom::testing {

/// The real test data: GLIONODE_TEST_DATA, else ../shared/data beside the project. Empty when it is not there.
inline std::filesystem::path TestData() {
  if (const char* folder = std::getenv("GLIONODE_TEST_DATA")) return folder;
  const auto beside = std::filesystem::path(GLIONODE_SOURCE_DIR) / "../shared/data";
  return std::filesystem::exists(beside / "README.md") ? beside : std::filesystem::path();
}

#define GLIONODE_NEED_DATA(folder)                                           \
  if (TestData().empty() || !std::filesystem::exists(TestData() / (folder))) \
  GTEST_SKIP() << "the real test data (" << (folder) << ") is not here: set GLIONODE_TEST_DATA to its folder"

/// A folder of its own for each test, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "glionode-images-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& Path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::filesystem::path> FilesUnder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".dcm") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

inline std::vector<InstanceHeader> ReadAll(const std::vector<std::filesystem::path>& files) {
  std::vector<InstanceHeader> headers;
  for (const auto& file : files) headers.push_back(ReadHeader(file));
  return headers;
}

inline std::string Bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

inline void WriteBytes(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

/// An oblique head-sized volume whose voxel (x, y, z) is x + 10 z, with usual attributes.
inline MrSeries SmallSeries(const std::string& name, const std::string& description) {
  MrSeries series;
  series.size = {20, 16, 24};
  series.spacing = {10, 11, 6};
  series.origin = {-100.25, -80.5, -70};
  const double c = 0.9961946980917455, s = 0.08715574274765817;  // 5 degrees about the x axis
  series.direction = {1, 0, 0, 0, c, -s, 0, s, c};
  series.voxels.resize(20 * 16 * 24);
  for (std::size_t i = 0; i < series.voxels.size(); ++i)
    series.voxels[i] = static_cast<float>(i % 20 + 10 * (i / (20 * 16)));
  series.sop_uid_prefix_name = name;
  series.attributes = {{"PatientID", "TEST-1"},
                       {"PatientName", "Test^One"},
                       {"StudyInstanceUID", "1.2.826.0.1.3680043.8.498.77"},
                       {"SeriesDescription", description},
                       {"SeriesNumber", "3"},
                       {"StudyDate", "20261121"},
                       {"StudyTime", "080000"},
                       {"ScanningSequence", "SE"},
                       {"RepetitionTime", "500"},
                       {"EchoTime", "12"}};
  return series;
}

/// A phantom-like study of T1, T2 and T1ce, 24 slices each; returns the files by role.
inline std::map<std::string, std::vector<std::filesystem::path>> WriteSmallStudy(const std::filesystem::path& folder) {
  std::map<std::string, std::vector<std::filesystem::path>> files;
  MrSeries t2 = SmallSeries("t2", "AX T2 TSE");
  t2.attributes["RepetitionTime"] = "4000";
  t2.attributes["EchoTime"] = "100";
  MrSeries t1ce = SmallSeries("t1ce", "AX T1 POST GD");
  files["t1"] = WriteMrSeries(SmallSeries("t1", "AX T1"), folder / "t1");
  files["t2"] = WriteMrSeries(t2, folder / "t2");
  files["t1ce"] = WriteMrSeries(t1ce, folder / "t1ce");
  return files;
}

inline std::vector<std::filesystem::path> Flatten(
    const std::map<std::string, std::vector<std::filesystem::path>>& files) {
  std::vector<std::filesystem::path> all;
  for (const auto& [role, list] : files) all.insert(all.end(), list.begin(), list.end());
  return all;
}

}  // namespace glionode::dicom::testing
