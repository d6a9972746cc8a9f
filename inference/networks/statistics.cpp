#include "inference/networks/statistics.h"

#include "inference/networks/resampling.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace glionode::networks {

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kZ = 1.959963984540054;  // two-sided 95 %

/// Hanley and McNeil's standard error at `theta`, with Newcombe's symmetric sizes.
double AucStandardError(double theta, double m, double n) {
  const double star = (m + n) / 2 - 1;
  const double inner = 1 + star * (1 - theta) / (2 - theta) + star * theta / (1 + theta);
  return std::sqrt(theta * (1 - theta) * inner / (m * n));
}

/// Share of `other` that `value` beats: DeLong's structural component.
double Placement(double value, const std::vector<double>& sorted_other) {
  const auto [low, high] = std::equal_range(sorted_other.begin(), sorted_other.end(), value);
  return (static_cast<double>(low - sorted_other.begin()) + 0.5 * static_cast<double>(high - low)) /
         static_cast<double>(sorted_other.size());
}

struct Placements {
  std::vector<double> necrosis, recurrence;  ///< of each case, in the order of the cases
};

Placements PlacementsOf(const std::vector<ScoredCase>& cases) {
  std::vector<double> positive, negative;
  for (const auto& one : cases) (one.necrosis ? positive : negative).push_back(one.score);
  std::sort(positive.begin(), positive.end());
  std::sort(negative.begin(), negative.end());
  Placements placements;
  for (const auto& one : cases)
    if (one.necrosis)
      placements.necrosis.push_back(Placement(one.score, negative));
    else
      placements.recurrence.push_back(1 - Placement(one.score, positive));
  return placements;
}

/// Variance of the difference's mean over one class.
double VarianceOfMean(const std::vector<double>& first, const std::vector<double>& second) {
  const auto n = static_cast<double>(first.size());
  if (n < 2) return kNan;
  double mean = 0, spread = 0;
  for (std::size_t i = 0; i < first.size(); ++i) mean += (first[i] - second[i]) / n;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double d = first[i] - second[i] - mean;
    spread += d * d;
  }
  return spread / (n - 1) / n;
}
}  // namespace

double Auc(const std::vector<double>& positive, const std::vector<double>& negative) {
  if (positive.empty() || negative.empty()) return kNan;
  std::vector<double> sorted = negative;
  std::sort(sorted.begin(), sorted.end());
  double wins = 0;
  for (const double value : positive) wins += Placement(value, sorted);
  return wins / static_cast<double>(positive.size());
}

double Auc(const std::vector<ScoredCase>& cases) { return RankedCases(cases).Auc(); }
double AveragePrecision(const std::vector<ScoredCase>& cases) { return RankedCases(cases).AveragePrecision(); }

Interval ClopperPearson(int hits, int total) {
  if (total <= 0) return {kNan, 0, 1};
  const double k = hits, n = total;
  Interval interval{k / n, 0, 1};
  if (hits > 0) interval.low = boost::math::quantile(boost::math::beta_distribution<>(k, n - k + 1), 0.025);
  if (hits < total) interval.high = boost::math::quantile(boost::math::beta_distribution<>(k + 1, n - k), 0.975);
  return interval;
}

Interval AucInterval(double auc, int positives, int negatives) {
  if (!std::isfinite(auc) || positives < 1 || negatives < 1) return {kNan, 0, 1};
  // The lower limit is the theta below the estimate that it exceeds by z standard errors of theta; likewise above.
  const auto limit = [&](double inside, double outside, double sign) {
    for (int i = 0; i < 100; ++i) {
      const double theta = (inside + outside) / 2;
      const bool covered = sign * (theta - auc) <= kZ * AucStandardError(theta, positives, negatives);
      (covered ? inside : outside) = theta;
    }
    return (inside + outside) / 2;
  };
  return {auc, auc > 0 ? limit(auc, 0, -1) : 0, auc < 1 ? limit(auc, 1, 1) : 1};
}

Interval RatioOfShares(int a, int n, int b, int m) {
  if (a <= 0 || b <= 0 || n <= 0 || m <= 0) return {kNan, 0, std::numeric_limits<double>::infinity()};
  const double ratio = (static_cast<double>(a) / n) / (static_cast<double>(b) / m);
  const double error = std::sqrt(1.0 / a - 1.0 / n + 1.0 / b - 1.0 / m);
  return {ratio, ratio * std::exp(-kZ * error), ratio * std::exp(kZ * error)};
}

