#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace glionode::dicom {

/// Folds UTF-8 to printable ASCII: Latin letters lose their accents, everything else outside ASCII becomes '?', control
/// characters become spaces. Our own attributes stay valid under whatever SpecificCharacterSet the source has (all of
/// PS3.3 C.12.1.1.2 hold ASCII), and the capture's font needs no other glyphs. Backslash becomes '/': it separates
/// values in DICOM, and is a yen sign in ISO_IR 13.
std::string FoldToAscii(std::string_view utf8);

/// Cuts at `limit` characters, the last three being "..." when something was cut.
std::string Truncate(const std::string& ascii, std::size_t limit);

}  // namespace glionode::dicom
