#pragma once
#include <filesystem>
#include <string>

namespace glionode::dicom {

/// SHA-256 of a stored file's data set (all behind the file meta information, PS3.10 7.1): the same value that the
/// receiver takes while the bytes arrive. Throws Error{kBadDataset} if the file has no readable meta information.
std::string DatasetSha256(const std::filesystem::path& file);

}  // namespace glionode::dicom
