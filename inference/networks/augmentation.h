#pragma once
#include "inference/networks/random.h"

#include <torch/torch.h>

namespace glionode::networks {

/// A changed copy of one input [channel][z][y][x] that a reader would judge alike: mirrored left-right (x is the L axis
/// of the LPS grid) half of the time, moved by up to 1/16 of the grid along each axis (zeros move in), intensities of
/// each channel scaled by 0.9 to 1.1 and shifted by up to 0.1 inside the head (background is exactly 0 and stays so).
torch::Tensor Augment(torch::Tensor input, SplitMix64& random);

}  // namespace glionode::networks
