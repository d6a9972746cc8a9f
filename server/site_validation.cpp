#include "server/site_validation.h"

#include "config/error.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

namespace glionode::server {
namespace {

using nlohmann::json;

constexpr int kEnough = 20;  ///< cases of a class

std::string Percent(int part, int all) {
  if (all == 0) return "0 of 0";
  char text[64];
  std::snprintf(text, sizeof text, "%d of %d (%.0f %%)", part, all, 100.0 * part / all);
  return text;
}

std::string BiasText(const SiteFigures& f) {
  std::string text = "The truth is known of " + Percent(f.verified, f.patients) +
                     " patients: of those called necrosis " + Percent(f.called_necrosis_verified, f.called_necrosis) +
                     ", of those called recurrence " + Percent(f.called_recurrence_verified, f.called_recurrence) +
                     ". Whose truth becomes known is no accident: patients who are operated on differ from those who "
                     "are followed, and a report may have moved the choice. Where the shares differ, sensitivity and "
                     "specificity are distorted (verification bias).";
  if (f.too_few) text += " Too few cases to tell: fewer than " + std::to_string(kEnough) + " of a class.";
  return text;
}

networks::EvaluatedCase CaseOf(const storage::ReportedStudy& study, const json& result, int number, int patient) {
  networks::EvaluatedCase one;
  one.study = "study " + std::to_string(number);
  one.patient = "patient " + std::to_string(patient);
  one.label = study.outcome.label;
  one.decision = DecisionFromText(result.value("decision", "")).value_or(Decision::kNotEvaluable);
  const auto p = result.find("probability_of_necrosis");
  if (p != result.end() && p->is_number()) one.probability_of_necrosis = *p;
  if (const auto reasons = result.find("reasons"); reasons != result.end() && reasons->is_array())
    for (const auto& reason : *reasons)
      one.reasons += (one.reasons.empty() ? "" : " ") + reason.value("code", std::string());
  one.attributes["reference_standard"] = study.outcome.standard;
  return one;
}

/// All of one bundle, oldest study first.
SiteFigures FiguresOf(const std::vector<const storage::ReportedStudy*>& studies) {
  SiteFigures figures;
  std::map<std::string, std::vector<const storage::ReportedStudy*>> patients;
  std::vector<std::string> order;
  for (const auto* study : studies) {
    ++figures.reported;
    // Without an identity a study is a patient of its own.
    const std::string key = study->identity.empty() ? "\n" + study->study_uid : study->identity;
    if (patients[key].empty()) order.push_back(key);
    patients[key].push_back(study);
  }
  figures.patients = static_cast<int>(order.size());
  int number = 0;
  for (std::size_t p = 0; p < order.size(); ++p) {
    const auto& of_patient = patients[order[p]];
    const auto known = std::find_if(of_patient.begin(), of_patient.end(),
                                    [](const auto* study) { return !study->outcome.label.empty(); });
    const auto* chosen = known == of_patient.end() ? of_patient.front() : *known;
    const bool verified = known != of_patient.end();
    const json result = json::parse(chosen->result_json, nullptr, false);
    if (!result.is_object()) continue;
    const std::string decision = result.value("decision", "");
    figures.called_necrosis += decision == "necrosis";
    figures.called_recurrence += decision == "recurrence";
    if (!verified) continue;
    ++figures.verified;
    figures.called_necrosis_verified += decision == "necrosis";
    figures.called_recurrence_verified += decision == "recurrence";
    const std::string& label = chosen->outcome.label;
    auto& list = label == "recurrence" || label == "necrosis" ? figures.run.cases : figures.run.others;
    list.push_back(CaseOf(*chosen, result, ++number, static_cast<int>(p) + 1));
  }
  const json newest = json::parse(studies.back()->result_json, nullptr, false);
  const json bundle = newest.is_object() ? newest.value("bundle", json::object()) : json::object();
  figures.run.bundle_name = bundle.value("name", "unknown");
  figures.run.bundle_version = bundle.value("version", "");
  figures.run.bundle_sha256 = studies.back()->bundle_sha256;
  figures.run.kind = "site";
  figures.run.cohort = "studies that this node reported and whose truth was recorded";
  figures.run.domain = "this site";
  figures.run.software = newest.is_object() ? newest.value("software", "") : "";
  const networks::Metrics metrics = networks::Measure(figures.run.cases);
  figures.too_few = metrics.necrosis < kEnough || metrics.recurrence < kEnough;
  figures.bias = BiasText(figures);
  figures.run.note = figures.bias;
  return figures;
}

json CaseJson(const networks::EvaluatedCase& one) {
  return {
      {"study", one.study},
      {"patient", one.patient},
      {"label", one.label},
      {"decision", ToText(one.decision)},
      {"probability_of_necrosis", one.probability_of_necrosis >= 0 ? json(one.probability_of_necrosis) : json(nullptr)},
      {"reasons", one.reasons},
      {"attributes", one.attributes}};
}

networks::EvaluatedCase CaseFromJson(const json& one) {
  networks::EvaluatedCase made;
  made.study = one.at("study");
  made.patient = one.at("patient");
  made.label = one.at("label");
  made.decision = DecisionFromText(one.at("decision").get<std::string>()).value_or(Decision::kNotEvaluable);
  if (one.at("probability_of_necrosis").is_number()) made.probability_of_necrosis = one.at("probability_of_necrosis");
  made.reasons = one.at("reasons");
  made.attributes = one.at("attributes").get<std::map<std::string, std::string>>();
  return made;
}

}  // namespace

std::vector<SiteFigures> SiteValidation(const std::vector<storage::ReportedStudy>& studies) {
  std::map<std::string, std::vector<const storage::ReportedStudy*>> by_bundle;
  for (const auto& study : studies) by_bundle[study.bundle_sha256].push_back(&study);
  std::vector<SiteFigures> all;
  std::map<std::string, WallMs> newest;
  for (const auto& [sha, of_bundle] : by_bundle) {
    all.push_back(FiguresOf(of_bundle));
    newest[sha] = of_bundle.back()->first_arrival;
  }
  std::stable_sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return newest[a.run.bundle_sha256] > newest[b.run.bundle_sha256];
  });
  return all;
}

