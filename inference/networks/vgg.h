#pragma once
#include "inference/networks/network.h"

namespace glionode::networks {

/// VGG16 (configuration D) in 3D: thirteen 3x3x3 convolutions with normalisation and ReLU, five max pools that halve,
/// then, instead of the 4096-wide layers, the mean over voxels and one linear layer. Names as in the usual sequence
/// with normalisation: features.0.weight (convolution), features.1.weight (normalisation) ... The layout word means
/// nothing here. With three inputs and two classes at width 1: 44,145,090 parameters. Inputs of 32^3 at least.
std::shared_ptr<Network> MakeVgg16(const NetworkSpec& spec);

}  // namespace glionode::networks
