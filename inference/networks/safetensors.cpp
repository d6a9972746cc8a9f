#include "inference/networks/safetensors.h"

#include "config/error.h"
#include "inference/networks/file_io.h"
#include "inference/networks/half.h"
#include "inference/networks/strict_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <tuple>
#include <utility>

namespace glionode::networks {

static_assert(std::endian::native == std::endian::little, "tensor files are little endian and are copied as they are");

namespace {
constexpr std::uint64_t kMaxHeader = 16u << 20;
constexpr std::uint64_t kMaxFile = std::uint64_t{2} << 30;
using Json = nlohmann::json;

[[noreturn]] void Bad(const std::string& name, const std::string& reason) {
  throw Error(ErrorCode::kBadDataset, name + ": " + reason);
}

std::uint64_t HeaderLength(std::string_view bytes, const std::string& name) {
  if (bytes.size() < 8) Bad(name, "too short to be a safetensors file");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > kMaxHeader || length > bytes.size() - 8)
    Bad(name, "the header length (" + std::to_string(length) + ") does not fit the file");
  return length;
}

Json ParseHeader(std::string_view text, const std::string& name) {
  Json header = ParseStrictly<Json>(text, name + ": header");
  if (!header.is_object()) Bad(name, "the header is not a JSON object");
  return header;
}

struct Span {
  std::uint64_t begin = 0, end = 0;
};

/// What the header says of a tensor.
struct Entry {
  std::string key;
  std::vector<std::int64_t> shape;
  std::uint64_t count = 1;  ///< of values
  bool half = false;
  bool counter = false;  ///< to be passed over
  Span span;
};

bool ReadUnsigned(const Json& value, std::uint64_t& out) {
  if (!value.is_number_unsigned()) return false;
  out = value.get<std::uint64_t>();
  return true;
}

/// Shape, offsets and dtype of one entry, checked against the data's size.
Entry ReadEntry(const std::string& where, const std::string& key, const Json& entry, std::uint64_t data_size) {
  if (!entry.is_object()) Bad(where, "its header entry is not an object");
  const auto dtype = entry.find("dtype"), shape = entry.find("shape"), offsets = entry.find("data_offsets");
  if (dtype == entry.end() || !dtype->is_string()) Bad(where, "dtype is missing or not a text");
  if (shape == entry.end() || !shape->is_array()) Bad(where, "shape is missing or not a list");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2)
    Bad(where, "data_offsets is missing or not a list of two numbers");
  Entry read;
  read.key = key;
  if (shape->size() > 8) Bad(where, "shape has more than 8 dimensions");
  for (const auto& extent : *shape) {
    std::uint64_t n = 0;
    if (!ReadUnsigned(extent, n)) Bad(where, "shape holds a value that is not a count");
    if (n == 0) Bad(where, "shape holds 0");
    if (n > kMaxFile / read.count) Bad(where, "shape is too large");
    read.count *= n;
    read.shape.push_back(static_cast<std::int64_t>(n));
  }
  Span& span = read.span;
  if (!ReadUnsigned((*offsets)[0], span.begin) || !ReadUnsigned((*offsets)[1], span.end))
    Bad(where, "data_offsets holds a value that is not an offset");
  if (span.begin > span.end) Bad(where, "data_offsets run backwards");
  if (span.end > data_size)
    Bad(where, "data_offsets end at " + std::to_string(span.end) + ", but the file holds " + std::to_string(data_size) +
                   " bytes of values");
  const std::string type = dtype->get<std::string>();
  read.counter = key.ends_with(".num_batches_tracked");
  if (read.counter) return read;
  if (type != "F32" && type != "F16") Bad(where, "dtype '" + type + "' is not supported (F32 and F16 are)");
  read.half = type == "F16";
  const std::uint64_t expected = read.count * (read.half ? 2 : 4);
  if (span.end - span.begin != expected)
    Bad(where, "its shape needs " + std::to_string(expected) + " bytes, its offsets give " +
                   std::to_string(span.end - span.begin));
  return read;
}

