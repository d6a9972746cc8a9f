#include "config/error.h"
#include "inference/networks/classifier.h"
#include "inference/networks/evaluation.h"
#include "inference/networks/tensor_file.h"
#include "server/bundle_mapping.h"
#include "server/cohort.h"
#include "server/commands/commands.h"
#include "server/commands/role_options.h"
#include "server/progress_bar.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct EvaluateCommand {
  RoleOptions roles;
  std::string cohort, out, cache, device = "auto";
  std::vector<std::string> bundles;
  int threads = 0;
  bool apparent = false, record = false;
};

std::int64_t Values(const networks::BundleInfo& info) {
  return static_cast<std::int64_t>(info.network.sequences.size()) * info.shape * info.shape * info.shape;
}

networks::EvaluatedCase Judge(const PreparedCase& prepared, networks::Classifier& classifier) {
  const networks::BundleInfo& info = classifier.Info();
  networks::EvaluatedCase judged;
  judged.study = prepared.row.study;
  judged.patient = prepared.row.patient;
  judged.label = prepared.row.label;
  std::vector<Reason> reasons = prepared.reasons;
  if (reasons.empty() && info.domain == "phantom" && !prepared.phantom)
    reasons.push_back({ReasonCode::kPhantomModel, ""});
  for (const Reason& reason : reasons)
    judged.reasons += (judged.reasons.empty() ? "" : " ") + std::string(ToText(reason.code));
  if (!reasons.empty()) return judged;
  judged.probability_of_necrosis =
      classifier.Classify(networks::ReadTensorFile(prepared.tensor_file, Values(info))).probability_of_necrosis;
  judged.decision = Decide(judged.probability_of_necrosis, info.abstain);
  return judged;
}

networks::EvaluationRun Run(const EvaluateCommand& command, const std::string& bundle, std::vector<CohortRow> rows) {
  networks::Classifier classifier(bundle, command.device, command.threads);
  classifier.SelfTest();
  const networks::BundleInfo& info = classifier.Info();
  networks::EvaluationRun run{info.name,
                              info.version,
                              networks::BundleSha256(bundle),
                              info.domain,
                              fs::path(command.cohort).filename().string(),
                              false,
                              0,
                              {}};
  const std::set<std::string> trained(info.patient_hashes.begin(), info.patient_hashes.end());
  std::set<std::string> known;
  for (const CohortRow& row : rows)
    if (trained.count(networks::PatientHash(info.patient_hash_salt, row.patient))) known.insert(row.patient);
  run.excluded_training_patients = static_cast<int>(known.size());
  if (command.apparent) {
    run.apparent = !known.empty();
  } else {
    std::erase_if(rows, [&](const CohortRow& row) { return known.count(row.patient) > 0; });
    if (rows.empty())
      throw Error(ErrorCode::kUsage, bundle +
                                         ": every patient of this cohort was used to train it; --apparent shows the "
                                         "figures all the same, stamped as apparent");
  }
  const fs::path cache = command.cache.empty() ? fs::path(command.out) / "cache" : fs::path(command.cache);
  const auto prepared =
      PrepareCases(rows, info.network.sequences, PreprocessingOf(info), cache, RulesOf(command.roles));
  ProgressBar progress("network " + info.name);
  for (const PreparedCase& one : prepared) {
    run.cases.push_back(Judge(one, classifier));
    progress.Show(static_cast<int>(run.cases.size()), static_cast<int>(prepared.size()));
  }
  return run;
}

json IntervalJson(const networks::Interval& interval) { return {interval.value, interval.low, interval.high}; }

/// Puts the figures into the bundle, where reports take "tested on n = ..." from.
void Record(const std::string& folder, const networks::EvaluationRun& run) {
  networks::BundleInfo info = networks::ReadBundle(folder);
  const networks::Metrics metrics = networks::Measure(run.cases);
  info.evaluation_json = json({{"cohort", run.domain == "phantom" ? "fresh phantoms" : run.cohort},
                               {"necrosis", metrics.necrosis},
                               {"recurrence", metrics.recurrence},
                               {"necrosis_found", metrics.tp},
                               {"recurrence_found", metrics.tn},
                               {"threshold", 0.5},
                               {"sensitivity", IntervalJson(metrics.sensitivity)},
                               {"specificity", IntervalJson(metrics.specificity)},
                               {"accuracy", IntervalJson(metrics.accuracy)},
                               {"auc", IntervalJson(metrics.auc)},
                               {"brier", metrics.brier}})
                             .dump();
  networks::WriteBundle(folder, info);
}

void Print(const networks::EvaluationRun& run) {
  const networks::Metrics metrics = networks::Measure(run.cases);
  std::printf("%s %s on %s%s: %d necrosis, %d recurrence (necrosis is the class called positive)\n",
              run.bundle_name.c_str(), run.bundle_version.c_str(), run.cohort.c_str(),
              run.apparent ? " (APPARENT: trained on these patients)" : "", metrics.necrosis, metrics.recurrence);
  const auto line = [](const char* name, const networks::Interval& interval) {
    std::printf("  %-12s %.3f  (95 %% %.3f to %.3f)\n", name, interval.value, interval.low, interval.high);
  };
  line("sensitivity", metrics.sensitivity);
  line("specificity", metrics.specificity);
  line("accuracy", metrics.accuracy);
  line("auc", metrics.auc);
  std::printf("  %-12s %.3f\n", "brier", metrics.brier);
}

int Evaluate(const EvaluateCommand& command) {
  auto rows = OfSplit(ReadCohort(command.cohort), "test");
  const auto unusable = std::erase_if(rows, [](const CohortRow& row) { return !row.Usable(); });
  if (unusable > 0)
    std::cout << unusable << " rows are labelled mixed, neither or unknown: kept out of the two-class figures\n";
  std::vector<networks::EvaluationRun> runs;
  for (const std::string& bundle : command.bundles) {
    runs.push_back(Run(command, bundle, rows));
    if (command.record) Record(bundle, runs.back());
  }
  fs::create_directories(command.out);
  networks::WriteEvaluation(runs, command.out);
  for (const auto& run : runs) Print(run);
  std::cout << "written to " << command.out << ": report.html, metrics.json, cases.csv\n";
  return 0;
}

}  // namespace

void AddEvaluate(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "evaluate", "Measure bundles on a cohort: glionode evaluate cohort.csv my-bundle --out report");
  auto options = std::make_shared<EvaluateCommand>();
  command->add_option("cohort", options->cohort, "cohort.csv; rows with split = test (all, without that column)")
      ->required();
  command->add_option("bundles", options->bundles, "one bundle or several, side by side")->required();
  command->add_option("--out", options->out, "folder for report.html, metrics.json and cases.csv")->required();
  command->add_option("--cache", options->cache, "folder of preprocessed studies (default: OUT/cache)");
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:N");
  AddRoleOptions(*command, options->roles);
  command->add_option("--threads", options->threads, "0: all cores");
  command->add_flag("--apparent", options->apparent,
                    "keep patients that the bundle was trained on; every page is stamped");
  command->add_flag("--record", options->record, "write the figures into bundle.json, for the reports");
  command->callback([options, &exit_code] { exit_code = Guarded([&] { return Evaluate(*options); }); });
}

}  // namespace glionode::server
