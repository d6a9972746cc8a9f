#pragma once
#include "inference/networks/safetensors.h"

#include <torch/torch.h>

#include <array>
#include <map>
#include <string>
#include <vector>

namespace glionode::networks {

/// What one case looks like: to the network (pooled features of the last stage) and as plain statistics of its input.
struct CaseLook {
  std::vector<double> features;
  std::vector<double> input;  ///< in the order of InputStatisticNames()
};

/// How far a case lies from those that a network learned from.
struct DomainVerdict {
  double distance = 0;  ///< 1 at the limit; 0 where there is no limit
  std::string most;     ///< in words: what differs most
  bool Inside() const { return distance <= 1; }
};

/// Lengths of a case before any scaling: within the components of what the network saw, outside of them, input.
using DomainLengths = std::array<double, 3>;

/// Names of the input statistics for these channels, for people: "T2: 95 % quantile".
std::vector<std::string> InputStatisticNames(const std::vector<std::string>& channels);
/// Statistics of an input [channel][z][y][x] on the CPU over the head's voxels (where any channel is not 0): quantiles
/// and fine structure of each channel, correlations between channels, share of the cube that is head.
std::vector<double> InputStatistics(const torch::Tensor& input);

/// Pooled features [1][d] as values.
std::vector<double> PooledFeatures(const torch::Tensor& pooled);

/// Out-of-domain distance: Mahalanobis lengths in at most 32 principal components of the pooled features (512 features
/// of 150 cases would make every new case look far away), of what lies outside of these components, and of the input's
/// statistics. They are scaled on cases that the judging network had NOT learned from, and the limit is a conformal
/// order statistic over the largest of the three: of further cases of the same kind, kRefusedShare lie beyond it.
/// Threads: const methods, any.
class Domain {
 public:
  static constexpr double kRefusedShare = 0.03;
  static constexpr std::size_t kLeastCases = 60;  ///< taught, and judged; with fewer there is no limit

  Domain() = default;
  /// Centre and spread of the cases that the network learned from. No limit yet.
  explicit Domain(const std::vector<CaseLook>& taught);
  /// Learned from enough cases to measure with.
  bool CanMeasure() const { return taught_ >= kLeastCases; }
  /// Needs CanMeasure().
  DomainLengths Lengths(const CaseLook& look) const;
  /// Scale and limit, from cases that the judging networks had not learned from.
  void SetLimit(const std::vector<DomainLengths>& judged);
  /// Made from so many features and these channels; true without a limit.
  bool Fits(std::int64_t features, const std::vector<std::string>& channels) const;
  bool HasLimit() const { return limit_ > 0; }
  DomainVerdict Judge(const CaseLook& look, const std::vector<std::string>& channels) const;

  /// For weights.safetensors, under names that begin with kTensorPrefix, and for bundle.json. Empty without a limit.
  static constexpr const char* kTensorPrefix = "domain.";
  std::map<std::string, SafeTensor> Tensors() const;
  std::string Figures() const;
  /// Takes the domain's tensors out of `tensors`. Without figures ("", "{}"): a domain without limit. Throws
  /// Error{kBadDataset} (NAME: reason) if figures and tensors do not fit.
  static Domain Take(std::map<std::string, SafeTensor>& tensors, const std::string& json, const std::string& name);

 private:
  std::array<double, 3> Scaled(const DomainLengths& lengths) const;
  // Of features [d]: middle, unit of each, components [k][d], deviation along them [k].
  torch::Tensor middle_, unit_, components_, deviation_;
  // Of the input's statistics [m]: middle, unit, and the factor [m][m] that makes them uncorrelated.
  torch::Tensor input_middle_, input_unit_, input_factor_;
  std::array<double, 3> typical_{}, spread_{1, 1, 1};
  double limit_ = 0;
  std::size_t taught_ = 0, judged_ = 0;
};

}  // namespace glionode::networks
