#include "dicom/ascii_text.h"

#include <cstdint>

namespace glionode::dicom {
namespace {

/// U+00C0..U+00FF, one letter each; '?' where there is no letter to fall back on.
constexpr std::string_view kLatin1 = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";

/// Length of the UTF-8 sequence that begins with `lead`; 1 for a broken one, so that reading goes on.
std::size_t SequenceLength(unsigned char lead) {
  if (lead >= 0xF0 && lead < 0xF8) return 4;
  if (lead >= 0xE0) return 3;
  if (lead >= 0xC0) return 2;
  return 1;
}

}  // namespace

std::string FoldToAscii(std::string_view utf8) {
  std::string ascii;
  ascii.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    if (lead < 0x80) {
      ascii += lead < 0x20 || lead == 0x7F ? ' ' : lead == '\\' ? '/' : static_cast<char>(lead);
      ++i;
      continue;
    }
    const std::size_t length = SequenceLength(lead);
    char folded = '?';
    if (length == 2 && i + 1 < utf8.size()) {
      const std::uint32_t code = (lead & 0x1Fu) << 6 | (static_cast<unsigned char>(utf8[i + 1]) & 0x3Fu);
      if (code >= 0xC0 && code <= 0xFF) folded = kLatin1[code - 0xC0];
    }
    ascii += folded;
    i += length;
  }
  return ascii;
}

std::string Truncate(const std::string& ascii, std::size_t limit) {
  if (ascii.size() <= limit || limit < 4) return ascii.substr(0, limit);
  return ascii.substr(0, limit - 3) + "...";
}

}  // namespace glionode::dicom
