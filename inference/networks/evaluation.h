#pragma once
#include "config/vocabulary.h"
#include "inference/networks/statistics.h"

#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace glionode::networks {

/// One case with what the node said.
struct EvaluatedCase {
  std::string study, patient, label;  ///< recurrence or necrosis; in EvaluationRun::others mixed, neither or unknown
  Decision decision = Decision::kNotEvaluable;
  double probability_of_necrosis = -1;  ///< -1: none
  std::string reasons = {};
  std::map<std::string, std::string> attributes = {};  ///< columns of the cohort for subgroups, by name; empty: unknown
  double log_likelihood_ratio = std::numeric_limits<double>::quiet_NaN();  ///< phantoms: of what was drawn
  std::vector<double> measured = {};  ///< phantoms: features measured in the images with the true place of the lesion
};

/// Figures with necrosis as the class that is looked for (inferred from the paper's arithmetic), threshold 0.5, and
/// two-sided 95 % intervals.
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

/// Whether the activation map depends on what was learned (Adebayo et al. 2018): rank correlation of the map with the
/// map after weights were drawn anew, from the head backwards. A map that stays alike, or alike with the sign turned,
/// shows edges, not evidence.
struct MapCheck {
  int cases = 0;
  struct Level {
    std::string randomised;  ///< which part of the weights
    double correlation = 0;  ///< Spearman, mean over cases; NaN: no case has two maps that vary
    double size = 0;         ///< mean of the correlation's size, whatever its sign: what the map is judged by
  };
  std::vector<Level> levels;
  /// Phantoms: share of the map's sum that lies in the lesion (a ball of 1.5 times its radius around its true middle),
  /// mean over so many cases, and what a map without preference would have there.
  int lesions = 0;
  double share_in_lesion = 0, share_by_chance = 0;
  int constant = 0;    ///< of `cases`, those whose map is the same everywhere: nothing to check
  int empty_maps = 0;  ///< phantoms beside `lesions` whose map, as it is shown, was empty
};

/// One bundle's run for the report.
struct EvaluationRun {
  std::string bundle_name, bundle_version, bundle_sha256, domain, cohort;
  bool apparent = false;
  int excluded_training_patients = 0;
  std::vector<EvaluatedCase> cases;
  int excluded_studies = 0;                 ///< of those patients
  std::vector<EvaluatedCase> others = {};   ///< labels mixed, neither, unknown: in no two-class figure
  std::string kind = "test";                ///< test, out-of-fold, held-back, or site (studies that the node served)
  std::string settings = {};                ///< network, preprocessing, calibration, abstain band, in words
  std::string bundle_evaluation_json = {};  ///< figures that the bundle carries, such as those of its folds
  std::string software = {};
  double calibrated_share = 0;  ///< share of necrosis that the probabilities are calibrated to; 0: unknown
  double separation = 0;        ///< phantoms: distance of the classes that was drawn; 0: unknown
  MapCheck map_check = {};
  std::string note = {};  ///< a sentence that stands at the top, such as how the cases came together
  std::string weights_sha256 = {}, cohort_sha256 = {};
  std::string network = {};             ///< resnet10, mresnet, vgg16; empty: unknown
  std::string made = {};                ///< day of the report, YYYY-MM-DD; empty: not said
  bool training_patients_known = true;  ///< false: the bundle is not at hand, so nobody could be left out
};

/// The share of necrosis that a bundle's probabilities are calibrated to, out of its BundleInfo::training_json
/// (cohort_prior: the calibration is fitted at the cohort's own share, whatever the loss was balanced to). 0 if it does
/// not say.
double CalibratedShare(const std::string& training_json);

/// How each run is called where they stand side by side: the bundle's name, with version and the beginning of its hash
/// where names repeat.
std::vector<std::string> RunLabels(const std::vector<EvaluationRun>& runs);

/// metrics.json as text: the first run's figures on top (plain numbers, null where undefined; "intervals" beside
/// them), all runs under "runs", paired comparisons with the first under "comparisons".
std::string MetricsJson(const std::vector<EvaluationRun>& runs);
/// report.html as text: one self-contained page.
std::string ReportHtml(const std::vector<EvaluationRun>& runs);
/// metrics.json, cases.csv and report.html (self-contained) in `folder`.
void WriteEvaluation(const std::vector<EvaluationRun>& runs, const std::filesystem::path& folder);

}  // namespace glionode::networks
