#pragma once
#include "inference/networks/network.h"
#include "inference/networks/safetensors.h"

#include <filesystem>
#include <map>
#include <string>

namespace glionode::networks {

/// Parameters and running statistics by MedicalNet's names (counters of batches left out). Tensors of two or more
/// dimensions are marked for half precision; vectors stay F32: they are few, and variances need the range.
std::map<std::string, SafeTensor> WeightsOf(const Network& network);

/// Rounds in place what WeightsOf() would store as half, so that what is calibrated is what is served.
void RoundToStored(Network& network);

/// Copies tensors into the network; those of the domain (domain.h), which stand beside it, are passed over. Throws Error{kBadDataset} (FILE: tensor: reason) for a missing name, an unexpected
/// name or another shape.
void LoadWeights(Network& network, const std::map<std::string, SafeTensor>& tensors, const std::string& file);

}  // namespace glionode::networks
