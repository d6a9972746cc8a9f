#include "inference/networks/evaluation_figures.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

namespace glionode::networks {

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kSeed = 20250606;  ///< of every bootstrap: a report made twice is the same
constexpr int kCalibrationGroups = 8, kDiscriminantFolds = 10;

double Squared(double x) { return x * x; }

Interval BalancedAccuracy(const Interval& a, const Interval& b) {
  const double value = (a.value + b.value) / 2;
  if (!std::isfinite(value)) return {kNan, 0, 1};
  return {value, std::max(0.0, value - std::sqrt(Squared(a.value - a.low) + Squared(b.value - b.low)) / 2),
          std::min(1.0, value + std::sqrt(Squared(a.high - a.value) + Squared(b.high - b.value)) / 2)};
}

/// As RatioOfShares(); a ratio of exactly 0 is 0, although its logarithm gives no limits.
Interval LikelihoodRatio(int a, int n, int b, int m) {
  if (a == 0 && n > 0 && b > 0 && m > 0) return {0, 0, std::numeric_limits<double>::infinity()};
  return RatioOfShares(a, n, b, m);
}

std::vector<AtPrevalence> OtherPrevalences(const Metrics& m) {
  std::vector<AtPrevalence> rows;
  const double se = m.sensitivity.value, sp = m.specificity.value;
  if (!std::isfinite(se) || !std::isfinite(sp)) return rows;
  for (const double share : {0.10, 0.18, 0.30, 0.50}) {
    const double called = share * se + (1 - share) * (1 - sp), left = share * (1 - se) + (1 - share) * sp;
    rows.push_back({share, called > 0 ? share * se / called : kNan, left > 0 ? (1 - share) * sp / left : kNan});
  }
  return rows;
}

OperatingPoint PointAt(const std::vector<ScoredCase>& cases, double threshold, const std::string& meaning) {
  int called[2] = {0, 0}, all[2] = {0, 0};
  for (const auto& one : cases) ++all[one.necrosis], called[one.necrosis] += one.score > threshold;
  const int left = all[0] - called[0];
  return {threshold, meaning, ClopperPearson(called[1], all[1]), ClopperPearson(left, all[0]),
          ClopperPearson(called[1] + left, all[0] + all[1])};
}

/// To call necrosis above c / (c + d) costs least where a false call of necrosis costs c and a missed one d.
std::vector<OperatingPoint> OperatingPoints(const std::vector<ScoredCase>& cases, double calibrated_share) {
  std::vector<OperatingPoint> points{
      PointAt(cases, 2.0 / 3, "a missed recurrence weighs twice as much as a missed necrosis"),
      PointAt(cases, 0.5, "both weigh alike"), PointAt(cases, 1.0 / 3, "a missed necrosis weighs twice as much"),
      PointAt(cases, 0.2, "a missed necrosis weighs four times as much")};
  if (calibrated_share > 0 && calibrated_share < 1)
    points.push_back(PointAt(cases, calibrated_share,
                             "the share of necrosis that the bundle is calibrated to: the images speak for necrosis"));
  return points;
}

std::vector<DecisionPoint> DecisionCurve(const std::vector<ScoredCase>& cases) {
  std::vector<DecisionPoint> points;
  for (int percent = 5; percent <= 95; percent += 5) {
    const double threshold = percent / 100.0;
    points.push_back({threshold, NetBenefit(cases, threshold), NetBenefitOfCallingAll(cases, threshold)});
  }
  return points;
}

/// The value of a column in the words of a subgroup: numbers that vary are cut where readers would cut them.
std::string GroupOf(const std::string& attribute, const std::string& value) {
  if (value.empty()) return "not stated";
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  const bool is_number = end && *end == '\0';
  if (attribute == "slice_thickness" && is_number) return number < 3 ? "under 3 mm" : "3 mm and more";
  if (attribute == "days_since_rt" && is_number) return number < 180 ? "under 180 days" : "180 days and more";
  if (attribute == "field_strength" && is_number) return number < 2 ? "under 2 T" : "2 T and more";
  if (attribute == "necrosis_fraction" && is_number)
    return number < 0.2 ? "under 20 %" : number < 0.8 ? "20 to 80 %" : "80 % and more";
  return value;
}

std::vector<Subgroup> Subgroups(const std::vector<EvaluatedCase>& cases) {
  std::map<std::string, std::map<std::string, std::vector<EvaluatedCase>>> groups;
  for (const auto& one : cases)
    for (const auto& [attribute, value] : one.attributes) groups[attribute][GroupOf(attribute, value)].push_back(one);
  std::vector<Subgroup> rows;
  for (const auto& [attribute, values] : groups) {
    // A column that says nothing about anybody is no subgroup.
    if (values.size() == 1 && values.begin()->first == "not stated") continue;
    for (const auto& [value, members] : values) rows.push_back({attribute, value, Measure(members)});
  }
  return rows;
}

std::map<std::string, int> NotEvaluableFor(const std::vector<EvaluatedCase>& cases) {
  std::map<std::string, int> counts;
  for (const auto& one : cases) {
    if (one.decision != Decision::kNotEvaluable) continue;
    std::istringstream reasons(one.reasons);
    std::set<std::string> of_case;
    for (std::string reason; reasons >> reason;) of_case.insert(reason);
    if (of_case.empty()) of_case.insert("not stated");
    for (const auto& reason : of_case) ++counts[reason];
  }
  return counts;
}

PhantomRows PhantomFigures(const EvaluationRun& run) {
  PhantomRows rows;
  std::vector<ScoredCase> bound, network;
  std::vector<std::vector<double>> features;
  std::vector<bool> necrosis;
  bool all_measured = true;
  for (const auto& one : run.cases) {
    if (!(one.probability_of_necrosis >= 0) || !std::isfinite(one.log_likelihood_ratio)) continue;
    const bool truth = one.label == "necrosis";
    bound.push_back({one.log_likelihood_ratio, truth, one.patient});
    network.push_back({one.probability_of_necrosis, truth, one.patient});
    features.push_back(one.measured);
    necrosis.push_back(truth);
    all_measured = all_measured && !one.measured.empty() && one.measured.size() == features.front().size();
  }
  const int n = static_cast<int>(std::count(necrosis.begin(), necrosis.end(), true));
  const int r = static_cast<int>(necrosis.size()) - n;
  if (n == 0 || r == 0) return rows;
  rows.bounded = true;
  rows.bound = AucInterval(Auc(bound), n, r);
  rows.network = AucInterval(Auc(network), n, r);
  rows.bound_efficiency = Efficiency(rows.bound.value, run.separation);
  rows.network_efficiency = Efficiency(rows.network.value, run.separation);
  rows.network_against_bound = CompareAuc(network, bound, kBootstrapResamples, kSeed);
  rows.leak = rows.network_against_bound.bootstrap.low > 0;
  if (all_measured && n >= kEventsForCurves && r >= kEventsForCurves) {
    const auto scores = CrossFittedDiscriminant(features, necrosis, kDiscriminantFolds);
    std::vector<ScoredCase> discriminant = bound;
    for (std::size_t i = 0; i < scores.size(); ++i) discriminant[i].score = scores[i];
    rows.measured = std::all_of(scores.begin(), scores.end(), [](double score) { return std::isfinite(score); });
    if (rows.measured) {
      rows.discriminant = AucInterval(Auc(discriminant), n, r);
      rows.discriminant_efficiency = Efficiency(rows.discriminant.value, run.separation);
    }
  }
  return rows;
}
}  // namespace

