#pragma once
#include <torch/torch.h>

#include <vector>

namespace glionode::networks {

/// Evidence for class `index` against the other at every voxel of one feature map [1][k][z][y][x]: [z][y][x], double,
/// bias included. Its mean over voxels is exactly logit(index) - logit(other), because the head is linear and pooled.
torch::Tensor EvidenceMap(const torch::Tensor& features, torch::nn::Linear head, int index);

/// Evidence for the class only (values below zero become 0), divided by the largest: 0..1. All zero if nothing speaks
/// for the class.
std::vector<float> ScaledMap(const torch::Tensor& evidence);

}  // namespace glionode::networks
