#include "config/error.h"
#include "inference/networks/bundle.h"
#include "inference/networks/evaluation.h"
#include "server/cohort.h"
#include "server/cohort_evaluation.h"
#include "server/commands/commands.h"
#include "server/commands/role_options.h"

#include <nlohmann/json.hpp>

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
  bool apparent = false, record = false;
};

json IntervalJson(const networks::Interval& interval) { return {interval.value, interval.low, interval.high}; }

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
  line("sensitivity", metrics.sensitivity);
  line("specificity", metrics.specificity);
  line("accuracy", metrics.accuracy);
  line("auc", metrics.auc);
  std::printf("  %-12s %.3f\n", "brier", metrics.brier);
  if (run.excluded_training_patients > 0)
    std::printf("  left out: %d patients that the network was trained on\n", run.excluded_training_patients);
  if (!run.others.empty())
    std::printf("  labelled mixed, neither or unknown, in no two-class figure: %zu\n", run.others.size());
}

int Evaluate(const EvaluateCommand& command) {
  const auto rows = OfSplit(ReadCohort(command.cohort), "test");
  EvaluationOptions options;
  options.cohort = command.cohort;
  options.cache = command.cache.empty() ? fs::path(command.out) / "cache" : fs::path(command.cache);
  options.device = command.device;
  options.threads = command.threads;
  options.rules = RulesOf(command.roles);
  options.apparent = command.apparent;
  std::vector<networks::EvaluationRun> runs;
  for (const std::string& bundle : command.bundles) {
    runs.push_back(EvaluateOnCohort(bundle, rows, options));
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
