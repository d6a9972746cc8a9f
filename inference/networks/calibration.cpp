#include "inference/networks/calibration.h"

#include <algorithm>
#include <cmath>

namespace glionode::networks {

namespace {
constexpr double kSmallestSlope = 0.01;

/// Newton's method with a little ridge; convex, so it ends at the one minimum. `slope_fixed`: intercept only.
Calibration Newton(const std::vector<double>& logits, const std::vector<double>& targets, Calibration start,
                   bool slope_fixed) {
  const auto loss = [&](const Calibration& c) {
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double z = c.slope * logits[i] + c.intercept;
      sum += std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - targets[i] * z;
    }
    return sum;
  };
  Calibration at = start;
  double best = loss(at);
  for (int round = 0; round < 100; ++round) {
    double ga = 0, gb = 0, haa = 1e-9, hab = 0, hbb = 1e-9;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double p = 1 / (1 + std::exp(-(at.slope * logits[i] + at.intercept)));
      const double d = p - targets[i], w = p * (1 - p);
      ga += d * logits[i], gb += d;
      haa += w * logits[i] * logits[i], hab += w * logits[i], hbb += w;
    }
    double step_a = 0, step_b = gb / hbb;
    if (!slope_fixed) {
      const double determinant = haa * hbb - hab * hab;
      if (!(determinant > 0)) break;
      step_a = (hbb * ga - hab * gb) / determinant;
      step_b = (haa * gb - hab * ga) / determinant;
    }
    double scale = 1;
    bool better = false;
    for (int halving = 0; halving < 40 && !better; ++halving, scale /= 2) {
      const Calibration next{at.slope - scale * step_a, at.intercept - scale * step_b};
      const double value = loss(next);
      if (value < best) at = next, best = value, better = true;
    }
    if (!better || std::abs(step_a) + std::abs(step_b) < 1e-10) break;
  }
  return at;
}

constexpr double kRiskLeft = 1.0 / 3;
constexpr double kNearest = 0.45;
constexpr std::size_t kLeastCalls = 10;

struct Call {
  double probability;  ///< of the class that is NOT called
  bool wrong;
};

/// The highest threshold below which calling is allowed; 0 if there is none.
double HighestThreshold(std::vector<Call> calls) {
  const auto all_wrong = std::count_if(calls.begin(), calls.end(), [](const Call& one) { return one.wrong; });
  const double allowed = kRiskLeft * static_cast<double>(all_wrong) / static_cast<double>(calls.size());
  std::sort(calls.begin(), calls.end(), [](const Call& a, const Call& b) { return a.probability < b.probability; });
  double threshold = 0, wrong = 0;
  for (std::size_t i = 0; i < calls.size() && calls[i].probability < kNearest; ++i) {
    wrong += calls[i].wrong;
    const double next = i + 1 < calls.size() ? calls[i + 1].probability : 1;
    if (next == calls[i].probability) continue;  // equal ones are called together
    if (i + 1 >= kLeastCalls && (wrong + 1) / static_cast<double>(i + 3) <= allowed)
      threshold = std::min(kNearest, (calls[i].probability + next) / 2);
  }
  return std::floor(threshold * 100 + 1e-9) / 100;
}
}  // namespace

Calibration FitPlatt(const std::vector<double>& logits, const std::vector<bool>& necrosis) {
  const auto events = static_cast<double>(std::count(necrosis.begin(), necrosis.end(), true));
  const double others = static_cast<double>(necrosis.size()) - events;
  if (events < 1 || others < 1) return {};
  std::vector<double> targets;
  for (const bool is_necrosis : necrosis)
    targets.push_back(is_necrosis ? (events + 1) / (events + 2) : 1 / (others + 2));
  const double prior = std::log((events + 1) / (others + 1));
  Calibration fitted = Newton(logits, targets, {0, prior}, false);
  if (!std::isfinite(fitted.slope) || fitted.slope < kSmallestSlope)
    fitted = Newton(logits, targets, {kSmallestSlope, prior}, true);
  return fitted;
}

std::array<double, 2> AbstainBand(const std::vector<double>& probabilities, const std::vector<bool>& necrosis) {
  std::vector<Call> recurrence, opposite;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    recurrence.push_back({probabilities[i], necrosis[i]});
    opposite.push_back({1 - probabilities[i], !necrosis[i]});
  }
  if (recurrence.empty()) return {0, 1};
  return {HighestThreshold(recurrence), std::round((1 - HighestThreshold(opposite)) * 100) / 100};
}

}  // namespace glionode::networks
