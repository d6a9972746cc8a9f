#include "inference/networks/evaluation.h"

#include "config/error.h"

#include <boost/math/distributions/beta.hpp>

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
}  // namespace

double Auc(const std::vector<double>& positive, const std::vector<double>& negative) {
  if (positive.empty() || negative.empty()) return kNan;
  std::vector<double> sorted = negative;
  std::sort(sorted.begin(), sorted.end());
  double wins = 0;
  for (const double value : positive) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), value);
    wins += static_cast<double>(low - sorted.begin()) + 0.5 * static_cast<double>(high - low);
  }
  return wins / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

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

Metrics Measure(const std::vector<EvaluatedCase>& cases) {
  Metrics metrics;
  std::vector<double> necrosis, recurrence, squares;
  for (const auto& one : cases) {
    if (one.label != "necrosis" && one.label != "recurrence")
      throw Error(ErrorCode::kUsage,
                  "evaluation: study " + one.study + ": label '" + one.label + "' is neither recurrence nor necrosis");
    const bool truth = one.label == "necrosis";
    ++metrics.decisions[truth ? 1 : 0][static_cast<int>(one.decision)];
    const double p = one.probability_of_necrosis;
    if (!(p >= 0 && p <= 1)) continue;
    (truth ? necrosis : recurrence).push_back(p);
    squares.push_back((p - (truth ? 1 : 0)) * (p - (truth ? 1 : 0)));
    const bool called = p > 0.5;
    ++(truth ? (called ? metrics.tp : metrics.fn) : (called ? metrics.fp : metrics.tn));
  }
  metrics.necrosis = static_cast<int>(necrosis.size());
  metrics.recurrence = static_cast<int>(recurrence.size());
  metrics.sensitivity = ClopperPearson(metrics.tp, metrics.necrosis);
  metrics.specificity = ClopperPearson(metrics.tn, metrics.recurrence);
  metrics.accuracy = ClopperPearson(metrics.tp + metrics.tn, metrics.necrosis + metrics.recurrence);
  metrics.auc = AucInterval(Auc(necrosis, recurrence), metrics.necrosis, metrics.recurrence);
  const auto n = static_cast<double>(squares.size());
  double sum = 0, spread = 0;
  for (const double square : squares) sum += square;
  metrics.brier = squares.empty() ? kNan : sum / n;
  for (const double square : squares) spread += (square - metrics.brier) * (square - metrics.brier);
  const double margin = squares.size() > 1 ? kZ * std::sqrt(spread / (n - 1) / n) : 1;
  metrics.brier_interval = squares.empty() ? Interval{kNan, 0, 1}
                                           : Interval{metrics.brier, std::max(0.0, metrics.brier - margin),
                                                      std::min(1.0, metrics.brier + margin)};
  return metrics;
}

}  // namespace glionode::networks
