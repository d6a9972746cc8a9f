#include "server/cohort_training.h"
#include "server/commands/commands.h"
#include "server/commands/role_options.h"

#include <atomic>
#include <csignal>
#include <cstdio>

namespace glionode::server {
namespace {

struct TrainCommand {
  RoleOptions roles;
  std::vector<std::string> sequences;
  CohortTraining work;
};

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "it is set in a signal handler");

/// From here on Ctrl-C ends the training after the step that runs; a second one ends the program at once.
bool ListenForInterrupts() {
  const auto stop = [](int signal) {
    interrupted = true;
    std::signal(signal, SIG_DFL);
  };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  return true;
}

int TrainBundle(TrainCommand command) {
  command.work.rules = RulesOf(command.roles);
  TrainOnCohort(std::move(command.work), [] {
    // Only from the first step on: before, there is nothing to keep, and Ctrl-C ends the program at once.
    [[maybe_unused]] static const bool listening = ListenForInterrupts();
    return interrupted.load();
  });
  return 0;
}

std::string Option(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string OptionsBesideDefaults(const TrainCommand& command) {
  const networks::TrainingOptions& now = command.work.options;
  const networks::TrainingOptions plain;
  std::string text;
  if (!command.sequences.empty())
    text += " --sequences " + networks::SequenceWords(command.work.info.network.sequences);
  if (command.work.field_of_view > 0) text += Option(" --field-of-view %g", command.work.field_of_view);
  if (now.repeats != plain.repeats) text += " --repeats " + std::to_string(now.repeats);
  if (now.learning_rate != plain.learning_rate) text += Option(" --learning-rate %g", now.learning_rate);
  if (now.loss != plain.loss) text += " --loss " + now.loss;
  if (now.focal_gamma != plain.focal_gamma) text += Option(" --focal-gamma %g", now.focal_gamma);
  if (now.balance != plain.balance) text += " --balance " + now.balance;
  if (now.augmentation != plain.augmentation) text += " --augmentation " + now.augmentation;
  if (now.precision != plain.precision) text += " --precision " + now.precision;
  if (!now.init.empty()) text += " --init " + now.init.filename().string();
  if (!now.init_layout.empty()) text += " --init-layout " + now.init_layout;
  return text;
}

}  // namespace

void AddTrain(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "train", "Train a network on a cohort: glionode train cohort.csv --network resnet10 --out my-bundle");
  command->footer("Example: glionode train cohort/cohort.csv --network resnet10 --out my-bundle");
  auto options = std::make_shared<TrainCommand>();
  auto& info = options->work.info;
  auto& training = options->work.options;
  command->option_defaults()->always_capture_default();
  command->add_option("cohort", options->work.cohort, "cohort.csv; rows with split = train (all, without that column)")
      ->required();
  command->add_option("--network", info.network.type, "resnet10, mresnet or vgg16")
      ->required()
      ->check(CLI::IsMember({"resnet10", "mresnet", "vgg16"}));
  command->add_option("--out", options->work.out, "folder of the new bundle")->required();
  command->add_option("--width", info.network.width, "1 is the published width")->check(CLI::Range(0.0625, 4.0));
  command
      ->add_option("--centre", info.centre,
                   "middle of the input cube: head_mask, or lesion (the largest lump in the brain that enhances)")
      ->check(CLI::IsMember({"head_mask", "lesion"}));
  command
      ->add_option("--field-of-view", options->work.field_of_view,
                   "edge of the input cube in mm (192, which holds a head; around a lesion 128)")
      ->check(CLI::Range(48.0, 256.0));
  command->add_option("--shape", info.shape, "edge of the input cube in voxels; the field of view stays")
      ->check(CLI::Range(32, 256));
  command->add_option("--layout", info.network.layout, "dilated (as MedicalNet) or strided")
      ->check(CLI::IsMember({"dilated", "strided"}));
  command->add_option("--epochs", training.epochs, "passes over the cohort")->check(CLI::Range(1, 10000));
  command
      ->add_option("--folds", training.folds, "patient-grouped cross-validation for calibration; 0: a part held back")
      ->check(CLI::Range(0, 20));
  command->add_option("--repeats", training.repeats, "of the cross-validation")->check(CLI::Range(1, 100));
  command
      ->add_option("--init", training.init,
                   "starting weights: safetensors with MedicalNet's or MONAI's names (docs/training.md)")
      ->check(CLI::ExistingFile);
  command->add_option("--init-layout", training.init_layout, "their layout, where the file does not say it")
      ->check(CLI::IsMember({"dilated", "strided"}));
  command->add_option("--sequences", options->sequences, "of the network, such as t1,t2,t1ce (all) or t1ce")
      ->delimiter(',')
      ->check(CLI::IsMember({"t1", "t2", "t1ce"}));
  command->add_option("--loss", training.loss, "cross-entropy or focal")
      ->check(CLI::IsMember({"cross-entropy", "focal"}));
  command->add_option("--focal-gamma", training.focal_gamma, "how far focal loss turns to the hard cases")
      ->check(CLI::Range(0.0, 10.0));
  command->add_option("--balance", training.balance, "classes count alike by weights in the loss, or by sampling")
      ->check(CLI::IsMember({"weights", "sampling"}));
  command
      ->add_option("--augmentation", training.augmentation,
                   "none; light (mirror, shift, intensity); full (also turn, scale, bias, noise, sequences displaced)")
      ->check(CLI::IsMember({"none", "light", "full"}));
  command->add_option("--precision", training.precision, "fp32, or mixed: bfloat16 on CUDA, no change on the CPU")
      ->check(CLI::IsMember({"fp32", "mixed"}));
  command->add_option("--seed", training.seed, "the same seed and thread count give the same weights");
  command->add_option("--batch", training.batch, "studies a step")->check(CLI::Range(1, 256));
  command->add_option("--learning-rate", training.learning_rate, "largest learning rate");
  AddRoleOptions(*command, options->roles);
  command->add_option("--threads", training.threads, "0: all cores");
  command->add_option("--device", training.device, "auto, cpu, cuda or cuda:N");
  command->add_option("--cache", options->work.cache, "folder of preprocessed studies (default: OUT.cache)");
  command->add_flag("--resume", training.resume, "go on from the last checkpoint");
  command->callback([options, &exit_code] {
    auto& work = options->work;
    if (!options->sequences.empty()) work.info.network.sequences.clear();
    for (const std::string& word : options->sequences) work.info.network.sequences.push_back(*RoleFromText(word));
    // What a reader of the bundle needs to do the same again: the options, not this machine's paths.
    const auto& network = work.info.network;
    const auto& how = work.options;
    work.options.command = "glionode train cohort.csv --network " + network.type +
                           Option(" --width %g", network.width) + " --shape " + std::to_string(work.info.shape) +
                           (work.info.centre == "head_mask" ? "" : " --centre " + work.info.centre) + " --layout " +
                           network.layout + " --epochs " + std::to_string(how.epochs) + " --folds " +
                           std::to_string(how.folds) + " --batch " + std::to_string(how.batch) + " --seed " +
                           std::to_string(how.seed) + OptionsBesideDefaults(*options);
    exit_code = Guarded([&] { return TrainBundle(*options); });
  });
}

}  // namespace glionode::server
