#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace glionode::networks {

/// A figure with its two-sided 95 % interval. NaN with the limits 0..1 where the cases do not allow one.
struct Interval {
  double value = 0, low = 0, high = 0;
};

/// A case as these functions see it: necrosis is the class that is looked for, `score` grows towards it.
struct ScoredCase {
  double score = 0;
  bool necrosis = false;
  std::string patient;  ///< cases of one patient are drawn together by the bootstraps
};

/// Area under the ROC curve by the Mann-Whitney statistic, ties count half.
double Auc(const std::vector<double>& positive, const std::vector<double>& negative);
double Auc(const std::vector<ScoredCase>& cases);
/// Average precision: the sum over thresholds of the recall gained times the precision there, nothing interpolated. A
/// reader who guesses gets the prevalence.
double AveragePrecision(const std::vector<ScoredCase>& cases);

/// Exact binomial interval (Clopper and Pearson 1934). Value NaN if `total` is 0.
Interval ClopperPearson(int hits, int total);
/// Interval of an AUC: Hanley and McNeil's variance, inverted, with (m + n) / 2 - 1 in place of m - 1 and n - 1
/// (Newcombe 2006, method 5).
Interval AucInterval(double auc, int positives, int negatives);
/// Ratio of two independent shares, a/n over b/m, with the interval of its logarithm (Simel, Samsa and Matchar 1991).
/// NaN if a or b is 0.
Interval RatioOfShares(int a, int n, int b, int m);

/// Percentile interval of average precision over `resamples` draws of patients, those with a necrosis and those without
/// drawn apart, so that the prevalence stays.
Interval AveragePrecisionInterval(const std::vector<ScoredCase>& cases, int resamples, std::uint64_t seed);

/// AUC of `first` minus that of `second`; the same cases in the same order.
struct AucComparison {
  Interval bootstrap;   ///< paired percentile bootstrap of patients, drawn as above
  Interval delong;      ///< DeLong, DeLong and Clarke-Pearson 1988: paired, cases taken as independent
  double delong_p = 1;  ///< two-sided
};
AucComparison CompareAuc(const std::vector<ScoredCase>& first, const std::vector<ScoredCase>& second, int resamples,
                         std::uint64_t seed);

/// Exact two-sided McNemar test of b against c discordant pairs: twice the smaller binomial tail at 1/2, at most 1.
double McNemarExact(int b, int c);

/// How the logits of the stated probabilities relate to what happened (Van Calster et al. 2019).
struct CalibrationFigures {
  Interval slope;        ///< of the logistic regression on logit(p); 1 is right, below 1 too extreme
  Interval intercept;    ///< with the slope held at 1 (calibration in the large); 0 is right
  bool defined = false;  ///< false: a class is missing, or the classes are separated and there is no finite fit
};
CalibrationFigures MeasureCalibration(const std::vector<ScoredCase>& cases);

/// One group of cases alike in probability.
struct CalibrationGroup {
  double mean_probability = 0;
  int necrosis = 0, cases = 0;
};
/// `groups` groups of about equal size in order of probability; equal probabilities stay together.
std::vector<CalibrationGroup> GroupByProbability(std::vector<ScoredCase> cases, int groups);

/// Net benefit per case of calling necrosis above `threshold` (Vickers and Elkin 2006): true calls minus false ones
/// weighted by the odds of the threshold.
double NetBenefit(const std::vector<ScoredCase>& cases, double threshold);
double NetBenefitOfCallingAll(const std::vector<ScoredCase>& cases, double threshold);

/// Scores of a linear discriminant (pooled covariance, a little ridge), each case by a discriminant that did not see
/// its fold: [case] like `features` [case][feature]. Folds go by position.
std::vector<double> CrossFittedDiscriminant(const std::vector<std::vector<double>>& features,
                                            const std::vector<bool>& necrosis, int folds);

/// Share of the known separation that a reader used, (sqrt(2) * inverse-normal(AUC) / separation)^2; for phantoms.
double Efficiency(double auc, double separation);

}  // namespace glionode::networks
