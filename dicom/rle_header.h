#pragma once
#include <cstddef>
#include <cstdint>

namespace glionode::dicom {

/// Whether the 64 bytes at the head of an RLE frame (PS3.5 G.5) name `segments` segments, the first behind the header,
/// each behind the one before and within `data`. DCMTK 3.6.7 adds up offsets in 32 bits and reads where they lead.
bool HasRleHeader(const std::uint8_t* data, std::size_t size, int segments);

}  // namespace glionode::dicom
