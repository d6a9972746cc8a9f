#include "inference/networks/tensor_file.h"

#include "config/error.h"
#include "inference/networks/file_io.h"
#include "inference/networks/half.h"
#include "inference/networks/training.h"

#include <array>
#include <cmath>
#include <cstring>
#include <string>

namespace glionode::networks {

namespace {
const std::vector<float>& HalfTable() {
  static const std::vector<float> table = [] {
    std::vector<float> values(65536);
    for (std::uint32_t i = 0; i < 65536; ++i) values[i] = HalfToFloat(static_cast<std::uint16_t>(i));
    return values;
  }();
  return table;
}
}  // namespace

void WriteTensorFile(const std::filesystem::path& file, const std::vector<float>& tensor) {
  std::string bytes(tensor.size() * 2, '\0');
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    const std::uint16_t half = FloatToHalf(tensor[i]);
    if ((half & 0x7c00u) == 0x7c00u)
      throw Error(ErrorCode::kBadDataset,
                  file.string() + ": value " + std::to_string(i) + " is not finite or too large for half precision");
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  WriteFileAtomically(file, bytes);
}

std::vector<float> ReadTensorFile(const std::filesystem::path& file, std::int64_t count) {
  const auto wanted = static_cast<std::size_t>(count);
  const std::string bytes = ReadWholeFile(file, wanted * 4);
  std::vector<float> values(wanted);
  if (bytes.size() == wanted * 4) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else if (bytes.size() == wanted * 2) {
    const auto& table = HalfTable();
    for (std::size_t i = 0; i < wanted; ++i) {
      std::uint16_t half = 0;
      std::memcpy(&half, bytes.data() + 2 * i, 2);
      values[i] = table[half];
    }
  } else {
    throw Error(ErrorCode::kBadDataset, file.string() + ": " + std::to_string(bytes.size()) + " bytes; " +
                                            std::to_string(wanted) + " values of 4 or 2 bytes were expected");
  }
  for (const float value : values)
    if (!std::isfinite(value))
      throw Error(ErrorCode::kBadDataset, file.string() + ": holds a value that is not finite");
  return values;
}

}  // namespace glionode::networks
