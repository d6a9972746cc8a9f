#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

namespace glionode::networks {

/// A tensor file holds values only, [channel][z][y][x], little endian; float32 or half, told apart by the file's size.
/// Reads the values as float. Throws Error{kMissingPart} if the file is not there, Error{kBadDataset} (FILE: reason)
/// for another size or a value that is not finite.
std::vector<float> ReadTensorFile(const std::filesystem::path& file, std::int64_t count);

}  // namespace glionode::networks
