#pragma once
#include "inference/networks/evaluation.h"

#include <filesystem>
#include <vector>

namespace glionode::networks {

/// Which part of a network is drawn anew, beginning at its end.
enum class Redrawn {
  kNothing,
  kHead,
  kLaterHalf,  ///< and the head
  kAll,        ///< with the running statistics of the normalisation back at their beginning
};

/// The evidence for necrosis against recurrence at every voxel of the last feature map, with both signs: [case][voxel]
/// of preprocessed cases, with a part of the bundle's weights drawn anew (seeded). The capture shows the part of it
/// that speaks for the class that is named; here the whole is compared, because a network drawn anew may leave nothing
/// of that part. Runs on the CPU. Throws as Classifier does.
std::vector<std::vector<double>> EvidenceMaps(const std::filesystem::path& bundle,
                                              const std::vector<std::filesystem::path>& tensor_files, Redrawn part,
                                              int threads);

/// The sanity check of the activation map (Adebayo et al. 2018, cascading randomisation): EvidenceMaps() with the
/// bundle's weights against those of each redrawn part. A case whose map is the same everywhere is counted as constant,
/// and tells nothing. Throws as EvidenceMaps().
MapCheck CheckMap(const std::filesystem::path& bundle, const std::vector<std::filesystem::path>& tensor_files,
                  int threads);

/// Spearman's rank correlation; ties get their mean rank. NaN if either is constant.
double RankCorrelation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace glionode::networks