std::vector<ScoredCase> Scored(const std::vector<EvaluatedCase>& cases) {
  std::vector<ScoredCase> scored;
  for (const auto& one : cases)
    if (one.probability_of_necrosis >= 0)
      scored.push_back({one.probability_of_necrosis, one.label == "necrosis", one.patient});
  return scored;
}

Figures MeasureAll(const EvaluationRun& run) {
  Figures figures;
  const Metrics m = figures.metrics = Measure(run.cases);
  const auto scored = Scored(run.cases);
  figures.enough_events = m.necrosis >= kEventsForCurves && m.recurrence >= kEventsForCurves;
  figures.ppv = ClopperPearson(m.tp, m.tp + m.fp);
  figures.npv = ClopperPearson(m.tn, m.tn + m.fn);
  figures.balanced_accuracy = BalancedAccuracy(m.sensitivity, m.specificity);
  figures.lr_necrosis = LikelihoodRatio(m.tp, m.necrosis, m.fp, m.recurrence);
  figures.lr_recurrence = LikelihoodRatio(m.fn, m.necrosis, m.tn, m.recurrence);
  figures.average_precision =
      m.necrosis && m.recurrence ? AveragePrecisionInterval(scored, kBootstrapResamples, kSeed) : Interval{kNan, 0, 1};
  figures.operating_points = OperatingPoints(scored, run.calibrated_share);
  figures.prevalences = OtherPrevalences(m);
  figures.subgroups = Subgroups(run.cases);
  if (figures.enough_events) {
    figures.calibration = MeasureCalibration(scored);
    figures.calibration_groups = GroupByProbability(scored, kCalibrationGroups);
    figures.decision_curve = DecisionCurve(scored);
  }
  figures.phantom = PhantomFigures(run);
  std::set<std::string> patients;
  for (const auto& one : run.cases) patients.insert(one.patient);
  figures.patients = static_cast<int>(patients.size());
  figures.not_evaluable_for = NotEvaluableFor(run.cases);
  return figures;
}

