#pragma once
#include "server/study_inputs.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glionode::server {

struct DicomFolder {
  std::map<std::string, std::vector<StoredHeader>>
      studies;            ///< candidate images by Study Instance UID, in the order of their paths
  int other_objects = 0;  ///< DICOM, but no MR image
  int not_dicom = 0;
};

/// Reads the headers of all files below a folder. Throws Error{kUsage} if it is no folder.
DicomFolder ReadDicomFolder(const std::filesystem::path& folder);

/// The one study of a folder, or the named one. Throws Error{kUsage} with the choices when there are several or none.
const std::vector<StoredHeader>& RequireStudy(const DicomFolder& folder, const std::filesystem::path& path,
                                              const std::string& study_uid);

/// What a site says of its series, for files in a folder.
struct FolderRules {
  dicom::SiteRules rules;
  std::string peer;  ///< AE title of the sender; empty: as the receiver wrote it into the files
};

/// SelectSeries over stored headers.
dicom::StudySelection Select(const std::vector<StoredHeader>& instances, const std::vector<Role>& wanted,
                             const FolderRules& site = {});

}  // namespace glionode::server
