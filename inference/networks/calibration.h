#pragma once
#include <vector>

namespace glionode::networks {

struct Calibration {
  double slope = 1, intercept = 0;
};

/// Platt's logistic fit p(necrosis) = 1 / (1 + exp(-(slope * logit + intercept))) with his smoothed targets, so that a
/// perfectly separated set gives a finite slope. A slope below 0.01 is held there and the intercept fitted alone: a
/// network without signal shall not be turned around by noise. Needs both classes; else slope 1, intercept 0.
Calibration FitPlatt(const std::vector<double>& logits, const std::vector<bool>& necrosis);

}  // namespace glionode::networks
