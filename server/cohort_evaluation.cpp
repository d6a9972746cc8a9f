#include "server/cohort_evaluation.h"

#include "config/error.h"
#include "inference/networks/classifier.h"
#include "inference/networks/map_check.h"
#include "inference/networks/tensor_file.h"
#include "server/bundle_mapping.h"
#include "server/cohort_truth.h"
#include "server/progress_bar.h"
#include "server/version.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace glionode::server {
namespace {

constexpr std::size_t kMapCheckCases = 8;

std::int64_t Values(const networks::BundleInfo& info) {
  return static_cast<std::int64_t>(info.network.sequences.size()) * info.shape * info.shape * info.shape;
}

networks::EvaluatedCase Judge(const PreparedCase& prepared, networks::Classifier& classifier,
                              const std::map<std::string, PhantomTruth>& truth, std::vector<MapShare>& shares) {
  const networks::BundleInfo& info = classifier.Info();
  networks::EvaluatedCase judged;
  judged.study = prepared.row.study;
  judged.patient = prepared.row.patient;
  judged.label = prepared.row.label;
  judged.attributes = prepared.row.attributes;
  std::vector<Reason> reasons = prepared.reasons;
  if (reasons.empty() && info.domain == "phantom" && !prepared.phantom)
    reasons.push_back({ReasonCode::kPhantomModel, ""});
  for (const Reason& reason : reasons)
    judged.reasons += (judged.reasons.empty() ? "" : " ") + std::string(ToText(reason.code));
  if (!reasons.empty()) return judged;
  const auto tensor = networks::ReadTensorFile(prepared.tensor_file, Values(info));
  const networks::Answer answer = classifier.Classify(tensor);
  if (CheckDomain(answer)) {
    judged.reasons = std::string(ToText(ReasonCode::kOutOfDomain));
    return judged;
  }
  judged.probability_of_necrosis = answer.probability_of_necrosis;
  judged.decision = Decide(judged.probability_of_necrosis, info.abstain);
  if (const auto known = truth.find(prepared.row.study); known != truth.end()) {
    judged.log_likelihood_ratio = known->second.log_likelihood_ratio;
    judged.measured = LesionFeatures(tensor, info.network.sequences, info.shape, info.spacing_mm, prepared.grid_origin,
                                     known->second.lesion);
    if (const auto share = ShareInLesion(answer.map, answer.map_size, tensor, info.shape, info.spacing_mm,
                                         prepared.grid_origin, known->second.lesion))
      shares.push_back(*share);
  }
  return judged;
}

std::string SettingsText(const networks::BundleInfo& info) {
  std::string sequences;
  for (const Role role : info.network.sequences)
    sequences += (sequences.empty() ? "" : ", ") + std::string(ToText(role));
  char text[400];
  std::snprintf(
      text, sizeof text,
      "Network: %s, width %g, layout %s, on %s. Input: %d voxels a side of %g mm, middle %s, images %s. Calibration: "
      "slope %.3f, intercept %.3f. Left open between %g and %g.",
      info.network.type.c_str(), info.network.width, info.network.layout.c_str(), sequences.c_str(), info.shape,
      info.spacing_mm, info.centre.c_str(), info.input_state.c_str(), info.calibration_slope,
      info.calibration_intercept, info.abstain[0], info.abstain[1]);
  return text;
}

/// Takes out what the bundle has learned from, unless asked to keep it.
void LeaveOutTraining(const networks::BundleInfo& info, const std::string& bundle, bool apparent,
                      std::vector<CohortRow>& rows, networks::EvaluationRun& run) {
  const std::set<std::string> trained(info.patient_hashes.begin(), info.patient_hashes.end());
  std::set<std::string> known;
  for (const CohortRow& row : rows)
    if (trained.count(networks::PatientHash(info.patient_hash_salt, row.patient))) known.insert(row.patient);
  if (apparent) {
    run.apparent = !known.empty();
    return;
  }
  run.excluded_training_patients = static_cast<int>(known.size());
  run.excluded_studies =
      static_cast<int>(std::erase_if(rows, [&](const CohortRow& row) { return known.count(row.patient) > 0; }));
  if (std::none_of(rows.begin(), rows.end(), [](const CohortRow& row) { return row.Usable(); }))
    throw Error(ErrorCode::kUsage, bundle +
                                       ": every patient of this cohort with a recurrence or a necrosis was used to "
                                       "train it; --apparent shows the figures all the same, stamped as apparent");
}

}  // namespace

networks::EvaluationRun EvaluateOnCohort(const std::string& bundle, std::vector<CohortRow> rows,
                                         const EvaluationOptions& options) {
  networks::Classifier classifier(bundle, options.device, options.threads);
  classifier.SelfTest();
  const networks::BundleInfo& info = classifier.Info();
  networks::EvaluationRun run;
  run.bundle_name = info.name;
  run.bundle_version = info.version;
  run.bundle_sha256 = networks::BundleSha256(bundle);
  run.domain = info.domain;
  run.cohort = options.cohort.filename().string();
  run.settings = SettingsText(info);
  run.bundle_evaluation_json = info.evaluation_json;
  run.software = "glionode " + VersionWithCommit();
  LeaveOutTraining(info, bundle, options.apparent, rows, run);
  const auto truth = ReadTruth(options.cohort);
  if (!truth.empty()) run.separation = truth.begin()->second.separation;
  const auto prepared = PrepareCases(rows, info.network.sequences, PreprocessingOf(info), options.cache, options.rules);
  ProgressBar progress("network " + info.name);
  std::vector<std::filesystem::path> for_map_check;
  std::vector<MapShare> shares;
  int done = 0;
  for (const PreparedCase& one : prepared) {
    networks::EvaluatedCase judged = Judge(one, classifier, truth, shares);
    if (judged.probability_of_necrosis >= 0 && for_map_check.size() < kMapCheckCases)
      for_map_check.push_back(one.tensor_file);
    (one.row.Usable() ? run.cases : run.others).push_back(std::move(judged));
    progress.Show(++done, static_cast<int>(prepared.size()));
  }
  run.map_check = networks::CheckMap(bundle, for_map_check, options.threads);
  run.map_check.lesions = static_cast<int>(shares.size());
  for (const MapShare& share : shares) {
    run.map_check.share_in_lesion += share.share / static_cast<double>(shares.size());
    run.map_check.share_by_chance += share.by_chance / static_cast<double>(shares.size());
  }
  return run;
}

}  // namespace glionode::server
