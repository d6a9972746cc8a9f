#include "tests/bench/preprocess/study_volumes.h"

#include "config/error.h"
#include "dicom/pixel_decoder.h"
#include "dicom/series_roles.h"

namespace glionode::bench {

StudyFiles ReadStudy(const std::filesystem::path& folder) {
  StudyFiles study;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    auto header = dicom::ReadHeader(entry.path());
    study.by_instance[header.sop_instance_uid] = entry.path();
    study.headers.push_back(std::move(header));
  }
  return study;
}

std::map<Role, std::vector<std::filesystem::path>> SelectFiles(const StudyFiles& study) {
  const auto selection =
      dicom::SelectSeries(dicom::SummarizeSeries(study.headers), {Role::kT1, Role::kT2, Role::kT1ce});
  std::string why;
  for (const auto& reason : selection.reasons) why += " " + reason.text;
  if (!why.empty()) throw Error(ErrorCode::kBadDataset, "The three series were not found." + why);
  std::map<Role, std::vector<std::filesystem::path>> files;
  for (const auto& [role, chosen] : selection.chosen)
    for (const auto& uid : chosen.sop_instance_uids) files[role].push_back(study.by_instance.at(uid));
  return files;
}

std::vector<volumes::Frame> DecodeFrames(const std::vector<std::filesystem::path>& files) {
  std::vector<volumes::Frame> frames;
  for (const auto& file : files)
    for (auto& decoded : dicom::Decode(file).frames) {
      volumes::Frame frame;
      frame.rows = decoded.rows, frame.columns = decoded.columns;
      frame.position = decoded.geometry.position;
      frame.orientation = decoded.geometry.orientation;
      frame.spacing = decoded.geometry.spacing;
      frame.values = std::move(decoded.values);
      frames.push_back(std::move(frame));
    }
  return frames;
}

}  // namespace glionode::bench
