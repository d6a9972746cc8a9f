#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/volume.h"

#include <array>
#include <string>
#include <vector>

namespace glionode::volumes {

/// One slice with its place; same meaning as dicom::FrameGeometry (the server copies it over).
struct Frame {
  int rows = 0, columns = 0;
  std::array<double, 3> position{};
  std::array<double, 6> orientation{};
  std::array<double, 2> spacing{};  ///< between rows, between columns, mm
  std::vector<float> values;
};

struct StackResult {
  Volume volume;
  std::vector<Reason> reasons;  ///< geometry or incomplete_series; empty: the volume is good
};

/// Sorts slices along their normal and builds a volume; spacing comes from positions, never from SliceThickness. Slices
/// need not arrive in order.
StackResult Stack(std::vector<Frame> frames);

}  // namespace glionode::volumes
