#include "inference/networks/line_plot.h"

#include "inference/networks/html_text.h"

#include <algorithm>
#include <cmath>

namespace glionode::networks {

namespace {
constexpr double kLeft = 52, kTop = 28, kSide = 300;

struct Frame {
  const Plot& plot;
  double X(double x) const {
    return kLeft + kSide * std::clamp((x - plot.x_low) / (plot.x_high - plot.x_low), 0.0, 1.0);
  }
  double Y(double y) const {
    return kTop + kSide * (1 - std::clamp((y - plot.y_low) / (plot.y_high - plot.y_low), 0.0, 1.0));
  }
};

std::string Line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1=\"" + Fixed(x1, 1) + "\" y1=\"" + Fixed(y1, 1) + "\" x2=\"" + Fixed(x2, 1) + "\" y2=\"" +
         Fixed(y2, 1) + "\" " + style + "/>\n";
}

std::string Text(double x, double y, const std::string& anchor, const std::string& html) {
  return "<text x=\"" + Fixed(x, 1) + "\" y=\"" + Fixed(y, 1) + "\" text-anchor=\"" + anchor + "\">" + html +
         "</text>\n";
}

std::string Axes(const Plot& plot, const Frame& frame) {
  std::string svg = "<rect x=\"" + Fixed(kLeft, 0) + "\" y=\"" + Fixed(kTop, 0) + "\" width=\"" + Fixed(kSide, 0) +
                    "\" height=\"" + Fixed(kSide, 0) + "\" fill=\"none\" stroke=\"#555\"/>\n";
  const auto digits = [](double low, double high) { return high - low > 20 ? 0 : high - low < 0.5 ? 3 : 2; };
  for (int tick = 0; tick <= 4; ++tick) {
    const double x = plot.x_low + tick * (plot.x_high - plot.x_low) / 4;
    const double y = plot.y_low + tick * (plot.y_high - plot.y_low) / 4;
    svg += Line(frame.X(x), kTop + kSide, frame.X(x), kTop + kSide + 4, "stroke=\"#555\"");
    svg += Text(frame.X(x), kTop + kSide + 17, "middle", Fixed(x, digits(plot.x_low, plot.x_high)));
    svg += Line(kLeft - 4, frame.Y(y), kLeft, frame.Y(y), "stroke=\"#555\"");
    svg += Text(kLeft - 7, frame.Y(y) + 4, "end", Fixed(y, digits(plot.y_low, plot.y_high)));
  }
  svg += Text(kLeft + kSide / 2, kTop + kSide + 34, "middle", Escape(plot.x_label));
  return svg + Text(4, 16, "start", Escape(plot.y_label));
}

std::string Legend(const Plot& plot, double from) {
  std::string svg;
  double y = from;
  for (const auto& line : plot.lines) {
    if (line.name.empty()) continue;
    svg +=
        Line(kLeft, y - 4, kLeft + 34, y - 4,
             "stroke=\"#111\" stroke-width=\"" + Fixed(line.width, 1) + "\" stroke-dasharray=\"" + line.dashes + "\"");
    svg += Text(kLeft + 42, y, "start", Escape(line.name));
    y += 16;
  }
  return svg;
}
}  // namespace

std::string PlotSvg(const Plot& plot) {
  const Frame frame{plot};
  const auto named = std::count_if(plot.lines.begin(), plot.lines.end(), [](const auto& l) { return !l.name.empty(); });
  const double height = 372 + (named > 1 ? 16.0 * static_cast<double>(named) + 6 : 0);
  std::string svg = "<svg viewBox=\"0 0 400 " + Fixed(height, 0) + "\" width=\"400\" height=\"" + Fixed(height, 0) +
                    "\" role=\"img\" aria-label=\"" + Escape(plot.title) + "\" font-size=\"12\" fill=\"#111\">\n";
  svg += Axes(plot, frame);
  for (const auto& line : plot.lines) {
    std::string points;
    for (const auto& [x, y] : line.points)
      if (std::isfinite(x) && std::isfinite(y))
        points += (points.empty() ? "" : " ") + Fixed(frame.X(x), 1) + "," + Fixed(frame.Y(y), 1);
    svg += "<polyline points=\"" + points + "\" fill=\"none\" stroke=\"#111\" stroke-width=\"" + Fixed(line.width, 1) +
           "\" stroke-dasharray=\"" + line.dashes + "\"/>\n";
    if (!line.dots) continue;
    for (const auto& [x, y] : line.points)
      svg += "<circle cx=\"" + Fixed(frame.X(x), 1) + "\" cy=\"" + Fixed(frame.Y(y), 1) + "\" r=\"3.5\"/>\n";
  }
  for (const auto& whisker : plot.whiskers)
    svg += Line(frame.X(whisker[0]), frame.Y(whisker[1]), frame.X(whisker[0]), frame.Y(whisker[2]), "stroke=\"#111\"");
  for (const auto& [x, y] : plot.marks)
    svg += "<rect x=\"" + Fixed(frame.X(x) - 5, 1) + "\" y=\"" + Fixed(frame.Y(y) - 5, 1) +
           "\" width=\"10\" height=\"10\" fill=\"#fff\" stroke=\"#111\" stroke-width=\"2\"/>\n";
  if (named > 1) svg += Legend(plot, kTop + kSide + 56);
  return svg + "</svg>\n";
}

}  // namespace glionode::networks
