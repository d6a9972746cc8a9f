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
  Interval brier_interval;   ///< value as `brier`; mean and 1.96 standard errors
  int decisions[2][4] = {};  ///< truth (recurrence, necrosis) x decision
};

/// A figure that the cases do not allow (no case of the class) is NaN with the interval 0..1.
Metrics Measure(const std::vector<EvaluatedCase>& cases);
/// Area under the ROC curve by the Mann-Whitney statistic, ties count half.
double Auc(const std::vector<double>& positive, const std::vector<double>& negative);

/// Exact binomial interval (Clopper-Pearson), two-sided 95 %. Value NaN if `total` is 0.
Interval ClopperPearson(int hits, int total);
/// Interval of an AUC: Hanley and McNeil's variance, inverted, with (m + n) / 2 - 1 in place of m - 1 and n - 1
/// (Newcombe 2006, method 5).
Interval AucInterval(double auc, int positives, int negatives);

/// One bundle's run for the report.
struct EvaluationRun {
  std::string bundle_name, bundle_version, bundle_sha256, domain, cohort;
  bool apparent = false;
  int excluded_training_patients = 0;
  std::vector<EvaluatedCase> cases;
};
/// metrics.json as text: the first run's figures on top (plain numbers, null where undefined; "intervals" beside
/// them), all runs under "runs".
std::string MetricsJson(const std::vector<EvaluationRun>& runs);
/// report.html as text: one self-contained page.
std::string ReportHtml(const std::vector<EvaluationRun>& runs);
/// metrics.json, cases.csv and report.html (self-contained) in `folder`.
void WriteEvaluation(const std::vector<EvaluationRun>& runs, const std::filesystem::path& folder);

}  // namespace glionode::networks
