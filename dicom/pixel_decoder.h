#pragma once
#include "dicom/header_reader.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace glionode::dicom {

struct DecodeLimits {
  std::int64_t max_pixels = std::int64_t{512}
                            << 20;  ///< rows x columns x frames of one object, checked before anything is allocated
};

struct DecodedFrame {
  int rows = 0, columns = 0;
  FrameGeometry geometry;
  std::vector<float> values;  ///< row by row, rescaled (slope and intercept applied)
};

struct DecodedInstance {
  InstanceHeader header;
  std::vector<DecodedFrame> frames;
  std::string pixel_digest;  ///< SHA-256 over the decoded stored values (not the code stream), geometry and rescale:
                             ///< equal for one image in two lossless syntaxes
  bool lossy = false;        ///< by LossyImageCompression or by the transfer syntax
};

/// Decodes one object (uncompressed, deflated, RLE, JPEG, JPEG-LS, JPEG 2000). Called in the worker process only.
/// Throws Error{kBadDataset} with the reason. Threads: any, after one thread has called it once or RegisterCodecs().
DecodedInstance Decode(const std::filesystem::path& file, const DecodeLimits& limits = {});

void RegisterCodecs();

}  // namespace glionode::dicom
