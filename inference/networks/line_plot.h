#pragma once
#include <string>
#include <utility>
#include <vector>

namespace glionode::networks {

/// One line of a plot. `dashes` as in SVG's stroke-dasharray ("": solid); lines are told apart by them, not by colour.
struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;
  std::string dashes = "";
  double width = 2;
  bool dots = false;  ///< a mark on every point
};

struct Plot {
  std::string title, x_label, y_label;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;
  std::vector<PlotLine> lines;
  /// Whiskers: x, low, high.
  std::vector<std::vector<double>> whiskers;
  /// Single marks: x, y.
  std::vector<std::pair<double, double>> marks;
};

/// The plot as one inline SVG of 400 x 380, black on white, with a legend when more than one line has a name. Values
/// outside the ranges are cut at the frame.
std::string PlotSvg(const Plot& plot);

}  // namespace glionode::networks
