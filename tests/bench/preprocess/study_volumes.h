#pragma once
#include "config/vocabulary.h"
#include "dicom/header_reader.h"
#include "inference/volumes/stack.h"

#include <filesystem>
#include <map>
#include <vector>

namespace glionode::bench {

/// The files of a folder tree with their headers, each read once.
struct StudyFiles {
  std::map<std::string, std::filesystem::path> by_instance;  ///< SOP Instance UID -> file
  std::vector<dicom::InstanceHeader> headers;
};
StudyFiles ReadStudy(const std::filesystem::path& folder);

/// The files of the chosen T1, T2 and T1ce series. Throws Error{kBadDataset} with the reasons if one is not found.
std::map<Role, std::vector<std::filesystem::path>> SelectFiles(const StudyFiles& study);

/// Decodes files to slices with their places, as the worker does.
std::vector<volumes::Frame> DecodeFrames(const std::vector<std::filesystem::path>& files);

}  // namespace glionode::bench
