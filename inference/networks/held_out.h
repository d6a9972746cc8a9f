#pragma once
#include "inference/networks/domain.h"
#include "inference/networks/evaluation.h"
#include "inference/networks/training.h"

#include <string>
#include <vector>

namespace glionode::networks {

/// Internal to training: what a network, its weights rounded, said about a case that it had not learned from.
struct HeldOut {
  int index = 0, repeat = 0;  ///< of the case; of the cross-validation
  double logit = 0;           ///< necrosis minus recurrence
  bool measured = false;      ///< whether that network had enough cases to say how far away this one lies
  DomainLengths lengths{};
};

std::string HeldOutText(const std::vector<HeldOut>& predictions);
std::vector<HeldOut> HeldOutFromText(const std::string& json);

/// Fits slope and intercept (on all predictions) and the abstain band (on the first repeat) into `info`, with the
/// figures on them. One network answers in service, so no prediction is averaged over repeats: the cases that come back
/// are those of the first, and the AUC of every repeat stands beside.
std::vector<EvaluatedCase> CalibrateOn(const std::vector<TensorCase>& cases, const std::vector<HeldOut>& predictions,
                                       const TrainingOptions& options, BundleInfo& info);

/// Lengths of the cases of the first repeat, one each; empty if a network had too few cases to measure with: a limit
/// from a part of the cases would be none.
std::vector<DomainLengths> MeasuredLengths(const std::vector<HeldOut>& predictions);

/// The whole report on these cases, in the folder that `options` name for records; nothing without one.
void RecordHeldOut(const TrainingOptions& options, const BundleInfo& info, std::vector<EvaluatedCase> judged);

/// Balanced cross-entropy and AUC of logits for the cases `judged`, for the curves.
double HeldOutLoss(const std::vector<TensorCase>& cases, const std::vector<int>& judged,
                   const std::vector<double>& logits);
double HeldOutAuc(const std::vector<TensorCase>& cases, const std::vector<int>& judged,
                  const std::vector<double>& logits);

}  // namespace glionode::networks
