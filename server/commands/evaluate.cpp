#include "config/clock.h"
#include "config/error.h"
#include "inference/networks/bundle.h"
#include "inference/networks/evaluation.h"
#include "server/cohort.h"
#include "server/cohort_evaluation.h"
#include "server/commands/commands.h"
#include "server/commands/node_client.h"
#include "server/commands/role_options.h"
#include "server/site_validation.h"
#include "server/study_result.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct EvaluateCommand {
  RoleOptions roles;
  std::string cohort, out, cache, device = "auto";
  std::vector<std::string> bundles;
  int threads = 0;
  bool apparent = false, record = false, from_node = false;
};

json IntervalJson(const networks::Interval& interval) { return {interval.value, interval.low, interval.high}; }

/// How the record calls the cohort: phantoms are fresh if what was drawn is known of every one, and the bundle was
/// trained on none.
std::string RecordedCohort(const networks::EvaluationRun& run) {
  const bool drawn = std::all_of(run.cases.begin(), run.cases.end(),
                                 [](const auto& one) { return std::isfinite(one.log_likelihood_ratio); });
  return run.domain == "phantom" && drawn && !run.apparent ? "fresh phantoms" : run.cohort;
}

/// Reports say "tested on n = ..." from the record: there must be something that was tested.
void CheckRecordable(const networks::EvaluationRun& run) {
  const networks::Metrics metrics = networks::Measure(run.cases);
  if (run.apparent || metrics.necrosis == 0 || metrics.recurrence == 0)
    throw Error(ErrorCode::kUsage, "evaluate: --record needs new cases of both classes with a probability; " +
                                       run.bundle_name + " has " + std::to_string(metrics.necrosis) + " necrosis and " +
                                       std::to_string(metrics.recurrence) +
                                       " recurrence on this cohort. Nothing was recorded; without --record the report "
                                       "is written");
}

/// Puts the figures into the bundle, where reports take "tested on n = ..." from.
void Record(const std::string& folder, const networks::EvaluationRun& run) {
  networks::BundleInfo info = networks::ReadBundle(folder);
  const networks::Metrics metrics = networks::Measure(run.cases);
  // For small cohorts the figures out of the folds are the main evidence: they stay.
  const json before = json::parse(info.evaluation_json, nullptr, false);
  const json folds = !before.is_object()                         ? json(nullptr)
                     : before.contains("out_of_fold")            ? before["out_of_fold"]
                     : before.value("kind", "") == "out-of-fold" ? before
                                                                 : json(nullptr);
  info.evaluation_json = json({{"cohort", RecordedCohort(run)},
                               {"necrosis", metrics.necrosis},
                               {"recurrence", metrics.recurrence},
                               {"necrosis_found", metrics.tp},
                               {"recurrence_found", metrics.tn},
                               {"threshold", 0.5},
                               {"sensitivity", IntervalJson(metrics.sensitivity)},
                               {"specificity", IntervalJson(metrics.specificity)},
                               {"accuracy", IntervalJson(metrics.accuracy)},
                               {"auc", IntervalJson(metrics.auc)},
                               {"brier", metrics.brier},
                               {"out_of_fold", folds}})
                             .dump();
  networks::WriteBundle(folder, info);
}

void Print(const networks::EvaluationRun& run) {
  const networks::Metrics metrics = networks::Measure(run.cases);
  std::printf("%s %s on %s%s: %d necrosis, %d recurrence (necrosis is the class that is looked for)\n",
              run.bundle_name.c_str(), run.bundle_version.c_str(), run.cohort.c_str(),
              run.apparent ? " (APPARENT: trained on these patients)" : "", metrics.necrosis, metrics.recurrence);
  const auto line = [](const char* name, const networks::Interval& interval) {
    std::printf("  %-12s %.3f  (95 %% %.3f to %.3f)\n", name, interval.value, interval.low, interval.high);
  };
  if (metrics.necrosis + metrics.recurrence == 0) {
    std::printf("  no study of the two classes got a probability: report.html and cases.csv say why\n");
  } else {
    line("sensitivity", metrics.sensitivity);
    line("specificity", metrics.specificity);
    line("accuracy", metrics.accuracy);
    line("auc", metrics.auc);
    std::printf("  %-12s %.3f\n", "brier", metrics.brier);
  }
  if (!run.training_patients_known)
    std::printf("  whether the network was trained on some of these patients was not checked\n");
  if (run.excluded_training_patients > 0)
    std::printf("  left out: %d patients that the network was trained on\n", run.excluded_training_patients);
  if (!run.others.empty())
    std::printf("  labelled mixed, neither or unknown, in no two-class figure: %zu\n", run.others.size());
}

std::string Today() { return LocalTimeText(Clock().Wall(), "%Y-%m-%d"); }

void WriteReport(std::vector<networks::EvaluationRun> runs, const std::string& folder) {
  for (auto& run : runs) run.made = Today();
  fs::create_directories(folder);
  networks::WriteEvaluation(runs, folder);
  for (const auto& run : runs) {
    Print(run);
    if (!run.note.empty()) std::cout << "  " << run.note << "\n";
  }
  std::cout << "written to " << folder << ": report.html, metrics.json, cases.csv\n";
}

