#include "dicom/jpeg_markers.h"

namespace glionode::dicom {

bool HasJpegHeader(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint8_t kSoi = 0xD8, kDht = 0xC4, kJpg = 0xC8, kDac = 0xCC;
  if (size < 4 || data[0] != 0xFF || data[1] != kSoi) return false;
  std::size_t at = 2;
  while (at + 4 <= size) {
    if (data[at] != 0xFF) return false;
    const std::uint8_t marker = data[at + 1];
    if (marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    if (marker >= 0xC0 && marker <= 0xCF && marker != kDht && marker != kJpg && marker != kDac) return true;
    if (marker <= 0x01 || (marker >= 0xD0 && marker <= 0xD9)) return false;
    const std::size_t length = static_cast<std::size_t>(data[at + 2]) << 8 | data[at + 3];
    if (length < 2) return false;
    at += 2 + length;
  }
  return true;
}

}  // namespace glionode::dicom
