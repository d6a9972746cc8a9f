#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace glionode::networks {

/// Whole file. Throws Error{kMissingPart} if it is not there, Error{kBadDataset} if it is larger than `limit` bytes or
/// cannot be read.
std::string ReadWholeFile(const std::filesystem::path& file, std::uint64_t limit);

/// Temp file in the same folder, synced, renamed over `file`, folder synced: readers see the old or the new content,
/// never a part. Throws Error{kOutOfSpace} or Error{kInternal} with the file's name.
void WriteFileAtomically(const std::filesystem::path& file, std::string_view content);

}  // namespace glionode::networks
