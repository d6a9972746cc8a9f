#include "server/cohort_training.h"

#include "config/error.h"
#include "inference/networks/starting_weights.h"
#include "server/bundle_mapping.h"
#include "server/cohort.h"
#include "server/progress_bar.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <set>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

constexpr double kHeadMm = 192;     // holds a head (design section 7)
constexpr double kLesionMm = 128;   // holds a lesion with its oedema
constexpr double kUseless = 0.011;  // a calibration slope at its lower end: the network tells the classes not apart

/// OUT without a slash at its end: OUT.training and OUT.cache lie beside it, never in it.
fs::path WithoutSlash(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

fs::path Beside(const fs::path& out, const char* suffix) { return out.string() + suffix; }
fs::path CheckpointOf(const fs::path& out) { return out / "training-checkpoint.pt"; }

/// Nothing that took hours is written over.
void CheckPlace(const fs::path& out, bool resume) {
  if (fs::exists(out / "bundle.json"))
    throw Error(ErrorCode::kUsage, (out / "bundle.json").string() +
                                       ": a finished bundle is there, and is not trained over; choose another --out");
  if (fs::exists(CheckpointOf(out)) && !resume)
    throw Error(ErrorCode::kUsage, CheckpointOf(out).string() +
                                       ": a training that was broken off is there; --resume goes on with it, and "
                                       "without that file a new one begins");
}

void CheckSequences(const networks::BundleInfo& info) {
  const auto& sequences = info.network.sequences;
  if (std::set<Role>(sequences.begin(), sequences.end()).size() != sequences.size())
    throw Error(ErrorCode::kUsage, "--sequences: one of them is named twice");
  for (const Role role : {Role::kT1, Role::kT1ce})
    if (info.centre == "lesion" && std::find(sequences.begin(), sequences.end(), role) == sequences.end())
      throw Error(ErrorCode::kUsage,
                  "--centre lesion: needs the sequences t1 and t1ce, since it is found by what enhances");
}

void PrintList(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::cout << "  " << title << " (" << names.size() << "):";
  for (const std::string& name : names) std::cout << "\n    " << name;
  std::cout << "\n";
}

/// What becomes of the starting weights, before anything that takes long. Weights of a bundle of ours bring the hashes
/// of the patients that taught them: these are no fresh cases for the new bundle either.
void TakeStartingWeights(CohortTraining& work, const std::vector<CohortRow>& rows) {
  if (work.options.init.empty()) return;
  const auto report = networks::DescribeStartingWeights(work.info.network, work.options.init, work.options.init_layout);
  std::cout << "starting weights " << work.options.init.string() << "\n";
  PrintList("loaded", report.loaded);
  PrintList("not loaded", report.not_loaded);
  PrintList("start at random", report.fresh);
  const fs::path folder = work.options.init.parent_path();
  if (!fs::exists(folder / "bundle.json")) return;
  const networks::BundleInfo before = networks::ReadBundle(folder);
  if (before.network.sequences.size() > 1 && before.network.sequences != work.info.network.sequences)
    throw Error(ErrorCode::kUsage, work.options.init.string() + ": learned with the sequences " +
                                       networks::SequenceWords(before.network.sequences) + ", not " +
                                       networks::SequenceWords(work.info.network.sequences));
  work.info.patient_hash_salt = before.patient_hash_salt;
  work.info.patient_hashes = before.patient_hashes;
  const std::set<std::string> taught(before.patient_hashes.begin(), before.patient_hashes.end());
  std::set<std::string> again;
  for (const CohortRow& row : rows)
    if (taught.count(networks::PatientHash(before.patient_hash_salt, row.patient))) again.insert(row.patient);
  if (again.empty()) return;
  const std::string note = std::to_string(again.size()) +
                           " of these patients taught the starting weights already: figures on held-out cases, "
                           "calibration and limits are flattered.";
  std::cout << "  " << note << "\n";
  work.options.record_note += note + " ";
}

std::vector<CohortRow> RowsToTrainOn(CohortTraining& work) {
  auto rows = OfSplit(ReadCohort(work.cohort), "train");
  int other = 0;
  for (const CohortRow& row : rows) {
    if (row.Usable()) continue;
    ++other;
    std::cout << "row " << row.row << " (" << row.study << ") is left out: label " << row.label << "\n";
  }
  std::erase_if(rows, [](const CohortRow& row) { return !row.Usable(); });
  if (other > 0)
    work.options.record_note += "Left out: " + std::to_string(other) + " studies labelled mixed, neither or unknown. ";
  return rows;
}

networks::TensorCase CaseOf(const CohortRow& row, const fs::path& tensor = {}) {
  return {tensor, row.study, row.patient, row.label, row.attributes};
}

std::vector<PreparedCase> PrepareUsable(CohortTraining& work, const std::vector<CohortRow>& rows) {
  auto prepared = PrepareCases(rows, work.info.network.sequences, PreprocessingOf(work.info), work.cache, work.rules,
                               work.options.threads);
  int unfit = 0;
  for (const PreparedCase& one : prepared) {
    if (one.reasons.empty()) continue;
    ++unfit;
    std::cout << "row " << one.row.row << " (" << one.row.study << ") is left out: " << ToText(one.reasons.front().code)
              << ": " << one.reasons.front().text << "\n";
  }
  std::erase_if(prepared, [](const PreparedCase& one) { return !one.reasons.empty(); });
  if (unfit > 0) work.options.record_note += "Left out: " + std::to_string(unfit) + " studies that are not evaluable. ";
  return prepared;
}

/// Phantoms among patients would switch off the guard that keeps a phantom's network away from patients.
bool AllPhantoms(const std::vector<PreparedCase>& cases) {
  const auto phantoms = std::count_if(cases.begin(), cases.end(), [](const PreparedCase& one) { return one.phantom; });
  if (phantoms != 0 && phantoms != static_cast<std::ptrdiff_t>(cases.size())) {
    std::string rows;
    int named = 0;
    for (const PreparedCase& one : cases)
      if (one.phantom && named++ < 10) rows += (rows.empty() ? "" : ", ") + std::to_string(one.row.row);
    throw Error(ErrorCode::kUsage, "the cohort mixes patients with " + std::to_string(phantoms) + " phantoms (rows " +
                                       rows + (named > 10 ? ", ..." : "") + "): a bundle is for one or the other");
  }
  return phantoms != 0;
}

void Describe(networks::BundleInfo& info, bool phantom, const fs::path& out) {
  info.name = out.filename().string();
  info.version = "1.0.0";
  info.domain = phantom ? "phantom" : "patient";
  info.license = phantom ? "Apache-2.0" : "as the site decides";
  info.intended_use =
      phantom ? "demonstration on synthetic phantoms only" : "research on the site's own cohort; not for clinical use";
}

std::string NoteOf(const networks::TrainingProgress& at) {
  if (at.steps == 0) return at.phase;
  char text[64];
  std::snprintf(text, sizeof text, ", epoch %d of %d, loss %.4f", at.epoch, at.epochs, at.loss);
  std::string note = at.phase + text;
  std::snprintf(text, sizeof text, ", AUC %.3f", at.auc);
  return std::isfinite(at.auc) ? note + text : note;
}

/// What whoever waited for it needs to know at once.
void PrintOutcome(const networks::BundleInfo& made, std::size_t cases, const CohortTraining& work) {
  std::cout << "\n"
            << made.name << " trained on " << cases << " studies: " << (work.out / "bundle.json").string()
            << ", weights.safetensors\n";
  const auto figures = nlohmann::json::parse(made.evaluation_json);
  if (const auto& auc = figures.at("auc"); !auc.is_null())
    std::printf("on %d cases that the judging network did not learn from: AUC %.3f (95 %% %.3f to %.3f)\n",
                figures.at("necrosis").get<int>() + figures.at("recurrence").get<int>(), auc.at("value").get<double>(),
                auc.at("low").get<double>(), auc.at("high").get<double>());
  std::printf("indeterminate between %.2f and %.2f\n", made.abstain[0], made.abstain[1]);
  std::fflush(stdout);
  if (made.calibration_slope < kUseless)
    std::cout << "WARNING: on these cases the network does not tell the classes apart; it is of no use\n";
  else if (made.abstain[0] <= 0 && made.abstain[1] >= 1)
    std::cout << "WARNING: no probability on these cases earned a call: every study will be indeterminate\n";
  if (nlohmann::json::parse(made.domain_statistics_json).empty())
    std::cout << "no out-of-domain limit: it needs 60 cases to learn from and 60 held out (--folds 5 holds out each "
                 "once); studies unlike these will be answered\n";
  std::cout << "curves and the report on held-out predictions: " << Beside(work.out, ".training").string() << "\n";
}

}  // namespace

