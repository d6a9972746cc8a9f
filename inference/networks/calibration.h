#pragma once
#include <array>
#include <vector>

namespace glionode::networks {

struct Calibration {
  double slope = 1, intercept = 0;
};

/// Platt's logistic fit p(necrosis) = 1 / (1 + exp(-(slope * logit + intercept))) with his smoothed targets, so that a
/// perfectly separated set gives a finite slope. A slope below 0.01 is held there and the intercept fitted alone: a
/// network without signal shall not be turned around by noise. Needs both classes; else slope 1, intercept 0.
Calibration FitPlatt(const std::vector<double>& logits, const std::vector<bool>& necrosis);

/// Abstain band [lo, hi] from calibrated probabilities of necrosis for cases that the network had not learned from:
/// outside of it, a call leaves at most a third of the risk of being wrong that guessing the class by its share leaves
/// (share s of necrosis: at most s / 3 of those called recurrence are necroses, at most (1 - s) / 3 the other way
/// round; counted on ten calls or more, with one mistake more, (wrong + 1) / (called + 2): a handful without a mistake
/// proves nothing).
/// Rounded outwards to hundredths, never closer to 0.5 than 0.45 and 0.55. A network that does not earn a call never
/// makes it: lo = 0, or hi = 1.
std::array<double, 2> AbstainBand(const std::vector<double>& probabilities, const std::vector<bool>& necrosis);

}  // namespace glionode::networks
