#pragma once
#include "config/vocabulary.h"

#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace glionode::networks {

/// One case with what the node said.
struct EvaluatedCase {
  std::string study, patient, label;  ///< recurrence or necrosis
  Decision decision = Decision::kNotEvaluable;
  double probability_of_necrosis = -1;  ///< -1: none
  std::string reasons;
};

struct Interval {
  double value = 0, low = 0, high = 0;
};

/// Figures with necrosis as the positive class (inferred from the paper's arithmetic), threshold 0.5, and two-sided 95
/// % intervals.
struct Metrics {
  int necrosis = 0, recurrence = 0;  ///< cases with a probability
  int tp = 0, fn = 0, tn = 0, fp = 0;
  Interval sensitivity, specificity, accuracy,
      auc;  ///< exact (Clopper-Pearson); AUC: Hanley-McNeil inverted (Newcombe's method 5)
  double brier = 0;
  int decisions[2][4] = {};  ///< truth (recurrence, necrosis) x decision
};

Metrics Measure(const std::vector<EvaluatedCase>& cases);
/// Area under the ROC curve by the Mann-Whitney statistic, ties count half.
double Auc(const std::vector<double>& positive, const std::vector<double>& negative);

/// One bundle's run for the report.
struct EvaluationRun {
  std::string bundle_name, bundle_version, bundle_sha256, domain, cohort;
  bool apparent = false;
  int excluded_training_patients = 0;
  std::vector<EvaluatedCase> cases;
};
/// metrics.json, cases.csv and report.html (self-contained) in `folder`.
void WriteEvaluation(const std::vector<EvaluationRun>& runs, const std::filesystem::path& folder);

}  // namespace glionode::networks
