#include "server/cohort_evaluation.h"

#include "config/error.h"
#include "config/sha256.h"
#include "inference/networks/classifier.h"
#include "inference/networks/file_io.h"
#include "inference/networks/map_check.h"
#include "inference/networks/tensor_file.h"
#include "server/bundle_mapping.h"
#include "server/cohort_truth.h"
#include "server/progress_bar.h"
#include "server/version.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>

namespace glionode::server {
namespace {

constexpr std::uint64_t kMaxCohort = 256u << 20;
constexpr int kMapCheckCases = 4;  ///< of each class

std::int64_t Values(const networks::BundleInfo& info) {
  return static_cast<std::int64_t>(info.network.sequences.size()) * info.shape * info.shape * info.shape;
}

struct MapShares {
  std::vector<MapShare> shares;
  int empty = 0;  ///< maps without anything in them
};

networks::EvaluatedCase Judge(const PreparedCase& prepared, networks::Classifier& classifier,
                              const std::map<std::string, PhantomTruth>& truth, MapShares& maps) {
  const networks::BundleInfo& info = classifier.Info();
  networks::EvaluatedCase judged;
  judged.study = prepared.row.study;
  judged.patient = prepared.row.patient;
  judged.label = prepared.row.label;
  judged.attributes = prepared.row.attributes;
  const auto known = truth.find(prepared.row.study);
  if (known != truth.end()) judged.log_likelihood_ratio = known->second.log_likelihood_ratio;
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
  if (known != truth.end()) {
    const LesionPlace& lesion = known->second.lesion;
    judged.measured =
        LesionFeatures(tensor, info.network.sequences, info.shape, info.spacing_mm, prepared.grid_origin, lesion);
    if (const auto share = ShareInLesion(answer.map, answer.map_size, tensor, info.shape, info.spacing_mm,
                                         prepared.grid_origin, lesion))
      maps.shares.push_back(*share);
    else if (lesion.radius > 0)
      ++maps.empty;
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

/// What cannot be evaluated whatever the bundle is.
void CheckRows(const std::vector<CohortRow>& rows, const std::filesystem::path& cohort) {
  if (rows.empty())
    throw Error(ErrorCode::kUsage, cohort.string() + ": no row has split = test: there is nothing to evaluate");
  if (std::none_of(rows.begin(), rows.end(), [](const CohortRow& row) { return row.Usable(); }))
    throw Error(ErrorCode::kUsage, cohort.string() + ": none of the " + std::to_string(rows.size()) +
                                       " rows to be evaluated is labelled recurrence or necrosis; mixed, neither and "
                                       "unknown are in no figure");
}

/// Takes out what the bundle has learned from, unless asked to keep it.
void LeaveOutTraining(const networks::BundleInfo& info, const std::string& bundle, bool apparent,
                      std::vector<CohortRow>& rows, networks::EvaluationRun& run) {
  const std::set<std::string> trained(info.patient_hashes.begin(), info.patient_hashes.end());
  run.training_patients_known = !trained.empty();
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
  CheckRows(rows, options.cohort);
  networks::Classifier classifier(bundle, options.device, options.threads);
  classifier.SelfTest();
  const networks::BundleInfo& info = classifier.Info();
  networks::EvaluationRun run;
  run.bundle_name = info.name;
  run.bundle_version = info.version;
  run.bundle_sha256 = classifier.BundleHash();
  run.weights_sha256 = info.weights_sha256;
  run.network = info.network.type;
  run.domain = info.domain;
  run.cohort = options.cohort.filename().string();
  run.cohort_sha256 = Sha256Hex(networks::ReadWholeFile(options.cohort, kMaxCohort));
  run.settings = SettingsText(info);
  run.calibrated_share = networks::CalibratedShare(info.training_json);
  run.bundle_evaluation_json = info.evaluation_json;
  run.software = VersionWithCommit();
  LeaveOutTraining(info, bundle, options.apparent, rows, run);
  const auto truth = ReadTruth(options.cohort);
  if (!truth.empty()) run.separation = truth.begin()->second.separation;
  const auto prepared =
      PrepareCases(rows, info.network.sequences, PreprocessingOf(info), options.cache, options.rules, options.threads);
  ProgressBar progress("network " + info.name);
  std::vector<std::filesystem::path> for_map_check;
  MapShares maps;
  std::map<std::string, int> taken;
  int done = 0;
  for (const PreparedCase& one : prepared) {
    networks::EvaluatedCase judged = Judge(one, classifier, truth, maps);
    if (one.row.Usable() && judged.probability_of_necrosis >= 0 && taken[judged.label]++ < kMapCheckCases)
      for_map_check.push_back(one.tensor_file);
    (one.row.Usable() ? run.cases : run.others).push_back(std::move(judged));
    progress.Show(++done, static_cast<int>(prepared.size()));
  }
  run.map_check = networks::CheckMap(bundle, for_map_check, options.threads);
  const auto lesions = static_cast<double>(maps.shares.size());
  run.map_check.lesions = static_cast<int>(maps.shares.size());
  run.map_check.empty_maps = maps.empty;
  for (const MapShare& share : maps.shares) {
    run.map_check.share_in_lesion += share.share / lesions;
    run.map_check.share_by_chance += share.by_chance / lesions;
  }
  return run;
}

}  // namespace glionode::server
