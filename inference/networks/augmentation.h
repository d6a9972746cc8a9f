#pragma once
#include "inference/networks/random.h"

#include <torch/torch.h>

#include <string>

namespace glionode::networks {

enum class Augmentation { kNone, kLight, kFull };
/// none, light, full. Throws Error{kUsage} for another word.
Augmentation AugmentationFromText(const std::string& word);

/// A changed copy of one input [channel][z][y][x] that a reader would judge alike. Light: mirrored left-right (x is the
/// L axis of the LPS grid) half of the time, moved by up to 1/16 of the grid along each axis (zeros move in),
/// intensities of each channel scaled by 0.9 to 1.1 and shifted by up to 0.1 inside the head (background is exactly 0
/// and stays so). Full adds, before that: turned by up to 6 degrees around each axis and scaled by 0.95 to 1.05 (linear
/// interpolation), every sequence displaced on its own by up to half a voxel, as registration leaves it; and, inside
/// the head, a smooth field of up to 0.2 (a bias field's rest) and white noise of up to 0.1. What is drawn depends on
/// `random` only.
torch::Tensor Augment(torch::Tensor input, Augmentation kind, SplitMix64& random);

}  // namespace glionode::networks
