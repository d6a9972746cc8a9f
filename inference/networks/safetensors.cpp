#include "inference/networks/safetensors.h"

#include "config/error.h"
#include "inference/networks/file_io.h"
#include "inference/networks/half.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>

namespace glionode::networks {

static_assert(std::endian::native == std::endian::little, "tensor files are little endian and are copied as they are");

namespace {
constexpr std::uint64_t kMaxHeader = 16u << 20;
constexpr std::uint64_t kMaxFile = std::uint64_t{2} << 30;
using Json = nlohmann::ordered_json;

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
  std::set<std::string> names;
  std::string duplicate;
  const auto callback = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1 && !names.insert(parsed.get<std::string>()).second)
      duplicate = parsed.get<std::string>();
    return depth < 8;  // deeper values have no meaning here and are dropped
  };
  Json header = Json::parse(text, callback, /*allow_exceptions=*/false);
  if (header.is_discarded() || !header.is_object()) Bad(name, "the header is not a JSON object");
  if (!duplicate.empty()) Bad(name, duplicate + ": the name occurs twice in the header");
  return header;
}

struct Span {
  std::uint64_t begin = 0, end = 0;
  std::string tensor;
};

bool ReadUnsigned(const Json& value, std::uint64_t& out) {
  if (!value.is_number_unsigned()) return false;
  out = value.get<std::uint64_t>();
  return true;
}

/// Shape, offsets and dtype of one entry, checked against the data's size. Returns false for a counter to pass over.
bool ReadEntry(const std::string& where, const std::string& key, const Json& entry, std::uint64_t data_size,
               SafeTensor& tensor, Span& span) {
  if (!entry.is_object()) Bad(where, "its header entry is not an object");
  const auto dtype = entry.find("dtype"), shape = entry.find("shape"), offsets = entry.find("data_offsets");
  if (dtype == entry.end() || !dtype->is_string()) Bad(where, "dtype is missing or not a text");
  if (shape == entry.end() || !shape->is_array()) Bad(where, "shape is missing or not a list");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2)
    Bad(where, "data_offsets is missing or not a list of two numbers");
  std::uint64_t count = 1;
  if (shape->size() > 8) Bad(where, "shape has more than 8 dimensions");
  for (const auto& extent : *shape) {
    std::uint64_t n = 0;
    if (!ReadUnsigned(extent, n)) Bad(where, "shape holds a value that is not a count");
    if (n == 0) Bad(where, "shape holds 0");
    if (n > kMaxFile / count) Bad(where, "shape is too large");
    count *= n;
    tensor.shape.push_back(static_cast<std::int64_t>(n));
  }
  if (!ReadUnsigned((*offsets)[0], span.begin) || !ReadUnsigned((*offsets)[1], span.end))
    Bad(where, "data_offsets holds a value that is not an offset");
  if (span.begin > span.end) Bad(where, "data_offsets run backwards");
  if (span.end > data_size)
    Bad(where, "data_offsets end at " + std::to_string(span.end) + ", but the file holds " + std::to_string(data_size) +
                   " bytes of values");
  span.tensor = key;
  const std::string type = dtype->get<std::string>();
  if (key.ends_with(".num_batches_tracked")) return false;
  if (type != "F32" && type != "F16") Bad(where, "dtype '" + type + "' is not supported (F32 and F16 are)");
  tensor.half = type == "F16";
  const std::uint64_t expected = count * (tensor.half ? 2 : 4);
  if (span.end - span.begin != expected)
    Bad(where, "its shape needs " + std::to_string(expected) + " bytes, its offsets give " +
                   std::to_string(span.end - span.begin));
  tensor.values.resize(count);
  return true;
}

void CheckLayout(const std::string& name, std::vector<Span> spans, std::uint64_t data_size) {
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t at = 0;
  for (const auto& span : spans) {
    if (span.begin < at) Bad(name, span.tensor + ": its values overlap those of another tensor");
    if (span.begin > at) Bad(name, span.tensor + ": there is a gap before its values");
    at = span.end;
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

  std::map<std::string, SafeTensor> tensors;
  std::vector<Span> spans;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") continue;
    const std::string where = name + ": " + key;
    SafeTensor tensor;
    Span span;
    const bool wanted = ReadEntry(where, key, entry, data.size(), tensor, span);
    spans.push_back(span);
    if (!wanted) continue;
    const char* source = data.data() + span.begin;
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
    tensors.emplace(key, std::move(tensor));
  }
  CheckLayout(name, std::move(spans), data.size());
  if (tensors.empty()) Bad(name, "holds no tensor");
  return tensors;
}

std::map<std::string, SafeTensor> ReadSafetensors(const std::filesystem::path& file) {
  return ParseSafetensors(ReadWholeFile(file, kMaxFile), file.string());
}

std::string EncodeSafetensors(const std::map<std::string, SafeTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
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
