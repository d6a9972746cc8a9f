#include "config/error.h"
#include "inference/networks/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <set>

namespace glionode::networks {

namespace {
constexpr const char* kStyle = R"(
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2733;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border:1px solid #c6ced6;padding:.3rem .7rem;text-align:right}th:first-child,td:first-child{text-align:left}
th{background:#eef2f5}.warn{border-left:.4rem solid #b35900;background:#fff4e5;padding:.6rem 1rem;margin:1rem 0}
.stamp{border-left-color:#a40000;background:#ffecec;font-weight:600}.note{color:#4a5866;font-size:.9rem}
.hash{font-family:monospace;font-size:.85rem;overflow-wrap:anywhere}.wide{overflow-x:auto}
@media print{body{margin:0;max-width:none}section{break-inside:avoid}})";

std::string Escape(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string Fixed(double value, int digits) {
  if (!std::isfinite(value)) return "&ndash;";
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string WithLimits(const Interval& interval) {
  if (!std::isfinite(interval.value)) return "not defined";
  return Fixed(interval.value, 2) + " (" + Fixed(interval.low, 2) + "&ndash;" + Fixed(interval.high, 2) + ")";
}

std::string Row(const std::vector<std::string>& cells, bool head = false) {
  std::string row = "<tr>";
  for (const auto& cell : cells) row += (head ? "<th>" : "<td>") + cell + (head ? "</th>" : "</td>");
  return row + "</tr>\n";
}

std::string RocCurve(const EvaluationRun& run, const Metrics& metrics) {
  if (metrics.necrosis == 0 || metrics.recurrence == 0)
    return "<p class=\"note\">No ROC curve: it needs cases of both classes with a probability.</p>\n";
  std::set<double, std::greater<>> thresholds;
  for (const auto& one : run.cases)
    if (one.probability_of_necrosis >= 0) thresholds.insert(one.probability_of_necrosis);
  std::string points = "40,340";
  for (const double threshold : thresholds) {
    int found = 0, wrong = 0;
    for (const auto& one : run.cases)
      if (one.probability_of_necrosis >= threshold) ++(one.label == "necrosis" ? found : wrong);
    points.append(" ").append(Fixed(40 + 300.0 * wrong / metrics.recurrence, 1));
    points.append(",").append(Fixed(340 - 300.0 * found / metrics.necrosis, 1));
  }
  std::string svg =
      "<svg viewBox=\"0 0 380 385\" width=\"380\" height=\"385\" role=\"img\" aria-label=\"ROC curve, AUC " +
      Fixed(metrics.auc.value, 2) + "\" font-size=\"12\" fill=\"#1c2733\">\n";
  svg += "<rect x=\"40\" y=\"40\" width=\"300\" height=\"300\" fill=\"none\" stroke=\"#8a97a3\"/>\n";
  svg += "<line x1=\"40\" y1=\"340\" x2=\"340\" y2=\"40\" stroke=\"#8a97a3\" stroke-dasharray=\"4 4\"/>\n";
  for (int tick = 0; tick <= 4; ++tick) {
    const std::string at = Fixed(tick * 0.25, 2), x = Fixed(40 + 75.0 * tick, 0), y = Fixed(344 - 75.0 * tick, 0);
    svg += "<text x=\"" + x + "\" y=\"356\" text-anchor=\"middle\">" + at + "</text><text x=\"36\" y=\"" + y +
           "\" text-anchor=\"end\">" + at + "</text>\n";
  }
  svg += "<polyline points=\"" + points + "\" fill=\"none\" stroke=\"#00569e\" stroke-width=\"2\"/>\n";
  const double x = 40 + 300.0 * metrics.fp / metrics.recurrence, y = 340 - 300.0 * metrics.tp / metrics.necrosis;
  svg += "<circle cx=\"" + Fixed(x, 1) + "\" cy=\"" + Fixed(y, 1) + "\" r=\"5\" fill=\"#b35900\"/>\n";
  svg +=
      "<text x=\"190\" y=\"376\" text-anchor=\"middle\">share of recurrence called necrosis (1 &minus; specificity)"
      "</text>\n<text x=\"40\" y=\"28\">share of necrosis found (sensitivity); dot: threshold 0.5</text>\n";
  return svg + "</svg>\n";
}

std::string DecisionTable(const Metrics& metrics) {
  std::string table = "<table><caption>Truth against the node's decision, all cases</caption>\n" +
                      Row({"truth", "recurrence", "necrosis", "indeterminate", "not evaluable", "all"}, true);
  for (int truth = 0; truth < 2; ++truth) {
    std::vector<std::string> cells{truth ? "necrosis" : "recurrence"};
    int all = 0;
    for (const int count : metrics.decisions[truth]) cells.push_back(std::to_string(count)), all += count;
    cells.push_back(std::to_string(all));
    table += Row(cells);
  }
  table += "</table>\n<table><caption>Decisions that were right</caption>\n" +
           Row({"", "decided only", "all eligible"}, true);
  const auto& d = metrics.decisions;
  const auto row = [&](int truth) { return d[truth][0] + d[truth][1] + d[truth][2] + d[truth][3]; };
  table += Row({"necrosis", WithLimits(ClopperPearson(d[1][1], d[1][0] + d[1][1])),
                WithLimits(ClopperPearson(d[1][1], row(1)))});
  table += Row({"recurrence", WithLimits(ClopperPearson(d[0][0], d[0][0] + d[0][1])),
                WithLimits(ClopperPearson(d[0][0], row(0)))});
  return table + "</table>\n";
}

std::string NotDecided(const EvaluationRun& run) {
  std::string rows;
  for (const auto& one : run.cases)
    if (one.decision == Decision::kNotEvaluable)
      rows += Row({Escape(one.study), Escape(one.label), Escape(one.reasons)});
  if (rows.empty()) return "";
  return "<table><caption>Not evaluable, one by one</caption>\n" + Row({"study", "truth", "reasons"}, true) + rows +
         "</table>\n";
}

std::string RunSection(const EvaluationRun& run) {
  const Metrics m = Measure(run.cases);
  const int judged = m.necrosis + m.recurrence;
  std::string html = "<section><h2>" + Escape(run.bundle_name) + " " + Escape(run.bundle_version) + "</h2>\n";
  if (run.apparent)
    html +=
        "<p class=\"warn stamp\">APPARENT: measured on patients that the network was trained on. These figures say "
        "nothing about new patients.</p>\n";
  if (run.domain == "phantom")
    html +=
        "<p class=\"warn\">Trained on synthetic phantoms. Figures on phantoms show that the software works; they "
        "are no evidence about patients.</p>\n";
  html += "<p>Cohort: " + Escape(run.cohort) + ". Cases: " + std::to_string(run.cases.size()) +
          ", with a probability: " + std::to_string(judged) + " (" + std::to_string(m.necrosis) + " necrosis, " +
          std::to_string(m.recurrence) + " recurrence). Left out because the network was trained on the patient: " +
          std::to_string(run.excluded_training_patients) + ".<br>Domain of the bundle: " + Escape(run.domain) +
          ". <span class=\"hash\">SHA-256 " + Escape(run.bundle_sha256) + "</span></p>\n";
  const double majority = judged ? static_cast<double>(std::max(m.necrosis, m.recurrence)) / judged : std::nan("");
  const bool recurrence_is_majority = m.recurrence >= m.necrosis;
  html += "<div class=\"wide\"><table><caption>Figures at threshold 0.5 (95 % interval)</caption>\n" +
          Row({"", "share of necrosis found (sensitivity)", "share of recurrence left (specificity)", "accuracy", "AUC",
               "Brier"},
              true);
  html += Row({"this bundle", WithLimits(m.sensitivity), WithLimits(m.specificity), WithLimits(m.accuracy),
               WithLimits(m.auc), WithLimits(m.brier_interval)});
  const double prevalence = judged ? static_cast<double>(m.necrosis) / judged : std::nan("");
  html +=
      Row({std::string("always &ldquo;") + (recurrence_is_majority ? "recurrence" : "necrosis") + "&rdquo; (majority)",
           recurrence_is_majority ? "0.00" : "1.00", recurrence_is_majority ? "1.00" : "0.00", Fixed(majority, 2),
           "0.50", Fixed(prevalence * (1 - prevalence), 2) + " (constant at the prevalence)"});
  html +=
      Row({"Ying et al. 2025, ResNet10, for orientation only: another cohort (Beijing Tiantan, 234 patients, 192 "
           "recurrence and 42 necrosis)",
           "0.78", "0.94", "0.91", "0.83", "not given"});
  html +=
      "</table></div>\n<p class=\"note\">The paper's row is no comparison: other patients, another network, no "
      "intervals in its abstract. That its sensitivity is for necrosis is inferred from the abstract's arithmetic, "
      "not stated there. Intervals: exact (Clopper-Pearson) for shares; Hanley-McNeil inverted (Newcombe's method "
      "5) for AUC; 1.96 standard errors for Brier.</p>\n";
  html += "<table><caption>Called by the network at threshold 0.5</caption>\n" +
          Row({"truth", "called recurrence", "called necrosis"}, true) +
          Row({"recurrence", std::to_string(m.tn), std::to_string(m.fp)}) +
          Row({"necrosis", std::to_string(m.fn), std::to_string(m.tp)}) + "</table>\n";
  if (m.necrosis < 20 || m.recurrence < 20)
    html +=
        "<p class=\"note\">Fewer than 20 cases in a class: no calibration or decision curve is shown, and the "
        "intervals are the message.</p>\n";
  return html + DecisionTable(m) + RocCurve(run, m) + NotDecided(run) + "</section>\n";
}
}  // namespace

std::string ReportHtml(const std::vector<EvaluationRun>& runs) {
  if (runs.empty()) throw Error(ErrorCode::kUsage, "evaluation: there is no run to report");
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>Evaluation: recurrence or necrosis</title><style>" +
      std::string(kStyle) + "</style></head><body>\n";
  html += "<h1>Evaluation: glioma recurrence or radiation necrosis</h1>\n<p class=\"warn\">NOT FOR CLINICAL USE</p>\n";
  for (const auto& run : runs) html += RunSection(run);
  return html + "</body></html>\n";
}

}  // namespace glionode::networks
