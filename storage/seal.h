#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace glionode::storage {

/// What the preamble of a received DICOM file says (its 128 bytes are ours to use: PS3.10 7.1): the object was taken,
/// whole, and its sender may have been told so. A crash can leave the seal on a disk without all of the content; who
/// finds a seal compares length and hash.
struct Seal {
  std::int64_t file_bytes = 0;
  std::string dataset_sha256;  ///< lower-case hex
};

/// Writes the seal of a closed file and syncs its content; its name must be durable before (StagingPool). Then, and not
/// before, the object is safe. Throws Error with the path.
void SealFile(const std::filesystem::path& file, const std::string& dataset_sha256);

/// The seal of a file; none if it was never sealed. Throws Error with the path if it cannot be read.
std::optional<Seal> ReadSeal(const std::filesystem::path& file);

}  // namespace glionode::storage
