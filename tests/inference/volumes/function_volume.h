#pragma once
#include "inference/volumes/volume.h"

#include <array>

namespace glionode::volumes {

/// A volume whose value is a function of the LPS point.
template <typename F>
Volume FromFunction(std::array<int, 3> size, std::array<double, 3> spacing, F f) {
  Volume v;
  v.size = size;
  v.spacing = spacing;
  for (std::size_t i = 0; i < 3; ++i) v.origin[i] = -0.5 * (size[i] - 1) * spacing[i];
  for (int z = 0; z < size[2]; ++z)
    for (int y = 0; y < size[1]; ++y)
      for (int x = 0; x < size[0]; ++x)
        v.voxels.push_back(static_cast<float>(f(PointOf(v, {double(x), double(y), double(z)}))));
  return v;
}

}  // namespace glionode::volumes
