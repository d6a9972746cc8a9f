#pragma once
#include "inference/networks/evaluation.h"

#include <filesystem>
#include <vector>

namespace glionode::networks {

/// The sanity check of the activation map (Adebayo et al. 2018, cascading randomisation) on some preprocessed cases:
/// the evidence for necrosis with the bundle's weights against the same with the head's weights, with the head and the
/// later half of the network's, and with all weights drawn anew (seeded). Only voxels where either map is not constant
/// count. Runs on the CPU. Throws as Classifier does.
MapCheck CheckMap(const std::filesystem::path& bundle, const std::vector<std::filesystem::path>& tensor_files,
                  int threads);

/// Spearman's rank correlation; ties get their mean rank. 0 if either is constant.
double RankCorrelation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace glionode::networks
