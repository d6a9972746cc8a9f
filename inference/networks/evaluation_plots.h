#pragma once
#include "inference/networks/evaluation_figures.h"

#include <string>

namespace glionode::networks {

/// Internal to evaluation: figures as inline SVG, each with its caption. Empty where the cases do not allow one.
std::string RocFigure(const EvaluationRun& run, const Figures& figures);
std::string PrecisionFigure(const EvaluationRun& run, const Figures& figures);
std::string CalibrationFigure(const Figures& figures);
std::string DecisionFigure(const Figures& figures);

}  // namespace glionode::networks
