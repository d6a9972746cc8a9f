#include "inference/networks/held_out.h"

#include "inference/networks/calibration.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace glionode::networks {

namespace {
using Json = nlohmann::ordered_json;

bool IsNecrosis(const TensorCase& one) { return one.label == "necrosis"; }
const TensorCase& CaseOf(const std::vector<TensorCase>& cases, int index) {
  return cases[static_cast<std::size_t>(index)];
}

Json IntervalJson(const Interval& interval) {
  if (!std::isfinite(interval.value)) return nullptr;
  return {{"value", interval.value}, {"low", interval.low}, {"high", interval.high}};
}

Json AucByRepeat(const std::vector<TensorCase>& cases, const std::vector<HeldOut>& predictions) {
  std::map<int, std::vector<double>[2]> scores;
  for (const HeldOut& one : predictions) scores[one.repeat][IsNecrosis(CaseOf(cases, one.index))].push_back(one.logit);
  Json json = Json::array();
  for (const auto& [repeat, of] : scores) {
    const double auc = Auc(of[1], of[0]);
    json.push_back(std::isfinite(auc) ? Json(auc) : Json(nullptr));
  }
  return json;
}
}  // namespace

std::string HeldOutText(const std::vector<HeldOut>& predictions) {
  Json json = Json::array();
  for (const HeldOut& one : predictions) json.push_back({one.index, one.repeat, one.logit, one.measured, one.lengths});
  return json.dump();
}

std::vector<HeldOut> HeldOutFromText(const std::string& text) {
  std::vector<HeldOut> predictions;
  for (const auto& one : Json::parse(text))
    predictions.push_back({one.at(0), one.at(1), one.at(2), one.at(3), one.at(4)});
  return predictions;
}

std::vector<EvaluatedCase> CalibrateOn(const std::vector<TensorCase>& cases, const std::vector<HeldOut>& predictions,
                                       const TrainingOptions& options, BundleInfo& info) {
  std::vector<double> logits;
  std::vector<bool> necrosis;
  for (const HeldOut& one : predictions) {
    logits.push_back(one.logit);
    necrosis.push_back(IsNecrosis(CaseOf(cases, one.index)));
  }
  const Calibration fitted = FitPlatt(logits, necrosis);
  info.calibration_slope = fitted.slope;
  info.calibration_intercept = fitted.intercept;

  std::vector<EvaluatedCase> judged;
  std::vector<double> probabilities;
  std::vector<bool> truth;
  for (const HeldOut& one : predictions) {
    if (one.repeat != 0) continue;
    const TensorCase& from = CaseOf(cases, one.index);
    const double p = 1 / (1 + std::exp(-(fitted.slope * one.logit + fitted.intercept)));
    judged.push_back({from.study, from.patient, from.label, Decision::kNotEvaluable, p, "", from.attributes});
    probabilities.push_back(p);
    truth.push_back(IsNecrosis(from));
  }
  info.abstain = AbstainBand(probabilities, truth);
  for (EvaluatedCase& one : judged) one.decision = Decide(one.probability_of_necrosis, info.abstain);

  const Metrics metrics = Measure(judged);
  Json evaluation = {{"kind", options.folds ? "out-of-fold" : "held back"},
                     {"note",
                      "cases that the judging network did not learn from; calibration and abstain band were "
                      "fitted on them"},
                     {"recurrence", metrics.recurrence},
                     {"necrosis", metrics.necrosis},
                     {"sensitivity_for_necrosis", IntervalJson(metrics.sensitivity)},
                     {"specificity_for_necrosis", IntervalJson(metrics.specificity)},
                     {"accuracy", IntervalJson(metrics.accuracy)},
                     {"auc", IntervalJson(metrics.auc)},
                     {"brier", std::isfinite(metrics.brier) ? Json(metrics.brier) : Json(nullptr)}};
  if (options.folds && options.repeats > 1) evaluation["auc_by_repeat"] = AucByRepeat(cases, predictions);
  info.evaluation_json = evaluation.dump();
  return judged;
}

std::vector<DomainLengths> MeasuredLengths(const std::vector<HeldOut>& predictions) {
  std::vector<DomainLengths> lengths;
  for (const HeldOut& one : predictions) {
    if (one.repeat != 0) continue;
    if (!one.measured) return {};
    lengths.push_back(one.lengths);
  }
  return lengths;
}

void RecordHeldOut(const TrainingOptions& options, const BundleInfo& info, std::vector<EvaluatedCase> judged) {
  if (options.record.empty() || judged.empty()) return;
  EvaluationRun run;
  run.bundle_name = info.name;
  run.bundle_version = info.version;
  run.domain = info.domain;
  run.network = info.network.type;
  run.cohort = std::filesystem::path(options.cohort).filename().string();
  run.kind = options.folds ? "out-of-fold" : "held-back";
  run.note = options.record_note;
  const auto necrosis =
      std::count_if(judged.begin(), judged.end(), [](const EvaluatedCase& one) { return one.label == "necrosis"; });
  run.calibrated_share = static_cast<double>(necrosis) / static_cast<double>(judged.size());
  run.cases = std::move(judged);
  WriteEvaluation({run}, options.record / "out-of-fold");
}

double HeldOutLoss(const std::vector<TensorCase>& cases, const std::vector<int>& judged,
                   const std::vector<double>& logits) {
  double sum = 0, weight = 0, counts[2] = {0, 0};
  for (const int index : judged) ++counts[IsNecrosis(CaseOf(cases, index))];
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool necrosis = IsNecrosis(CaseOf(cases, judged[i]));
    const double z = necrosis ? -logits[i] : logits[i], w = 1 / counts[necrosis];
    sum += w * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))));
    weight += w;
  }
  return weight > 0 ? sum / weight : std::nan("");
}

double HeldOutAuc(const std::vector<TensorCase>& cases, const std::vector<int>& judged,
                  const std::vector<double>& logits) {
  std::vector<double> scores[2];
  for (std::size_t i = 0; i < logits.size(); ++i) scores[IsNecrosis(CaseOf(cases, judged[i]))].push_back(logits[i]);
  return Auc(scores[1], scores[0]);
}

}  // namespace glionode::networks
