#pragma once
#include <cstddef>
#include <cstdint>

namespace glionode::dicom {

/// Whether the marker segments at the head of a JPEG code stream (ITU-T T.81, B.1) can be walked up to its frame header
/// or the end of `data`: each has a length that leads further. Markers without one (TEM, RSTn, EOI) have no place
/// there, and DCMTK 3.6.7 stays at some of them for ever.
bool HasJpegHeader(const std::uint8_t* data, std::size_t size);

}  // namespace glionode::dicom
