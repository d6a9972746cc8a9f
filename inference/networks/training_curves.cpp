#include "inference/networks/training_curves.h"

#include "inference/networks/html_text.h"
#include "inference/networks/line_plot.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace glionode::networks {

namespace {
using Json = nlohmann::json;

std::string Number(double value) {
  if (!std::isfinite(value)) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

Json OrNull(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
double OrNan(const Json& value) { return value.is_number() ? value.get<double>() : std::nan(""); }

std::string Curve(const std::string& title, const std::vector<CurvePoint>& points, double CurvePoint::*learned,
                  double CurvePoint::*held_out, double low, double high) {
  Plot plot;
  plot.title = title;
  plot.x_label = "epoch";
  plot.y_label = title;
  plot.x_low = 0;
  plot.x_high = 1;
  plot.y_low = low;
  plot.y_high = high;
  PlotLine taught{"while learning", {}}, kept{"held out", {}, "6 4", 1.5};
  kept.dots = true;
  std::vector<PlotLine> lines;
  const auto finish = [&] {
    if (!taught.points.empty()) lines.push_back(taught);
    if (!kept.points.empty()) lines.push_back(kept);
    taught = {"", {}}, kept = {"", {}, "6 4", 1.5};  // one pair stands in the legend for all
    kept.dots = true;
  };
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i > 0 && points[i].run != points[i - 1].run) finish();
    plot.x_high = std::max(plot.x_high, static_cast<double>(points[i].epoch));
    taught.points.emplace_back(points[i].epoch, points[i].*learned);
    if (std::isfinite(points[i].*held_out)) kept.points.emplace_back(points[i].epoch, points[i].*held_out);
  }
  finish();
  plot.lines = lines;
  return PlotSvg(plot);
}
}  // namespace

std::string CurvesCsv(const std::vector<CurvePoint>& points) {
  std::string csv = "run,phase,epoch,loss,auc,learning_rate,held_out_loss,held_out_auc\n";
  for (const auto& p : points)
    csv += std::to_string(p.run + 1) + "," + p.phase + "," + std::to_string(p.epoch) + "," + Number(p.loss) + "," +
           Number(p.auc) + "," + Number(p.learning_rate) + "," + Number(p.held_out_loss) + "," +
           Number(p.held_out_auc) + "\n";
  return csv;
}

std::string CurvesHtml(const std::string& title, const std::vector<CurvePoint>& points) {
  double highest = 0.1, lowest_auc = 0.4;
  for (const auto& p : points) {
    for (const double loss : {p.loss, p.held_out_loss})
      if (std::isfinite(loss)) highest = std::max(highest, loss);
    for (const double auc : {p.auc, p.held_out_auc})
      if (std::isfinite(auc)) lowest_auc = std::min(lowest_auc, std::floor(auc * 10) / 10);
  }
  std::string body =
      "<p>Loss and AUC by epoch; every run (fold, final) is a line. Held-out cases are only watched: nothing is chosen "
      "by them, the number of epochs is fixed before.</p>\n<div class=\"plots\">";
  body += Curve("loss", points, &CurvePoint::loss, &CurvePoint::held_out_loss, 0, std::ceil(highest * 10) / 10);
  body += Curve("AUC", points, &CurvePoint::auc, &CurvePoint::held_out_auc, lowest_auc, 1);
  body += "</div>\n<table><caption>Last epoch of every run</caption>\n" +
          Row({"run", "epochs", "loss", "AUC", "held-out loss", "held-out AUC"}, true);
  for (std::size_t i = 0; i < points.size(); ++i)
    if (i + 1 == points.size() || points[i + 1].run != points[i].run)
      body += Row({Escape(points[i].phase), std::to_string(points[i].epoch), Fixed(points[i].loss, 3),
                   Fixed(points[i].auc, 3), Fixed(points[i].held_out_loss, 3), Fixed(points[i].held_out_auc, 3)});
  return Page("Training: " + title, body + "</table>\n");
}

std::string CurvesText(const std::vector<CurvePoint>& points) {
  Json list = Json::array();
  for (const auto& p : points)
    list.push_back({p.run, p.phase, p.epoch, OrNull(p.loss), OrNull(p.auc), p.learning_rate, OrNull(p.held_out_loss),
                    OrNull(p.held_out_auc)});
  return list.dump();
}

std::vector<CurvePoint> CurvesFromText(const std::string& text) {
  std::vector<CurvePoint> points;
  for (const auto& row : Json::parse(text))
    points.push_back({row.at(0), row.at(1), row.at(2), OrNan(row.at(3)), OrNan(row.at(4)), row.at(5), OrNan(row.at(6)),
                      OrNan(row.at(7))});
  return points;
}

}  // namespace glionode::networks
