#pragma once
#include "inference/networks/random.h"

#include <torch/torch.h>

namespace glionode::networks {

/// An input [channel][z][y][x] whose cube is centred on the lesion, mirrored along any axis and with x and y exchanged,
/// each half of the time: a lesion has no front and no top. (z stays z: it is the direction of thick slices.)
torch::Tensor TurnAnyWay(torch::Tensor input, SplitMix64& random);

}  // namespace glionode::networks
