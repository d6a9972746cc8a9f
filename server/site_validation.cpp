#include "server/site_validation.h"

#include "config/error.h"
#include "inference/networks/bundle.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>

namespace glionode::server {
namespace {

using nlohmann::json;

constexpr int kEnough = 20;  ///< cases of a class
constexpr const char* kCohort = "studies that this node reported and whose truth was recorded";
constexpr const char* kDomain = "this site";

std::string Percent(int part, int all) {
  if (all == 0) return "0 of 0";
  char text[64];
  std::snprintf(text, sizeof text, "%d of %d (%.0f %%)", part, all, 100.0 * part / all);
  return text;
}

std::string Count(int number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

std::string BiasText(const SiteFigures& f) {
  std::string text = "The truth is known of " + Percent(f.verified, f.patients) +
                     " patients: of those called necrosis " + Percent(f.called_necrosis_verified, f.called_necrosis) +
                     ", of those called recurrence " + Percent(f.called_recurrence_verified, f.called_recurrence) +
                     ". Whose truth becomes known is no accident: patients who are operated on differ from those who "
                     "are followed, and a report may have moved the choice. Where the shares differ, sensitivity and "
                     "specificity are distorted (verification bias).";
  if (f.too_few) text += " Too few cases to tell: fewer than " + std::to_string(kEnough) + " of a class.";
  if (f.days_to_outcome)
    text += " The outcomes are dated " + Count(*f.days_to_outcome, "day", "days") +
            " after the studies came here (median).";
  if (f.withdrawn > 0) text += " Left out: " + Count(f.withdrawn, "study", "studies") + " whose report was taken back.";
  if (f.run.excluded_training_patients > 0)
    text += " Left out: " + Count(f.run.excluded_training_patients, "patient", "patients") +
            " that the network was trained on.";
  if (!f.run.training_patients_known)
    text +=
        " Whether the network was trained on some of these patients was not checked: its bundle is not at hand, or "
        "names no patients.";
  return text;
}

/// Patient ID and issuer out of the opaque identity (dicom::IdentityKey: ID, issuer and more, a line each).
struct PatientName {
  std::string id, issuer;
};
PatientName NameOf(const std::string& identity) {
  const auto end = identity.find('\n');
  PatientName name{identity.substr(0, end), ""};
  if (end != std::string::npos) name.issuer = identity.substr(end + 1, identity.find('\n', end + 1) - end - 1);
  return name;
}

/// Tells patients apart, and numbers patients and studies once for all bundles: what has one number is one study.
class Numbering {
 public:
  explicit Numbering(const std::vector<storage::ReportedStudy>& studies) {
    for (const auto& study : studies)
      if (const PatientName name = NameOf(study.identity); !name.issuer.empty()) issuers_[name.id].insert(name.issuer);
    for (const auto& study : studies) {
      studies_.emplace(study.study_uid, static_cast<int>(studies_.size()) + 1);
      patients_.emplace(KeyOf(study), static_cast<int>(patients_.size()) + 1);
    }
  }
  int Study(const storage::ReportedStudy& study) const { return studies_.at(study.study_uid); }
  int Patient(const storage::ReportedStudy& study) const { return patients_.at(KeyOf(study)); }

 private:
  std::string KeyOf(const storage::ReportedStudy& study) const {
    // Without an identity a study is a patient of its own.
    if (study.identity.empty()) return "\n" + study.study_uid;
    PatientName name = NameOf(study.identity);
    const auto known = issuers_.find(name.id);
    if (name.issuer.empty() && known != issuers_.end() && known->second.size() == 1)
      name.issuer = *known->second.begin();
    return name.id + "\n" + name.issuer;
  }
  std::map<std::string, std::set<std::string>> issuers_;  ///< that are known for an ID
  std::map<std::string, int> studies_, patients_;
};

networks::EvaluatedCase CaseOf(const storage::ReportedStudy& study, const json& result, const Numbering& numbers) {
  networks::EvaluatedCase one;
  one.study = "study " + std::to_string(numbers.Study(study));
  one.patient = "patient " + std::to_string(numbers.Patient(study));
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

bool TruthIsKnown(const storage::ReportedStudy& study) {
  return !study.outcome.label.empty() && study.outcome.label != "unknown";
}

/// The study of a patient that counts: the earliest whose truth is known, else the earliest with an outcome at all.
const storage::ReportedStudy& Chosen(const std::vector<const storage::ReportedStudy*>& of_patient) {
  for (const auto* study : of_patient)
    if (TruthIsKnown(*study)) return *study;
  for (const auto* study : of_patient)
    if (!study->outcome.label.empty()) return *study;
  return *of_patient.front();
}

/// Days from the study's arrival to its outcome; less than 0 for a study that came here long after it was made.
std::optional<int> DaysToOutcome(const storage::ReportedStudy& study) {
  int year = 0, month = 0, day = 0;
  if (std::sscanf(study.outcome.date.c_str(), "%4d-%2d-%2d", &year, &month, &day) != 3) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const std::chrono::sys_time<std::chrono::milliseconds> arrival{std::chrono::milliseconds(study.first_arrival)};
  return static_cast<int>((std::chrono::sys_days(date) - std::chrono::floor<std::chrono::days>(arrival)).count());
}

std::optional<int> Median(std::vector<int> values) {
  if (values.empty()) return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What the result of a bundle says of the bundle, and what is at hand of it.
void DescribeBundle(const storage::ReportedStudy& newest, const BundleAtHand* at_hand, networks::EvaluationRun& run) {
  const json result = json::parse(newest.result_json, nullptr, false);
  const json bundle = result.is_object() ? result.value("bundle", json::object()) : json::object();
  run.bundle_name = bundle.value("name", "unknown");
  run.bundle_version = bundle.value("version", "");
  run.bundle_sha256 = newest.bundle_sha256;
  run.kind = "site";
  run.cohort = kCohort;
  run.domain = kDomain;
  run.software = result.is_object() ? result.value("software", "") : "";
  run.training_patients_known = at_hand && !at_hand->patient_hashes.empty();
  if (!at_hand) return;
  run.weights_sha256 = at_hand->weights_sha256;
  run.network = at_hand->network;
  run.calibrated_share = at_hand->calibrated_share;
}

/// All of one bundle, oldest study first. `at_hand`: null if it is another bundle.
SiteFigures FiguresOf(const std::vector<const storage::ReportedStudy*>& studies, const Numbering& numbers,
                      const BundleAtHand* at_hand) {
  SiteFigures figures;
  DescribeBundle(*studies.back(), at_hand, figures.run);
  std::map<int, std::vector<const storage::ReportedStudy*>> patients;  // by number: the earliest comes first
  std::set<int> trained_on;
  for (const auto* study : studies) {
    if (study->withdrawn) {
      ++figures.withdrawn;
      continue;
    }
    ++figures.reported;
    const int patient = numbers.Patient(*study);
    if (at_hand && !study->identity.empty() &&
        at_hand->patient_hashes.count(networks::PatientHash(at_hand->salt, NameOf(study->identity).id))) {
      trained_on.insert(patient);
      ++figures.run.excluded_studies;
      continue;
    }
    patients[patient].push_back(study);
  }
  figures.run.excluded_training_patients = static_cast<int>(trained_on.size());
  figures.patients = static_cast<int>(patients.size());
  std::vector<int> days;
  for (const auto& [number, of_patient] : patients) {
    const auto& chosen = Chosen(of_patient);
    const json result = json::parse(chosen.result_json, nullptr, false);
    if (!result.is_object()) continue;
    const std::string decision = result.value("decision", "");
    figures.called_necrosis += decision == "necrosis";
    figures.called_recurrence += decision == "recurrence";
    if (!chosen.outcome.label.empty()) {
      const bool two_class = chosen.outcome.label == "recurrence" || chosen.outcome.label == "necrosis";
      (two_class ? figures.run.cases : figures.run.others).push_back(CaseOf(chosen, result, numbers));
    }
    if (!TruthIsKnown(chosen)) continue;
    ++figures.verified;
    figures.called_necrosis_verified += decision == "necrosis";
    figures.called_recurrence_verified += decision == "recurrence";
    if (const auto waited = DaysToOutcome(chosen)) days.push_back(*waited);
  }
  figures.days_to_outcome = Median(std::move(days));
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

BundleAtHand ReadBundleAtHand(const std::filesystem::path& bundle) {
  const networks::BundleFiles files = networks::ReadBundleFiles(bundle);
  const networks::BundleInfo& info = files.info;
  return {files.sha256,           info.weights_sha256,
          info.network.type,      networks::CalibratedShare(info.training_json),
          info.patient_hash_salt, {info.patient_hashes.begin(), info.patient_hashes.end()}};
}

std::vector<SiteFigures> SiteValidation(const std::vector<storage::ReportedStudy>& studies,
                                        const std::optional<BundleAtHand>& at_hand) {
  const Numbering numbers(studies);
  std::map<std::string, std::vector<const storage::ReportedStudy*>> by_bundle;
  for (const auto& study : studies) by_bundle[study.bundle_sha256].push_back(&study);
  std::vector<SiteFigures> all;
  std::map<std::string, WallMs> newest;
  for (const auto& [sha, of_bundle] : by_bundle) {
    all.push_back(FiguresOf(of_bundle, numbers, at_hand && at_hand->sha256 == sha ? &*at_hand : nullptr));
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
         {"withdrawn", f.withdrawn},
         {"patients", f.patients},
         {"verified", f.verified},
         {"share_verified", f.patients ? json(static_cast<double>(f.verified) / f.patients) : json(nullptr)},
         {"too_few", f.too_few},
         {"bias", f.bias},
         {"days_to_outcome", f.days_to_outcome ? json(*f.days_to_outcome) : json(nullptr)},
         {"training_patients_known", f.run.training_patients_known},
         {"excluded_training_patients", f.run.excluded_training_patients},
         {"excluded_training_studies", f.run.excluded_studies},
         {"weights_sha256", f.run.weights_sha256},
         {"network", f.run.network},
         {"calibrated_share", f.run.calibrated_share},
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
      run.domain = kDomain;
      run.cohort = kCohort;
      run.note = bundle.at("bias");
      run.training_patients_known = bundle.at("training_patients_known");
      run.excluded_training_patients = bundle.at("excluded_training_patients");
      run.excluded_studies = bundle.at("excluded_training_studies");
      run.weights_sha256 = bundle.at("weights_sha256");
      run.network = bundle.at("network");
      run.calibrated_share = bundle.at("calibrated_share");
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
