#pragma once
#include "inference/volumes/head_mask.h"

#include <vector>

namespace glionode::volumes {

/// Divides `values` (on `grid`) by a smooth field found by N4 inside the mask on a 10 mm grid, and leaves the mean
/// inside the mask as it was. Values must not be negative. Deterministic. Threads: any. Throws Error{kInternal}.
void CorrectBias(std::vector<float>& values, const Mask& mask, const Grid& grid);

}  // namespace glionode::volumes
