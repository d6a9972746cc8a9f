#pragma once
#include <limits>
#include <string>
#include <vector>

namespace glionode::networks {

/// One epoch of one run.
struct CurvePoint {
  int run = 0;
  std::string phase;
  int epoch = 0;             ///< from 1
  double loss = 0, auc = 0;  ///< mean over the epoch's steps; AUC of the cases while they were learned from
  double learning_rate = 0;
  double held_out_loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN where it was not measured
  double held_out_auc = std::numeric_limits<double>::quiet_NaN();
};

std::string CurvesCsv(const std::vector<CurvePoint>& points);
/// One self-contained page: loss and AUC by epoch, every run a line; what was held out dashed.
std::string CurvesHtml(const std::string& title, const std::vector<CurvePoint>& points);
/// For a checkpoint, and back. Throws nlohmann's exceptions for text that is none of ours.
std::string CurvesText(const std::vector<CurvePoint>& points);
std::vector<CurvePoint> CurvesFromText(const std::string& text);

}  // namespace glionode::networks
