#include "inference/volumes/phantom_shift.h"
#include "server/commands/commands.h"
#include "server/phantom_cohort.h"
#include "server/progress_bar.h"

#include <algorithm>
#include <iostream>

namespace glionode::server {
namespace {

struct PhantomCommand {
  std::string folder;
  std::string seed = "0";  ///< as text: CLI11 takes -1 for 2^64-1
  PhantomCohort cohort;
};

int MakePhantoms(PhantomCommand command) {
  command.cohort.seed = ParseSeed(command.seed);
  CheckOptions(command.cohort.options);
  const std::vector<int> labels = DrawLabels(command.cohort);
  if (const std::string sentence = EmptyClass(labels); !sentence.empty())
    std::cerr << "glionode: warning: " << sentence << "\n";
  ProgressBar progress("phantoms");
  WritePhantomCohort(command.cohort, labels, command.folder, 0,
                     [&](int done) { progress.Show(done, command.cohort.studies); });
  std::cout << labels.size() << " studies in " << command.folder << ", " << std::count(labels.begin(), labels.end(), 1)
            << " of them necrosis\n";
  return 0;
}

}  // namespace

void AddPhantom(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "phantom", "Make synthetic studies with a known truth: glionode phantom DIR --studies 20 --seed 1");
  command->footer("Example: glionode phantom cohort --studies 20 --seed 1");
  auto options = std::make_shared<PhantomCommand>();
  PhantomCohort& cohort = options->cohort;
  command->add_option("folder", options->folder, "where cohort.csv, truth.csv and the studies go")->required();
  command->add_option("--studies", cohort.studies, "how many")->check(CLI::Range(1, 1000000));
  command->add_option("--seed", options->seed, "the same seed gives the same studies")->type_name("UINT");
  command->add_option("--prevalence", cohort.options.prevalence, "share of necrosis")->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--separation", cohort.options.separation,
                   "distance of the classes; 1.812 lets a perfect reader reach an AUC of 0.90")
      ->check(CLI::Range(0.0, 20.0));
  command
      ->add_option("--shift", cohort.options.shift,
                   "make studies that no model here was made for, to see whether it says so")
      ->check(CLI::IsMember(volumes::PhantomShifts()));
  command->add_flag("--distractors", cohort.options.distractors,
                    "also a localizer, a FLAIR and a diffusion series in every study");
  command->add_option("--hold-out", cohort.hold_out,
                      "R/N: so many recurrences and necroses get split = test, the others train (234 studies at a "
                      "prevalence of 0.18, the paper's shape: 49/9)");
  command->callback([options, &exit_code] { exit_code = Guarded([&] { return MakePhantoms(*options); }); });
}

}  // namespace glionode::server
