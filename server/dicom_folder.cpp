#include "server/dicom_folder.h"

#include "config/error.h"

#include <algorithm>

namespace glionode::server {

namespace fs = std::filesystem;

DicomFolder ReadDicomFolder(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw Error(ErrorCode::kUsage, folder.string() + ": no such folder");
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  DicomFolder found;
  for (const fs::path& file : files) {
    try {
      dicom::InstanceHeader header = dicom::ReadHeader(file);
      if (!dicom::IsCandidateImage(header)) {
        ++found.other_objects;
        continue;
      }
      const std::string study_uid = header.study_uid;
      found.studies[study_uid].push_back({std::move(header), fs::absolute(file).string()});
    } catch (const Error&) {
      ++found.not_dicom;
    }
  }
  return found;
}

const std::vector<StoredHeader>& RequireStudy(const DicomFolder& folder, const fs::path& path,
                                              const std::string& study_uid) {
  if (folder.studies.empty())
    throw Error(ErrorCode::kUsage, path.string() + ": no MR images (" + std::to_string(folder.other_objects) +
                                       " other DICOM objects, " + std::to_string(folder.not_dicom) +
                                       " files that are not readable DICOM)");
  if (!study_uid.empty()) {
    const auto found = folder.studies.find(study_uid);
    if (found == folder.studies.end())
      throw Error(ErrorCode::kUsage, path.string() + ": no MR images of study " + study_uid);
    return found->second;
  }
  if (folder.studies.size() == 1) return folder.studies.begin()->second;
  std::string text = path.string() + ": several studies; choose one with --study:";
  for (const auto& [uid, instances] : folder.studies)
    text += "\n  " + uid + " (" + std::to_string(instances.size()) + " images)";
  throw Error(ErrorCode::kUsage, text);
}

dicom::StudySelection Select(const std::vector<StoredHeader>& instances, const std::vector<Role>& wanted,
                             const FolderRules& site) {
  std::vector<dicom::InstanceHeader> headers;
  headers.reserve(instances.size());
  std::string peer = site.peer;
  for (const StoredHeader& instance : instances) {
    headers.push_back(instance.header);
    if (peer.empty()) peer = instance.header.calling_ae;
  }
  return dicom::SelectSeries(dicom::SummarizeSeries(headers), wanted, site.rules, peer);
}

}  // namespace glionode::server
