#include "inference/networks/evaluation.h"

#include "config/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace glionode::networks {

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kZ = 1.959963984540054;  // two-sided 95 %
}  // namespace

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

double CalibratedShare(const std::string& training_json) {
  const auto training = nlohmann::json::parse(training_json, nullptr, false);
  if (!training.is_object()) return 0;
  const auto found = training.find("cohort_prior");
  if (found == training.end() || !found->is_number()) return 0;
  const double share = found->get<double>();
  return share > 0 && share < 1 ? share : 0;
}

std::vector<std::string> RunLabels(const std::vector<EvaluationRun>& runs) {
  std::vector<std::string> labels;
  labels.reserve(runs.size());
  for (const auto& run : runs) {
    const auto same = std::count_if(runs.begin(), runs.end(),
                                    [&](const auto& other) { return other.bundle_name == run.bundle_name; });
    labels.push_back(run.bundle_name);
    if (same > 1) labels.back() += " " + run.bundle_version + " " + run.bundle_sha256.substr(0, 8);
  }
  return labels;
}

}  // namespace glionode::networks
