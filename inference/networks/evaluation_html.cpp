#include "config/error.h"
#include "inference/networks/evaluation.h"
#include "inference/networks/evaluation_plots.h"
#include "inference/networks/evaluation_tables.h"
#include "inference/networks/html_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace glionode::networks {

namespace {
std::string Warning(const std::string& text, bool stamp = false) {
  return std::string("<p class=\"warn") + (stamp ? " stamp" : "") + "\">" + text + "</p>\n";
}

std::string Headline(const EvaluationRun& run) {
  if (run.kind == "out-of-fold")
    return "Out-of-fold figures of the training: every case was judged by a network that had not learned from its "
           "patient. Calibration and abstain band were fitted on these same predictions, so both look a little better "
           "than they are.";
  if (run.kind == "held-back")
    return "Figures of the training on the fifth of the patients that was held back: the network had not learned from "
           "them. Calibration and abstain band were fitted on these same predictions, so both look a little better "
           "than "
           "they are.";
  if (run.kind == "site")
    return "Figures at this site: studies that the node reported and whose truth was recorded later.";
  return "";
}

/// "3 (geometry 2, missing_role 1)"; a study can have several reasons.
std::string NotEvaluableText(const Figures& figures) {
  const auto& d = figures.metrics.decisions;
  const int unfit = d[0][3] + d[1][3];
  std::string reasons;
  for (const auto& [reason, count] : figures.not_evaluable_for)
    reasons += (reasons.empty() ? "" : ", ") + Escape(reason) + " " + std::to_string(count);
  return std::to_string(unfit) + (reasons.empty() ? "" : " (" + reasons + ")");
}

std::string Hash(const std::string& what, const std::string& hash) {
  return hash.empty() ? "" : "<br>" + what + ": <span class=\"hash\">SHA-256 " + Escape(hash) + "</span>";
}

std::string Flow(const EvaluationRun& run, const Figures& figures) {
  const Metrics& m = figures.metrics;
  const int judged = m.necrosis + m.recurrence;
  const std::size_t received = run.cases.size() + run.others.size() + static_cast<std::size_t>(run.excluded_studies);
  std::string html = "<p>Cohort: " + Escape(run.cohort) + ". Studies: " + std::to_string(received) + ". ";
  html += run.training_patients_known ? "Left out because the network was trained on the patient: " +
                                            std::to_string(run.excluded_training_patients) + " patients, " +
                                            std::to_string(run.excluded_studies) + " studies. "
                                      : std::string(
                                            "Whether the network was trained on some of these patients was "
                                            "not checked: its bundle is not at hand, or names no patients. ");
  html += "Labelled mixed, neither or unknown: " + std::to_string(run.others.size()) + ". ";
  html += "Left for the figures: " + std::to_string(run.cases.size()) + " studies of " +
          std::to_string(figures.patients) + " patients; not evaluable: " + NotEvaluableText(figures) +
          "; with a probability: " + std::to_string(judged) + " (" + std::to_string(m.necrosis) + " necrosis, " +
          std::to_string(m.recurrence) + " recurrence).<br>Domain of the bundle: " + Escape(run.domain) + ". ";
  if (!run.settings.empty()) html += Escape(run.settings) + " ";
  if (!run.software.empty()) html += "Software: " + Escape(run.software) + ". ";
  if (!run.made.empty()) html += "Report of " + Escape(run.made) + ".";
  html += Hash("Bundle (bundle.json and weights, as reports name it)", run.bundle_sha256);
  return html + Hash("Weights alone", run.weights_sha256) + Hash("Cohort file", run.cohort_sha256) + "</p>\n";
}

std::string RunSection(const EvaluationRun& run, const std::string& label) {
  const Figures figures = MeasureAll(run);
  // The label holds the version where names repeat.
  std::string html = "<section><h2>" + Escape(label) +
                     (label == run.bundle_name ? " " + Escape(run.bundle_version) : std::string()) + "</h2>\n";
  if (run.apparent)
    html += Warning(
        "APPARENT: measured on patients that the network was trained on. These figures say nothing about new "
        "patients.",
        true);
  if (run.domain == "phantom")
    html += Warning(
        "Trained on synthetic phantoms. Figures on phantoms show that the software works; they are no evidence about "
        "patients.");
  if (const auto headline = Headline(run); !headline.empty()) html += Warning(headline);
  if (!run.note.empty()) html += Warning(Escape(run.note));
  if (run.network == "mresnet")
    html += Warning(
        "MresNet here is our own reading of a few words in the paper. It is not the paper's network, and these figures "
        "say nothing about that one.");
  html += Flow(run, figures);
  if (figures.patients < static_cast<int>(run.cases.size()))
    html += Warning(std::to_string(run.cases.size()) + " studies of " + std::to_string(figures.patients) +
                    " patients: studies of one patient are alike, but the exact intervals, that of the AUC, DeLong's "
                    "and the tests take each study as independent. They are too narrow. The bootstraps draw patients.");
  html += CountTables(figures) + FigureTable(run, figures);
  if (!figures.enough_events)
    html += Warning("Fewer than " + std::to_string(kEventsForCurves) +
                    " cases in a class: no calibration or decision curve is shown, and the intervals are the message.");
  html += DerivedTables(figures) + PhantomTable(run, figures);
  html += "<div class=\"plots\">" + RocFigure(run, figures) + PrecisionFigure(run, figures) +
          CalibrationFigure(figures) + DecisionFigure(figures) + "</div>\n";
  html += OutOfFoldTable(run) + SubgroupTable(figures) + OtherLabelsTable(run) + MapCheckTable(run);
  return html + FailureTable(run) + NotEvaluableTable(run) + "</section>\n";
}
}  // namespace

