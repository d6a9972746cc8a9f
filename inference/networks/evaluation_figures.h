#pragma once
#include "inference/networks/evaluation.h"

#include <map>
#include <string>
#include <vector>

namespace glionode::networks {

/// Internal to evaluation: everything that metrics.json and report.html both say, computed once.

constexpr int kBootstrapResamples = 2000;
constexpr int kEventsForCurves = 20;  ///< of each class; below, calibration and decision curves are no evidence

struct Subgroup {
  std::string attribute, value;
  Metrics metrics;
};

struct DecisionPoint {
  double threshold = 0, network = 0, calling_all = 0;  ///< net benefit per case
};

/// What another threshold would give: necrosis is called where its probability is above it. The thresholds come from
/// costs that are stated (a missed necrosis against a missed recurrence), never from the cases that are judged.
struct OperatingPoint {
  double threshold = 0;
  std::string meaning;
  Interval sensitivity, specificity, accuracy;  ///< exact (Clopper-Pearson)
};

/// A figure at a share of necrosis other than the cohort's, by Bayes.
struct AtPrevalence {
  double prevalence = 0, ppv = 0, npv = 0;
};

/// Phantoms have a known bound: the likelihood ratio of what was drawn. Between it and the network stands a linear
/// discriminant on features measured in the images with the true place of the lesion.
struct PhantomRows {
  bool bounded = false, measured = false;
  Interval bound, discriminant, network;  ///< AUC, on the cases that all rows have
  double bound_efficiency = 0, discriminant_efficiency = 0, network_efficiency = 0;
  AucComparison network_against_bound;
  bool leak = false;  ///< the network is better than the bound: it saw something it should not
};

struct Figures {
  Metrics metrics;
  bool enough_events = false;
  Interval ppv, npv;                    ///< of being called necrosis / recurrence, at the cohort's share; exact
  Interval balanced_accuracy;           ///< limits: Newcombe's square-and-add of the exact ones
  Interval lr_necrosis, lr_recurrence;  ///< likelihood ratios of being called necrosis / recurrence; 0 has no limits
  Interval average_precision;           ///< patient bootstrap
  CalibrationFigures calibration;
  std::vector<CalibrationGroup> calibration_groups;
  std::vector<DecisionPoint> decision_curve;
  std::vector<OperatingPoint> operating_points;
  std::vector<AtPrevalence> prevalences;
  std::vector<Subgroup> subgroups;
  PhantomRows phantom;
  int patients = 0;                              ///< of run.cases; fewer than cases: some have several studies
  std::map<std::string, int> not_evaluable_for;  ///< cases that are not evaluable, by reason; one can have several
};
Figures MeasureAll(const EvaluationRun& run);

/// The cases that have a probability.
std::vector<ScoredCase> Scored(const std::vector<EvaluatedCase>& cases);

/// Two runs on the studies that both gave a probability for, and with one truth.
struct Comparison {
  std::string first, second;  ///< as RunLabels() calls them
  bool first_apparent = false, second_apparent = false;
  int cases = 0;
  AucComparison auc;
  int only_first_right = 0, only_second_right = 0;
  double mcnemar_p = 1, mcnemar_p_holm = 1;  ///< exact; corrected for all comparisons of the page
};
/// Every later run against the first.
std::vector<Comparison> CompareRuns(const std::vector<EvaluationRun>& runs);

}  // namespace glionode::networks
