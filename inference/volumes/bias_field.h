#pragma once
#include "inference/volumes/head_mask.h"

#include <vector>

namespace glionode::volumes {

/// A field that was found: values are divided by it, then multiplied by `scale`. Without voxels: nothing to correct.
struct BiasField {
  Volume field;  ///< 12 mm
  float scale = 1;
};

/// Divides `values` (on `grid`) by a smooth field found by N4 inside the mask on a 12 mm grid, and leaves the mean
/// inside the mask as it was. Values must not be negative. Deterministic. Threads: any. Throws Error{kInternal}.
/// Returns the field, for the same series on another grid.
BiasField CorrectBias(std::vector<float>& values, const Mask& mask, const Grid& grid);
/// The same correction of the same series, sampled on another grid.
void ApplyBias(std::vector<float>& values, const BiasField& bias, const Grid& grid);

}  // namespace glionode::volumes