/// What the bundle says of its own training: for small cohorts the folds are the main evidence.
std::string OutOfFoldTable(const EvaluationRun& run) {
  auto json = nlohmann::json::parse(run.bundle_evaluation_json, nullptr, false);
  if (json.is_object() && json.contains("out_of_fold")) json = json["out_of_fold"];
  if (!json.is_object() || json.value("kind", "") != "out-of-fold") return "";
  const auto cell = [&](const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_object()) return std::string("&ndash;");
    return WithLimits({found->value("value", 0.0), found->value("low", 0.0), found->value("high", 1.0)});
  };
  return "<h3>Out of the folds of the training</h3>\n<div class=\"wide\"><table><caption>As the bundle states it: " +
         std::to_string(json.value("necrosis", 0)) + " necrosis, " + std::to_string(json.value("recurrence", 0)) +
         " recurrence</caption>\n" +
         Row({"share of necrosis found", "share of recurrence recognised", "accuracy", "AUC"}, true) +
         Row({cell("sensitivity_for_necrosis"), cell("specificity_for_necrosis"), cell("accuracy"), cell("auc")}) +
         "</table></div>\n";
}

std::string ReportHtml(const std::vector<EvaluationRun>& runs) {
  if (runs.empty()) throw Error(ErrorCode::kUsage, "evaluation: there is no run to report");
  std::string html = Warning("NOT FOR CLINICAL USE", true);
  html +=
      "<p>Necrosis is the class that is looked for: sensitivity is the share of necrosis found. Intervals are "
      "two-sided "
      "95 %. The reference standard is what the cohort's table says; where it has a column reference_standard, "
      "subgroups show it.</p>\n";
  html += ComparisonTable(CompareRuns(runs));
  const auto labels = RunLabels(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) html += RunSection(runs[i], labels[i]);
  const bool apparent = std::any_of(runs.begin(), runs.end(), [](const auto& run) { return run.apparent; });
  return Page("Evaluation: glioma recurrence or radiation necrosis", html,
              std::string("NOT FOR CLINICAL USE") + (apparent ? " - APPARENT: measured on training patients" : ""));
}

}  // namespace glionode::networks
