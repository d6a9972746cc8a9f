#include "inference/networks/evaluation_plots.h"

#include "inference/networks/html_text.h"
#include "inference/networks/line_plot.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace glionode::networks {

namespace {
std::string WithCaption(const std::string& svg, const std::string& caption) {
  return "<figure style=\"margin:0\">" + svg + "<figcaption class=\"note\">" + caption + "</figcaption></figure>\n";
}

/// Cases called at every threshold, from the highest: how many necroses and recurrences.
std::vector<std::pair<int, int>> Calls(std::vector<ScoredCase> cases) {
  std::sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  std::vector<std::pair<int, int>> calls{{0, 0}};
  int necrosis = 0, recurrence = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    ++(cases[i].necrosis ? necrosis : recurrence);
    if (i + 1 == cases.size() || cases[i + 1].score != cases[i].score) calls.emplace_back(necrosis, recurrence);
  }
  return calls;
}
}  // namespace

std::string RocFigure(const EvaluationRun& run, const Figures& figures) {
  const Metrics& m = figures.metrics;
  if (m.necrosis == 0 || m.recurrence == 0)
    return "<p class=\"note\">No ROC curve: it needs cases of both classes with a probability.</p>\n";
  Plot plot;
  plot.title = "ROC curve";
  plot.x_label = "share of recurrence called necrosis (1 - specificity)";
  plot.y_label = "share of necrosis found (sensitivity)";
  PlotLine curve;
  for (const auto& [found, wrong] : Calls(Scored(run.cases)))
    curve.points.emplace_back(static_cast<double>(wrong) / m.recurrence, static_cast<double>(found) / m.necrosis);
  plot.lines = {{"", {{0, 0}, {1, 1}}, "4 4", 1}, curve};
  plot.marks = {{static_cast<double>(m.fp) / m.recurrence, static_cast<double>(m.tp) / m.necrosis}};
  return WithCaption(PlotSvg(plot), "ROC curve. Square: threshold 0.5. AUC " + WithLimits(m.auc) + ".");
}

std::string PrecisionFigure(const EvaluationRun& run, const Figures& figures) {
  const Metrics& m = figures.metrics;
  if (m.necrosis == 0 || m.recurrence == 0) return "";
  const double share = static_cast<double>(m.necrosis) / (m.necrosis + m.recurrence);
  Plot plot;
  plot.title = "Precision against recall";
  plot.x_label = "share of necrosis found (recall)";
  plot.y_label = "share of calls that were right (precision)";
  PlotLine curve;
  double recall = 0;
  // Steps, as average precision sums them: nothing is interpolated between thresholds.
  for (const auto& [found, wrong] : Calls(Scored(run.cases))) {
    if (found + wrong == 0) continue;
    const double precision = static_cast<double>(found) / (found + wrong);
    curve.points.emplace_back(recall, precision);
    recall = static_cast<double>(found) / m.necrosis;
    curve.points.emplace_back(recall, precision);
  }
  plot.lines = {{"", {{0, share}, {1, share}}, "4 4", 1}, curve};
  return WithCaption(PlotSvg(plot), "Precision against recall. Average precision " +
                                        WithLimits(figures.average_precision) + "; dashed: guessing, " +
                                        Fixed(share, 2) + " (the share of necrosis).");
}

std::string CalibrationFigure(const Figures& figures) {
  if (!figures.enough_events) return "";
  Plot plot;
  plot.title = "Calibration";
  plot.x_label = "stated probability of necrosis (mean of the group)";
  plot.y_label = "share that was necrosis";
  PlotLine curve;
  curve.dots = true;
  for (const auto& group : figures.calibration_groups) {
    const Interval share = ClopperPearson(group.necrosis, group.cases);
    curve.points.emplace_back(group.mean_probability, share.value);
    plot.whiskers.push_back({group.mean_probability, share.low, share.high});
  }
  plot.lines = {{"", {{0, 0}, {1, 1}}, "4 4", 1}, curve};
  return WithCaption(PlotSvg(plot), "Calibration in " + std::to_string(figures.calibration_groups.size()) +
                                        " groups of about equal size, exact 95 % limits; dashed: right. Slope " +
                                        WithLimits(figures.calibration.slope) + " (right: 1), intercept at slope 1 " +
                                        WithLimits(figures.calibration.intercept) + " (right: 0).");
}

std::string DecisionFigure(const Figures& figures) {
  if (!figures.enough_events) return "";
  Plot plot;
  plot.title = "Decision curve";
  plot.x_label = "threshold above which necrosis is called";
  plot.y_label = "net benefit per case";
  PlotLine network{"network", {}}, all{"calling all necrosis", {}, "8 3", 1.5},
      none{"calling none necrosis", {{0, 0}, {1, 0}}, "2 3", 1.5};
  double highest = 0.05;
  for (const auto& point : figures.decision_curve) {
    network.points.emplace_back(point.threshold, point.network);
    if (point.calling_all >= -0.1) all.points.emplace_back(point.threshold, point.calling_all);
    highest = std::max({highest, point.network, point.calling_all});
  }
  plot.y_low = -0.1;
  plot.y_high = std::ceil(highest * 10 + 0.5) / 10;
  plot.lines = {network, all, none};
  return WithCaption(PlotSvg(plot),
                     "Decision curve. A threshold states costs: calling necrosis above t means that a recurrence "
                     "taken for necrosis weighs t / (1 &minus; t) necroses found.");
}

}  // namespace glionode::networks
