#include "dicom/rle_header.h"

namespace glionode::dicom {

bool HasRleHeader(const std::uint8_t* data, std::size_t size, int segments) {
  constexpr std::size_t kHeader = 64;
  if (size <= kHeader) return false;
  const auto number = [data](int index) {
    const std::uint8_t* at = data + 4 * index;
    return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
           static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
  };
  if (number(0) != static_cast<std::uint32_t>(segments) || number(1) != kHeader) return false;
  for (int i = 2; i <= segments; ++i)
    if (number(i) <= number(i - 1) || number(i) >= size) return false;
  return true;
}

}  // namespace glionode::dicom