/// The figures at this site, out of the running node: what it answered, beside what became known later.
int EvaluateNode(const EvaluateCommand& command) {
  const auto runs = RunsFromJson(Ask(command.roles.config, "GET", "/api/v1/site-validation"));
  if (std::all_of(runs.begin(), runs.end(), [](const auto& run) { return run.cases.empty(); })) {
    std::size_t others = 0;
    int excluded = 0;
    for (const auto& run : runs) others += run.others.size(), excluded += run.excluded_training_patients;
    if (others > 0 || excluded > 0)
      throw Error(ErrorCode::kNotFound,
                  "no outcome on record is recurrence or necrosis of a new patient (mixed, neither "
                  "or unknown: " +
                      std::to_string(others) + "; patients that the network was trained on: " +
                      std::to_string(excluded) + "): there is nothing to measure");
    throw Error(ErrorCode::kNotFound,
                "no outcome is on record for any study that this node reported: glionode outcome STUDY LABEL");
  }
  WriteReport(runs, command.out);
  return 0;
}

void CheckUsage(const EvaluateCommand& command) {
  if (command.from_node && command.roles.config.empty())
    throw Error(ErrorCode::kUsage, "evaluate: --from-node needs --config, the configuration of the running node");
  if (command.from_node && !(command.cohort.empty() && command.bundles.empty()))
    throw Error(ErrorCode::kUsage, "evaluate: --from-node takes the node's own studies: no cohort and no bundle");
  if (!command.from_node && (command.cohort.empty() || command.bundles.empty()))
    throw Error(ErrorCode::kUsage, "evaluate: a cohort and a bundle are needed, or --from-node with --config");
  if (command.from_node && (command.record || command.apparent || !command.cache.empty() || command.threads != 0 ||
                            command.device != "auto"))
    throw Error(
        ErrorCode::kUsage,
        "evaluate: --from-node takes what the node has answered: no --record, --apparent, --cache, --threads or "
        "--device");
  if (command.record && command.apparent)
    throw Error(ErrorCode::kUsage,
                "evaluate: --record with --apparent would have reports state figures of training patients: one of the "
                "two");
}

/// The figures go into the bundles when all are known to be worth it. That changes the bundles' hashes: the report,
/// which is written afterwards, names the new ones.
void RecordAll(const std::vector<std::string>& bundles, std::vector<networks::EvaluationRun>& runs) {
  for (const auto& run : runs) CheckRecordable(run);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Record(bundles[i], runs[i]);
    runs[i].bundle_sha256 = networks::ReadBundleFiles(bundles[i]).sha256;
  }
}

int Evaluate(const EvaluateCommand& command) {
  CheckUsage(command);
  if (command.from_node) return EvaluateNode(command);
  const auto rows = OfSplit(ReadCohort(command.cohort), "test");
  EvaluationOptions options;
  options.cohort = command.cohort;
  options.cache = command.cache.empty() ? fs::path(command.out) / "cache" : fs::path(command.cache);
  options.device = command.device;
  options.threads = command.threads;
  options.rules = RulesOf(command.roles);
  options.apparent = command.apparent;
  std::vector<networks::EvaluationRun> runs;
  runs.reserve(command.bundles.size());
  for (const std::string& bundle : command.bundles) runs.push_back(EvaluateOnCohort(bundle, rows, options));
  if (command.record) RecordAll(command.bundles, runs);
  try {
    WriteReport(runs, command.out);
  } catch (const std::exception& error) {
    if (!command.record) throw;
    const auto* ours = dynamic_cast<const Error*>(&error);
    throw Error(ours ? ours->Code() : ErrorCode::kInternal,
                "the figures are in bundle.json, but the report was not written: " + std::string(error.what()));
  }
  return 0;
}

}  // namespace

void AddEvaluate(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "evaluate", "Measure bundles on a cohort: glionode evaluate cohort.csv my-bundle --out report");
  command->footer("Example: glionode evaluate cohort/cohort.csv my-bundle --out evaluation");
  auto options = std::make_shared<EvaluateCommand>();
  command->add_option("cohort", options->cohort, "cohort.csv; rows with split = test (all, without that column)");
  command->add_option("bundles", options->bundles, "one bundle or several, side by side");
  command->add_flag(
      "--from-node", options->from_node,
      "instead of a cohort: studies that the running node of --config reported and whose outcome is known");
  command->add_option("--out", options->out, "folder for report.html, metrics.json and cases.csv")->required();
  command->add_option("--cache", options->cache, "folder of preprocessed studies (default: OUT/cache)");
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:N");
  AddRoleOptions(*command, options->roles);
  command->add_option("--threads", options->threads, "0: all cores");
  command->add_flag("--apparent", options->apparent,
                    "keep patients that the bundle was trained on; every page is stamped");
  command->add_flag("--record", options->record,
                    "write the figures into bundle.json, for the reports; needs new cases of both classes");
  command->callback([options, &exit_code] { exit_code = Guarded([&] { return Evaluate(*options); }); });
}

}  // namespace glionode::server
