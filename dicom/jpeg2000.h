#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace glionode::dicom {

/// Decodes one JPEG 2000 code stream (raw or in a JP2 box) of one component into stored values, row by row.
/// The size in the code stream must be exactly rows x columns, which is checked before pixels are allocated.
/// Throws Error{kBadDataset} with OpenJPEG's reason. Threads: any.
std::vector<std::int32_t> DecodeJpeg2000(const std::uint8_t* data, std::size_t size, int rows, int columns);

}  // namespace glionode::dicom