/// Sorts by place. Behind this, the values of all entries together are no more than the file holds.
void CheckLayout(const std::string& name, std::vector<Entry>& entries, std::uint64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.span.begin, a.span.end) < std::tie(b.span.begin, b.span.end);
  });
  std::uint64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.span.begin < at) Bad(name, entry.key + ": its values overlap those of another tensor");
    if (entry.span.begin > at) Bad(name, entry.key + ": there is a gap before its values");
    at = entry.span.end;
  }
  if (at != data_size) Bad(name, std::to_string(data_size - at) + " bytes at the end belong to no tensor");
}
}  // namespace

std::map<std::string, std::string> ParseSafetensorsMetadata(std::string_view bytes, const std::string& name) {
  const Json header = ParseHeader(bytes.substr(8, HeaderLength(bytes, name)), name);
  std::map<std::string, std::string> texts;
  const auto found = header.find("__metadata__");
  if (found == header.end()) return texts;
  if (!found->is_object()) Bad(name, "__metadata__ is not an object");
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) Bad(name, "__metadata__: " + key + " is not a text");
    texts[key] = value.get<std::string>();
  }
  return texts;
}

std::map<std::string, SafeTensor> ParseSafetensors(std::string_view bytes, const std::string& name) {
  const std::uint64_t length = HeaderLength(bytes, name);
  const std::string_view data = bytes.substr(8 + length);
  const Json header = ParseHeader(bytes.substr(8, length), name);

  std::vector<Entry> entries;
  for (const auto& [key, entry] : header.items())
    if (key != "__metadata__") entries.push_back(ReadEntry(name + ": " + key, key, entry, data.size()));
  CheckLayout(name, entries, data.size());

  std::map<std::string, SafeTensor> tensors;
  for (const Entry& entry : entries) {
    if (entry.counter) continue;
    const std::string where = name + ": " + entry.key;
    SafeTensor tensor{entry.shape, std::vector<float>(entry.count), entry.half};
    const char* source = data.data() + entry.span.begin;
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      std::uint16_t half = 0;
      if (tensor.half) {
        std::memcpy(&half, source + 2 * i, 2);
        tensor.values[i] = HalfToFloat(half);
      } else {
        std::memcpy(&tensor.values[i], source + 4 * i, 4);
      }
      if (!std::isfinite(tensor.values[i])) Bad(where, "value " + std::to_string(i) + " is not a finite number");
    }
    tensors.emplace(entry.key, std::move(tensor));
  }
  if (tensors.empty()) Bad(name, "holds no tensor");
  return tensors;
}

std::map<std::string, SafeTensor> ReadSafetensors(const std::filesystem::path& file) {
  return ParseSafetensors(ReadWholeFile(file, kMaxFile), file.string());
}

std::string EncodeSafetensors(const std::map<std::string, SafeTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    std::uint64_t count = 1;
    for (const auto extent : tensor.shape) count *= static_cast<std::uint64_t>(extent);
    if (count != tensor.values.size()) throw Error(ErrorCode::kInternal, name + ": shape and values disagree");
    const std::size_t begin = data.size();
    for (const float value : tensor.values) {
      const std::uint16_t half = FloatToHalf(value);
      if (!std::isfinite(value) || (tensor.half && !std::isfinite(HalfToFloat(half))))
        throw Error(ErrorCode::kInternal, name + ": holds a value that cannot be stored: " + std::to_string(value));
      if (tensor.half)
        data.append(reinterpret_cast<const char*>(&half), 2);
      else
        data.append(reinterpret_cast<const char*>(&value), 4);
    }
    header[name] = {{"dtype", tensor.half ? "F16" : "F32"}, {"shape", tensor.shape}};
    header[name]["data_offsets"] = {begin, data.size()};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // values start at a multiple of 8
  const std::uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  return bytes + text + data;
}

}  // namespace glionode::networks
