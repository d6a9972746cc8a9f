#pragma once
#include "inference/networks/random.h"
#include "inference/networks/statistics.h"

#include <utility>
#include <vector>

namespace glionode::networks {

/// Cases sorted by score once, so that a figure of a resample costs one pass over them.
class RankedCases {
 public:
  explicit RankedCases(const std::vector<ScoredCase>& cases);
  /// `times`: how often each case counts, in the order given to the constructor; empty: once. NaN if a class is
  /// missing.
  double Auc(const std::vector<int>& times = {}) const;
  double AveragePrecision(const std::vector<int>& times = {}) const;

 private:
  struct Entry {
    double score;
    bool necrosis;
    std::size_t index;
  };
  std::vector<Entry> entries_;  ///< by score, ascending
};

/// Draws patients with replacement, those who have a necrosis and those who have none apart. All cases of a patient go
/// along. Depends on the seed and the order of cases only.
class PatientBootstrap {
 public:
  PatientBootstrap(const std::vector<ScoredCase>& cases, std::uint64_t seed);
  /// How often each case counts in the next resample.
  const std::vector<int>& Draw();

 private:
  std::vector<std::vector<std::size_t>> strata_[2];  ///< [has necrosis][patient] -> cases
  std::vector<int> times_;
  SplitMix64 random_;
};

/// 2.5th and 97.5th percentile, linear between order statistics. {0, 1} for no values.
std::pair<double, double> PercentileLimits(std::vector<double> values);

}  // namespace glionode::networks
