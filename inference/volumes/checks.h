#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/head_mask.h"
#include "inference/volumes/preprocess.h"

#include <optional>
#include <vector>

namespace glionode::volumes {

/// The gates of a study that can be told from its volumes. Each gives a sentence, or nothing if all is well. They are
/// meant to stop what is clearly unfit, not to grade quality: a refused patient study costs more than a poor phantom.

/// Slice spacing within the bundle's limits, finite values, some signal.
std::optional<Reason> CheckVolume(Role role, const Volume& volume, const PreprocessingSpec& spec);

/// Size, shape and inner structure of a head (not_a_head), and enough of it (geometry).
std::optional<Reason> CheckHead(const Head& head);

/// Share of the reference's head that a series covers must be at least `kMinCoverage`.
std::optional<Reason> CheckCoverage(Role role, const Mask& head, const Mask& inside);

/// How much brighter the brightest differences T1ce - T1 are than the brightest differences T1 - T1ce.
struct ContrastMeasure {
  double gain = 0;  ///< 99.5 % quantile of T1ce - T1 in units of brain signal
  double loss = 0;  ///< 99.5 % quantile of T1 - T1ce
};
/// Both on one grid, inside `head`; each is scaled to the median of the inner head first.
ContrastMeasure MeasureContrast(const std::vector<float>& t1, const std::vector<float>& t1ce, const Mask& head,
                                const Grid& grid);
std::optional<Reason> CheckContrast(const ContrastMeasure& measure);

}  // namespace glionode::volumes