networks::BundleInfo TrainOnCohort(CohortTraining work, const std::function<bool()>& interrupted) {
  work.out = WithoutSlash(work.out);
  if (work.cache.empty()) work.cache = Beside(work.out, ".cache");
  CheckPlace(work.out, work.options.resume);
  CheckSequences(work.info);
  if (work.field_of_view <= 0) work.field_of_view = work.info.centre == "lesion" ? kLesionMm : kHeadMm;
  work.info.spacing_mm = work.field_of_view / work.info.shape;
  work.info.preprocessing_version = volumes::kPreprocessingVersion;
  const auto rows = RowsToTrainOn(work);
  if (!rows.empty()) work.info.input_state = rows.front().input_state;
  std::vector<networks::TensorCase> cases;
  for (const CohortRow& row : rows) cases.push_back(CaseOf(row));
  networks::CheckTraining(cases, work.info, work.options);
  TakeStartingWeights(work, rows);

  const auto prepared = PrepareUsable(work, rows);
  Describe(work.info, AllPhantoms(prepared), work.out);
  cases.clear();
  for (const PreparedCase& one : prepared) cases.push_back(CaseOf(one.row, one.tensor_file));
  work.options.cohort = work.cohort.filename();
  work.options.record = Beside(work.out, ".training");
  ProgressBar progress("training");
  const auto made =
      networks::Train(cases, work.info, work.options, work.out, [&](const networks::TrainingProgress& at) {
        if (interrupted())
          throw Error(ErrorCode::kBusy,
                      fs::exists(CheckpointOf(work.out))
                          ? "interrupted; " + CheckpointOf(work.out).string() +
                                " holds the last whole epoch: the same command with --resume goes on from there"
                          : "interrupted in the first epoch: nothing was kept");
        progress.Show(at.done, at.total, NoteOf(at));
      });
  PrintOutcome(made, cases.size(), work);
  return made;
}

}  // namespace glionode::server
