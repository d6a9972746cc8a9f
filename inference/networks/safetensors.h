#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace glionode::networks {

struct SafeTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  bool half = false;  ///< on disk as F16
};

/// The safetensors format: 8 bytes of header length (little endian), a JSON header of names with dtype, shape and
/// offsets, then the values. F32 and F16 are read (F16 is widened); counters named *.num_batches_tracked are passed
/// over. Everything is checked: lengths, offsets that overlap or leave gaps, sizes against shapes, keys that occur
/// twice, values that are not finite; the whole header before memory is taken for any value. Throws Error{kBadDataset}:
/// NAME: tensor: reason. Safe on hostile input; never allocates more than a small multiple of bytes.size().
std::map<std::string, SafeTensor> ParseSafetensors(std::string_view bytes, const std::string& name);
/// The texts of the header's "__metadata__", empty if it has none. Throws as ParseSafetensors for a broken header.
std::map<std::string, std::string> ParseSafetensorsMetadata(std::string_view bytes, const std::string& name);
std::map<std::string, SafeTensor> ReadSafetensors(const std::filesystem::path& file);

/// The file's content; tensors in the order of their names, F16 where `half` is set. Throws Error{kInternal} for values
/// that are not finite (or overflow as F16) and for a size that disagrees with the shape.
std::string EncodeSafetensors(const std::map<std::string, SafeTensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace glionode::networks