json ToJson(const std::vector<SiteFigures>& figures) {
  json bundles = json::array();
  for (const auto& f : figures) {
    json cases = json::array();
    for (const auto& one : f.run.cases) cases.push_back(CaseJson(one));
    for (const auto& one : f.run.others) cases.push_back(CaseJson(one));
    json metrics = json::parse(networks::MetricsJson({f.run}));
    metrics.erase("runs");
    metrics.erase("comparisons");
    bundles.push_back(
        {{"name", f.run.bundle_name},
         {"version", f.run.bundle_version},
         {"sha256", f.run.bundle_sha256},
         {"software", f.run.software},
         {"reported", f.reported},
         {"patients", f.patients},
         {"verified", f.verified},
         {"share_verified", f.patients ? json(static_cast<double>(f.verified) / f.patients) : json(nullptr)},
         {"too_few", f.too_few},
         {"bias", f.bias},
         {"figures", metrics},
         {"cases", cases}});
  }
  return {{"bundles", bundles}};
}

std::vector<networks::EvaluationRun> RunsFromJson(const json& answer) {
  std::vector<networks::EvaluationRun> runs;
  try {
    for (const auto& bundle : answer.at("bundles")) {
      networks::EvaluationRun run;
      run.bundle_name = bundle.at("name");
      run.bundle_version = bundle.at("version");
      run.bundle_sha256 = bundle.at("sha256");
      run.software = bundle.at("software");
      run.kind = "site";
      run.domain = "this site";
      run.cohort = "studies that this node reported and whose truth was recorded";
      run.note = bundle.at("bias");
      for (const auto& one : bundle.at("cases")) {
        networks::EvaluatedCase made = CaseFromJson(one);
        const bool two_class = made.label == "recurrence" || made.label == "necrosis";
        (two_class ? run.cases : run.others).push_back(std::move(made));
      }
      runs.push_back(std::move(run));
    }
  } catch (const json::exception& error) {
    throw Error(ErrorCode::kBadDataset, std::string("the node's site validation has another shape: ") + error.what());
  }
  return runs;
}

void CheckOutcome(const storage::OutcomeRecord& outcome, const std::string& today) {
  static const char* const kLabels[] = {"recurrence", "necrosis", "mixed", "neither", "unknown"};
  if (std::find(std::begin(kLabels), std::end(kLabels), outcome.label) == std::end(kLabels))
    throw Error(ErrorCode::kUsage,
                "label \"" + outcome.label + "\" is none of recurrence, necrosis, mixed, neither, unknown");
  if (outcome.standard != "pathology" && outcome.standard != "follow-up")
    throw Error(ErrorCode::kUsage, "standard \"" + outcome.standard + "\" is neither pathology nor follow-up");
  int year = 0, month = 0, day = 0;
  char after = 0;
  const bool shaped =
      outcome.date.size() == 10 && std::sscanf(outcome.date.c_str(), "%4d-%2d-%2d%c", &year, &month, &day, &after) == 3;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!shaped || !date.ok() || year < 1970)
    throw Error(ErrorCode::kUsage, "date \"" + outcome.date + "\" is no day of the calendar as YYYY-MM-DD");
  if (outcome.date > today)
    throw Error(ErrorCode::kUsage, "date " + outcome.date +
                                       " is in the future; it is the day of the specimen or of the "
                                       "follow-up examination");
}

}  // namespace glionode::server