std::vector<Comparison> CompareRuns(const std::vector<EvaluationRun>& runs) {
  std::vector<Comparison> comparisons;
  const auto labels = RunLabels(runs);
  for (std::size_t other = 1; other < runs.size(); ++other) {
    std::map<std::string, const EvaluatedCase*> known;
    for (const auto& one : runs[other].cases)
      if (one.probability_of_necrosis >= 0) known[one.study] = &one;
    std::vector<ScoredCase> first, second;
    Comparison comparison;
    comparison.first = labels[0];
    comparison.second = labels[other];
    comparison.first_apparent = runs[0].apparent;
    comparison.second_apparent = runs[other].apparent;
    for (const auto& one : runs[0].cases) {
      const auto found = known.find(one.study);
      if (!(one.probability_of_necrosis >= 0) || found == known.end()) continue;
      if (found->second->label != one.label) continue;
      const bool truth = one.label == "necrosis";
      first.push_back({one.probability_of_necrosis, truth, one.patient});
      second.push_back({found->second->probability_of_necrosis, truth, one.patient});
      const bool first_right = (first.back().score > 0.5) == truth, second_right = (second.back().score > 0.5) == truth;
      comparison.only_first_right += first_right && !second_right;
      comparison.only_second_right += second_right && !first_right;
    }
    comparison.cases = static_cast<int>(first.size());
    comparison.auc = CompareAuc(first, second, kBootstrapResamples, kSeed);
    comparison.mcnemar_p = McNemarExact(comparison.only_first_right, comparison.only_second_right);
    comparisons.push_back(comparison);
  }
  // Holm's step-down correction.
  std::vector<std::size_t> order(comparisons.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return comparisons[a].mcnemar_p < comparisons[b].mcnemar_p; });
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    Comparison& one = comparisons[order[rank]];
    largest = std::max(largest, std::min(1.0, static_cast<double>(order.size() - rank) * one.mcnemar_p));
    one.mcnemar_p_holm = largest;
  }
  return comparisons;
}

}  // namespace glionode::networks
