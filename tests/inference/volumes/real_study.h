#pragma once
#include "inference/volumes/stack.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace glionode::volumes::testing {

/// The folder of real test data, or an empty path.
inline std::filesystem::path TestData() {
  if (const char* set = std::getenv("GLIONODE_TEST_DATA")) return set;
  // tests/inference/volumes -> the project's root -> its neighbour
  auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path();
  return root.parent_path() / "shared" / "data";
}

/// Reads a flat Explicit VR Little Endian file with 16-bit unsigned pixels: enough for the TCGA study, so that these
/// tests need no other folder of the project.
inline Frame ReadFlatMr(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(static_cast<std::size_t>(std::filesystem::file_size(file)), '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto u16 = [&](std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes.at(at)) |
                                      static_cast<unsigned char>(bytes.at(at + 1)) << 8);
  };
  const auto u32 = [&](std::size_t at) { return u16(at) | static_cast<std::uint32_t>(u16(at + 2)) << 16; };
  const auto numbers = [&](std::size_t at, std::size_t size, double* to) {
    std::stringstream text(bytes.substr(at, size));
    std::string part;
    while (std::getline(text, part, '\\')) *to++ = std::strtod(part.c_str(), nullptr);
  };
  Frame frame;
  std::size_t at = 132;
  while (at + 8 <= bytes.size()) {
    const std::uint32_t tag = static_cast<std::uint32_t>(u16(at)) << 16 | u16(at + 2);
    const std::string vr = bytes.substr(at + 4, 2);
    const bool is_long = vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN" || vr == "UT" || vr == "UC" || vr == "UR";
    std::size_t size = is_long ? u32(at + 8) : u16(at + 6);
    at += is_long ? 12 : 8;
    if (size == 0xffffffffU) {  // a sequence of undefined length: find its end (flat files hold none that nest)
      const std::string end("\xfe\xff\xdd\xe0\0\0\0\0", 8);
      size = bytes.find(end, at) + 8 - at;
    }
    if (tag == 0x00200032) numbers(at, size, frame.position.data());
    if (tag == 0x00200037) numbers(at, size, frame.orientation.data());
    if (tag == 0x00280030) numbers(at, size, frame.spacing.data());
    if (tag == 0x00280010) frame.rows = u16(at);
    if (tag == 0x00280011) frame.columns = u16(at);
    if (tag == 0x7fe00010) {
      frame.values.resize(size / 2);
      for (std::size_t i = 0; i < frame.values.size(); ++i) frame.values[i] = u16(at + 2 * i);
    }
    at += size;
  }
  return frame;
}

/// All files of one series folder, in the folder's order (which is none).
inline std::vector<Frame> ReadSeries(const std::filesystem::path& folder) {
  std::vector<Frame> frames;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) frames.push_back(ReadFlatMr(entry.path()));
  return frames;
}

}  // namespace glionode::volumes::testing
