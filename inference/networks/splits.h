#pragma once
#include "inference/networks/training.h"

#include <cstdint>
#include <vector>

namespace glionode::networks {

/// Fold (0 .. folds-1) of every case: all cases of a patient in one fold, patients with a necrosis and patients without
/// dealt out evenly. Depends on the seed and the patients only, not on the order of cases. Throws Error{kUsage} if a
/// class has fewer patients than there are folds.
std::vector<int> GroupedFolds(const std::vector<TensorCase>& cases, int folds, std::uint64_t seed);

}  // namespace glionode::networks
