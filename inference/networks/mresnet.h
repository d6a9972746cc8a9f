#pragma once
#include "inference/networks/network.h"

namespace glionode::networks {

/// Our own reading of the name "MresNet"; no definition of the paper's network is public, so this is not the paper's
/// network and its figures are not to be set beside that row. Reading: a multi-branch residual network. Every sequence
/// has its own stem and first two stages of ResNet-10 (branchN.conv1, branchN.bn1, branchN.layer1, branchN.layer2); the
/// maps are joined, brought back to one branch's channels by a 1x1x1 convolution with normalisation (fuse.0, fuse.1),
/// and go through the last two stages (layer3, layer4) and the pooled linear head. Layouts as for ResNet-10.
std::shared_ptr<Network> MakeMresNet(const NetworkSpec& spec);

}  // namespace glionode::networks
