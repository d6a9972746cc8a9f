#include "config/error.h"
#include "inference/networks/evaluation_figures.h"
#include "inference/networks/file_io.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace glionode::networks {

namespace {
using Json = nlohmann::ordered_json;
constexpr Decision kDecisions[] = {Decision::kRecurrence, Decision::kNecrosis, Decision::kIndeterminate,
                                   Decision::kNotEvaluable};

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json Limits(const Interval& interval) { return Json::array({interval.low, interval.high}); }

Json Share(int hits, int total) {
  const Interval interval = ClopperPearson(hits, total);
  return {{"hits", hits}, {"of", total}, {"value", Number(interval.value)}, {"interval", Limits(interval)}};
}

/// What the node's decisions (with its abstain band) come to: among the decided only, and among all eligible cases.
Json ByDecision(const Metrics& m) {
  const auto& d = m.decisions;
  const auto row = [&](int truth) { return d[truth][0] + d[truth][1] + d[truth][2] + d[truth][3]; };
  const int right_recurrence = d[0][0], right_necrosis = d[1][1];
  const int decided_recurrence = d[0][0] + d[0][1], decided_necrosis = d[1][0] + d[1][1];
  return {{"decided_only",
           {{"sensitivity", Share(right_necrosis, decided_necrosis)},
            {"specificity", Share(right_recurrence, decided_recurrence)},
            {"accuracy", Share(right_necrosis + right_recurrence, decided_necrosis + decided_recurrence)}}},
          {"all_eligible",
           {{"sensitivity", Share(right_necrosis, row(1))},
            {"specificity", Share(right_recurrence, row(0))},
            {"accuracy", Share(right_necrosis + right_recurrence, row(0) + row(1))},
            {"indeterminate", Share(d[0][2] + d[1][2], row(0) + row(1))},
            {"not_evaluable", Share(d[0][3] + d[1][3], row(0) + row(1))}}}};
}

Json DecisionTable(const Metrics& m) {
  Json table;
  for (int truth = 0; truth < 2; ++truth) {
    Json& row = table[truth ? "necrosis" : "recurrence"];
    for (const Decision decision : kDecisions)
      row[std::string(ToText(decision))] = m.decisions[truth][static_cast<int>(decision)];
  }
  return table;
}

Json Ranged(const Interval& interval) {
  return {{"value", Number(interval.value)}, {"interval", {Number(interval.low), Number(interval.high)}}};
}

Json CalibrationJson(const Figures& figures) {
  if (!figures.enough_events) return nullptr;
  Json groups = Json::array();
  for (const auto& group : figures.calibration_groups)
    groups.push_back(
        {{"mean_probability", group.mean_probability}, {"necrosis", group.necrosis}, {"cases", group.cases}});
  return {{"slope", Ranged(figures.calibration.slope)},
          {"intercept_at_slope_1", Ranged(figures.calibration.intercept)},
          {"groups", groups}};
}

Json DecisionCurveJson(const Figures& figures) {
  if (!figures.enough_events) return nullptr;
  Json points = Json::array();
  for (const auto& point : figures.decision_curve)
    points.push_back(
        {{"threshold", point.threshold}, {"network", point.network}, {"calling_all_necrosis", point.calling_all}});
  return points;
}

Json SubgroupsJson(const Figures& figures) {
  Json groups = Json::array();
  for (const auto& group : figures.subgroups) {
    const Metrics& m = group.metrics;
    groups.push_back({{"attribute", group.attribute},
                      {"value", group.value},
                      {"necrosis", m.necrosis},
                      {"recurrence", m.recurrence},
                      {"sensitivity", Ranged(m.sensitivity)},
                      {"specificity", Ranged(m.specificity)},
                      {"auc", Ranged(m.auc)}});
  }
  return groups;
}

Json PhantomJson(const PhantomRows& rows, double separation) {
  if (!rows.bounded) return nullptr;
  const auto row = [](const Interval& auc, double efficiency) {
    Json json = Ranged(auc);
    json["efficiency"] = Number(efficiency);
    return json;
  };
  const AucComparison& against = rows.network_against_bound;
  return {{"separation", separation > 0 ? Json(separation) : Json(nullptr)},
          {"log_likelihood_ratio", row(rows.bound, rows.bound_efficiency)},
          {"measured_features", rows.measured ? row(rows.discriminant, rows.discriminant_efficiency) : Json(nullptr)},
          {"network", row(rows.network, rows.network_efficiency)},
          {"network_minus_bound", Ranged(against.bootstrap)},
          {"leak", rows.leak}};
}

Json MapCheckJson(const MapCheck& check) {
  if (check.cases == 0 && check.lesions == 0 && check.empty_maps == 0) return nullptr;
  Json levels = Json::array();
  for (const auto& level : check.levels)
    levels.push_back({{"randomised", level.randomised},
                      {"rank_correlation", Number(level.correlation)},
                      {"size", Number(level.size)}});
  Json json = {{"cases", check.cases}, {"levels", levels}, {"constant_maps", check.constant}};
  if (check.lesions > 0 || check.empty_maps > 0)
    json["lesion"] = {{"cases", check.lesions},
                      {"share_of_map", check.lesions > 0 ? Number(check.share_in_lesion) : Json(nullptr)},
                      {"by_chance", check.lesions > 0 ? Number(check.share_by_chance) : Json(nullptr)},
                      {"empty_maps", check.empty_maps}};
  return json;
}

/// Labels that are in no two-class figure, and what the node said about them.
Json OthersJson(const std::vector<EvaluatedCase>& others) {
  Json json = Json::object();
  for (const char* label : {"mixed", "neither", "unknown"}) {
    int counts[4] = {}, all = 0;
    for (const auto& one : others)
      if (one.label == label) ++counts[static_cast<int>(one.decision)], ++all;
    Json& row = json[label] = {{"studies", all}};
    for (const Decision decision : kDecisions) row[std::string(ToText(decision))] = counts[static_cast<int>(decision)];
  }
  return json;
}

Json MoreFigures(const EvaluationRun& run, const Figures& figures) {
  const double prevalence =
      static_cast<double>(figures.metrics.necrosis) / (figures.metrics.necrosis + figures.metrics.recurrence);
  Json others = Json::array();
  for (const auto& row : figures.prevalences)
    others.push_back({{"prevalence", row.prevalence}, {"ppv", Number(row.ppv)}, {"npv", Number(row.npv)}});
  Json points = Json::array();
  for (const auto& point : figures.operating_points)
    points.push_back({{"threshold", point.threshold},
                      {"meaning", point.meaning},
                      {"sensitivity", Ranged(point.sensitivity)},
                      {"specificity", Ranged(point.specificity)},
                      {"accuracy", Ranged(point.accuracy)}});
  return {{"balanced_accuracy", Ranged(figures.balanced_accuracy)},
          {"ppv", Ranged(figures.ppv)},
          {"npv", Ranged(figures.npv)},
          {"likelihood_ratio_called_necrosis", Ranged(figures.lr_necrosis)},
          {"likelihood_ratio_called_recurrence", Ranged(figures.lr_recurrence)},
          {"average_precision", Ranged(figures.average_precision)},
          {"prevalence", Number(prevalence)},
          {"brier_of_a_constant", Number(prevalence * (1 - prevalence))},
          {"operating_points", points},
          {"at_other_prevalences", others},
          {"calibration", CalibrationJson(figures)},
          {"decision_curve", DecisionCurveJson(figures)},
          {"subgroups", SubgroupsJson(figures)},
          {"phantom", PhantomJson(figures.phantom, run.separation)},
          {"map_check", MapCheckJson(run.map_check)},
          {"other_labels", OthersJson(run.others)}};
}

Json RunJson(const EvaluationRun& run) {
  const Figures figures = MeasureAll(run);
  const Metrics& m = figures.metrics;
  Json json;
  json["sensitivity"] = Number(m.sensitivity.value);
  json["specificity"] = Number(m.specificity.value);
  json["accuracy"] = Number(m.accuracy.value);
  json["auc"] = Number(m.auc.value);
  json["brier"] = Number(m.brier);
  json["intervals"] = {{"level", 0.95},
                       {"sensitivity", Limits(m.sensitivity)},
                       {"specificity", Limits(m.specificity)},
                       {"accuracy", Limits(m.accuracy)},
                       {"auc", Limits(m.auc)},
                       {"brier", Limits(m.brier_interval)}};
  json["interval_methods"] = {{"sensitivity", "Clopper-Pearson"},
                              {"specificity", "Clopper-Pearson"},
                              {"accuracy", "Clopper-Pearson"},
                              {"auc", "Hanley-McNeil inverted (Newcombe's method 5)"},
                              {"brier", "mean and 1.96 standard errors"},
                              {"average_precision", "percentile bootstrap of patients, by class"},
                              {"balanced_accuracy", "square-and-add of the exact limits (Newcombe)"},
                              {"likelihood_ratios", "standard error of the logarithm"}};
  json["positive_class"] = "necrosis (inferred from the abstract's arithmetic)";
  json["threshold"] = 0.5;
  json["counts"] = {{"cases", run.cases.size()},
                    {"with_probability", m.necrosis + m.recurrence},
                    {"necrosis", m.necrosis},
                    {"recurrence", m.recurrence},
                    {"necrosis_called_necrosis", m.tp},
                    {"necrosis_called_recurrence", m.fn},
                    {"recurrence_called_recurrence", m.tn},
                    {"recurrence_called_necrosis", m.fp},
                    {"excluded_training_patients", run.excluded_training_patients},
                    {"excluded_training_studies", run.excluded_studies},
                    {"training_patients_known", run.training_patients_known},
                    {"patients", figures.patients}};
  json["majority_baseline_accuracy"] =
      m.necrosis + m.recurrence > 0
          ? Json(static_cast<double>(std::max(m.necrosis, m.recurrence)) / (m.necrosis + m.recurrence))
          : Json(nullptr);
  json["decisions"] = DecisionTable(m);
  json["by_decision"] = ByDecision(m);
  json.update(MoreFigures(run, figures));
  json["bundle"] = {{"name", run.bundle_name},
                    {"version", run.bundle_version},
                    {"sha256", run.bundle_sha256},
                    {"weights_sha256", run.weights_sha256},
                    {"network", run.network}};
  json["kind"] = run.kind;
  json["domain"] = run.domain;
  json["cohort"] = run.cohort;
  json["apparent"] = run.apparent;
  json["software"] = run.software;
  json["date"] = run.made;
  json["cohort_sha256"] = run.cohort_sha256;
  json["not_evaluable_reasons"] = figures.not_evaluable_for;
  return json;
}

Json ComparisonsJson(const std::vector<EvaluationRun>& runs) {
  Json json = Json::array();
  for (const auto& one : CompareRuns(runs))
    json.push_back({{"first", one.first},
                    {"second", one.second},
                    {"cases", one.cases},
                    {"auc_difference_bootstrap", Ranged(one.auc.bootstrap)},
                    {"auc_difference_delong", Ranged(one.auc.delong)},
                    {"delong_p", one.auc.delong_p},
                    {"only_first_right", one.only_first_right},
                    {"only_second_right", one.only_second_right},
                    {"mcnemar_p", one.mcnemar_p},
                    {"mcnemar_p_holm", one.mcnemar_p_holm},
                    {"first_apparent", one.first_apparent},
                    {"second_apparent", one.second_apparent}});
  return json;
}

std::string CsvField(const std::string& text) {
  std::string field;
  // A spreadsheet would run a field that begins like this as a formula.
  if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos) field = "'";
  field += text;
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string CasesCsv(const std::vector<EvaluationRun>& runs) {
  std::string csv = "bundle,study,patient,label,decision,probability_of_necrosis,reasons,bundle_sha256,apparent\n";
  const auto labels = RunLabels(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const EvaluationRun& run = runs[i];
    std::vector<EvaluatedCase> all = run.cases;
    all.insert(all.end(), run.others.begin(), run.others.end());
    for (const auto& one : all) {
      char probability[32] = "";
      if (one.probability_of_necrosis >= 0)
        std::snprintf(probability, sizeof probability, "%.6f", one.probability_of_necrosis);
      csv += CsvField(labels[i]) + "," + CsvField(one.study) + "," + CsvField(one.patient) + "," + CsvField(one.label) +
             "," + std::string(ToText(one.decision)) + "," + probability + "," + CsvField(one.reasons) + "," +
             CsvField(run.bundle_sha256) + (run.apparent ? ",yes\n" : ",no\n");
    }
  }
  return csv;
}
}  // namespace

std::string MetricsJson(const std::vector<EvaluationRun>& runs) {
  if (runs.empty()) throw Error(ErrorCode::kUsage, "evaluation: there is no run to report");
  Json all = Json::array();
  for (const auto& run : runs) all.push_back(RunJson(run));
  Json json = all[0];
  json["runs"] = all;
  json["comparisons"] = ComparisonsJson(runs);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void WriteEvaluation(const std::vector<EvaluationRun>& runs, const std::filesystem::path& folder) {
  const std::string json = MetricsJson(runs), html = ReportHtml(runs), csv = CasesCsv(runs);
  std::filesystem::create_directories(folder);
  WriteFileAtomically(folder / "cases.csv", csv);
  WriteFileAtomically(folder / "report.html", html);
  WriteFileAtomically(folder / "metrics.json", json);
}

}  // namespace glionode::networks