Interval AveragePrecisionInterval(const std::vector<ScoredCase>& cases, int resamples, std::uint64_t seed) {
  const RankedCases ranked(cases);
  const double value = ranked.AveragePrecision();
  if (!std::isfinite(value)) return {kNan, 0, 1};
  PatientBootstrap bootstrap(cases, seed);
  std::vector<double> values;
  for (int i = 0; i < resamples; ++i) {
    const double one = ranked.AveragePrecision(bootstrap.Draw());
    if (std::isfinite(one)) values.push_back(one);
  }
  const auto [low, high] = PercentileLimits(values);
  return {value, low, high};
}

AucComparison CompareAuc(const std::vector<ScoredCase>& first, const std::vector<ScoredCase>& second, int resamples,
                         std::uint64_t seed) {
  AucComparison comparison;
  const RankedCases a(first), b(second);
  const double difference = a.Auc() - b.Auc();
  comparison.bootstrap = comparison.delong = {difference, -1, 1};
  if (!std::isfinite(difference)) return comparison;
  PatientBootstrap bootstrap(first, seed);
  std::vector<double> values;
  for (int i = 0; i < resamples; ++i) {
    const auto& times = bootstrap.Draw();
    const double one = a.Auc(times) - b.Auc(times);
    if (std::isfinite(one)) values.push_back(one);
  }
  const auto [low, high] = PercentileLimits(values);
  comparison.bootstrap = {difference, low, high};
  const Placements x = PlacementsOf(first), y = PlacementsOf(second);
  const double variance = VarianceOfMean(x.necrosis, y.necrosis) + VarianceOfMean(x.recurrence, y.recurrence);
  if (!std::isfinite(variance)) return comparison;
  const double error = std::sqrt(variance);
  comparison.delong = {difference, difference - kZ * error, difference + kZ * error};
  if (error > 0)
    comparison.delong_p =
        2 * boost::math::cdf(boost::math::complement(boost::math::normal(), std::abs(difference) / error));
  else
    comparison.delong_p = difference == 0 ? 1 : 0;
  return comparison;
}

double McNemarExact(int b, int c) {
  if (b + c == 0) return 1;
  const boost::math::binomial_distribution<> fair(b + c, 0.5);
  return std::min(1.0, 2 * boost::math::cdf(fair, std::min(b, c)));
}

std::vector<CalibrationGroup> GroupByProbability(std::vector<ScoredCase> cases, int groups) {
  std::stable_sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.score < b.score; });
  std::vector<CalibrationGroup> made;
  const std::size_t n = cases.size();
  std::size_t from = 0;
  for (int g = 0; g < groups && from < n; ++g) {
    std::size_t to = std::max(from + 1, n * static_cast<std::size_t>(g + 1) / static_cast<std::size_t>(groups));
    while (to < n && cases[to].score == cases[to - 1].score) ++to;
    CalibrationGroup group;
    for (std::size_t i = from; i < to; ++i) {
      group.mean_probability += cases[i].score / static_cast<double>(to - from);
      group.necrosis += cases[i].necrosis;
      ++group.cases;
    }
    made.push_back(group);
    from = to;
  }
  return made;
}

double NetBenefit(const std::vector<ScoredCase>& cases, double threshold) {
  if (cases.empty() || !(threshold > 0 && threshold < 1)) return kNan;
  double benefit = 0;
  for (const auto& one : cases)
    if (one.score > threshold) benefit += one.necrosis ? 1 : -threshold / (1 - threshold);
  return benefit / static_cast<double>(cases.size());
}

double NetBenefitOfCallingAll(const std::vector<ScoredCase>& cases, double threshold) {
  std::vector<ScoredCase> all = cases;
  for (auto& one : all) one.score = 1;
  return NetBenefit(all, threshold);
}

double Efficiency(double auc, double separation) {
  if (!(auc > 0 && auc < 1) || !(separation > 0)) return kNan;
  const double distance = std::sqrt(2.0) * boost::math::quantile(boost::math::normal(), auc);
  // Below chance nothing of the separation was used.
  return distance <= 0 ? 0 : (distance / separation) * (distance / separation);
}

}  // namespace glionode::networks
