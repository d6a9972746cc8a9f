#include "config/error.h"
#include "inference/networks/starting_weights.h"
#include "inference/networks/training.h"
#include "server/bundle_mapping.h"
#include "server/cohort.h"
#include "server/commands/commands.h"
#include "server/commands/role_options.h"
#include "server/progress_bar.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <iostream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

constexpr double kHeadMm = 192;    // holds a head (design section 7)
constexpr double kLesionMm = 128;  // holds a lesion with its oedema

struct TrainCommand {
  RoleOptions roles;
  std::string cohort, out, cache;
  std::vector<std::string> sequences;
  double field_of_view = 0;  ///< mm; 0: what the centre needs
  networks::BundleInfo info;
  networks::TrainingOptions options;
};

void Describe(networks::BundleInfo& info, const std::vector<PreparedCase>& cases, const std::string& out) {
  bool phantom = true;
  for (const PreparedCase& prepared : cases) phantom &= prepared.phantom;
  info.name = fs::path(out).lexically_normal().filename().empty() ? fs::path(out).parent_path().filename().string()
                                                                  : fs::path(out).filename().string();
  info.version = "1.0.0";
  info.domain = phantom ? "phantom" : "patient";
  info.license = phantom ? "Apache-2.0" : "as the site decides";
  info.intended_use =
      phantom ? "demonstration on synthetic phantoms only" : "research on the site's own cohort; not for clinical use";
}

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "it is set in a signal handler");

/// From here on Ctrl-C ends the training after the step that runs; a second one ends the program at once.
void ListenForInterrupts() {
  const auto stop = [](int signal) {
    interrupted = true;
    std::signal(signal, SIG_DFL);
  };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
}

void PrintList(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::cout << "  " << title << " (" << names.size() << "):";
  for (const std::string& name : names) std::cout << "\n    " << name;
  std::cout << "\n";
}

/// What becomes of the starting weights, before anything that takes long.
void ShowStartingWeights(const TrainCommand& command) {
  if (command.options.init.empty()) return;
  const auto report =
      networks::DescribeStartingWeights(command.info.network, command.options.init, command.options.init_layout);
  std::cout << "starting weights " << command.options.init.string() << "\n";
  PrintList("loaded", report.loaded);
  PrintList("not loaded", report.not_loaded);
  PrintList("start at random", report.fresh);
}

int TrainBundle(TrainCommand command) {
  const auto rows = OfSplit(ReadCohort(command.cohort), "train");
  const fs::path cache = command.cache.empty() ? fs::path(command.out + ".cache") : fs::path(command.cache);
  const bool on_lesion = command.info.centre == "lesion";
  const auto& sequences = command.info.network.sequences;
  for (const Role role : {Role::kT1, Role::kT1ce})
    if (on_lesion && std::find(sequences.begin(), sequences.end(), role) == sequences.end())
      throw Error(ErrorCode::kUsage,
                  "--centre lesion: needs the sequences t1 and t1ce, since it is found by what enhances");
  if (command.field_of_view <= 0) command.field_of_view = on_lesion ? kLesionMm : kHeadMm;
  command.info.spacing_mm = command.field_of_view / command.info.shape;
  if (!rows.empty()) command.info.input_state = rows.front().input_state;
  ShowStartingWeights(command);
  const auto prepared =
      PrepareCases(rows, command.info.network.sequences, PreprocessingOf(command.info), cache, RulesOf(command.roles));
  std::vector<networks::TensorCase> cases;
  std::vector<PreparedCase> used;
  for (const PreparedCase& one : prepared) {
    if (!one.row.Usable()) {
      std::cout << "row " << one.row.row << " (" << one.row.study << ") is left out: label " << one.row.label << "\n";
    } else if (!one.reasons.empty()) {
      std::cout << "row " << one.row.row << " (" << one.row.study
                << ") is left out: " << ToText(one.reasons.front().code) << ": " << one.reasons.front().text << "\n";
    } else {
      cases.push_back({one.tensor_file, one.row.study, one.row.patient, one.row.label});
      used.push_back(one);
    }
  }
  Describe(command.info, used, command.out);
  command.options.cohort = fs::path(command.cohort).filename();
  command.options.record = command.out + ".training";
  ListenForInterrupts();
  ProgressBar progress("training");
  const networks::BundleInfo made =
      networks::Train(cases, command.info, command.options, command.out, [&](const networks::TrainingProgress& at) {
        if (interrupted)
          throw Error(ErrorCode::kBusy, "interrupted; " + command.out +
                                            "/training-checkpoint.pt holds the last whole epoch: the same command with "
                                            "--resume goes on from there");
        char text[64];
        std::snprintf(text, sizeof text, ", loss %.4f", at.loss);
        std::string note = at.phase + ", epoch " + std::to_string(at.epoch) + text;
        std::snprintf(text, sizeof text, ", AUC %.3f", at.auc);
        if (at.steps > 0 && std::isfinite(at.auc)) note += text;
        progress.Show((at.epoch - 1) * at.steps + at.step, at.epochs * at.steps, note);
      });
  std::cout << "\n"
            << made.name << " trained on " << cases.size() << " studies; " << command.out
            << "/bundle.json, weights.safetensors\ncurves and the report on held-out predictions: " << command.out
            << ".training\n";
  return 0;
}

std::string OptionsBesideDefaults(const TrainCommand& command) {
  const networks::TrainingOptions& now = command.options;
  const networks::TrainingOptions plain;
  std::string text;
  if (!command.sequences.empty()) {
    text += " --sequences ";
    for (std::size_t i = 0; i < command.sequences.size(); ++i) text += (i ? "," : "") + command.sequences[i];
  }
  if (command.field_of_view > 0) {
    char edge[32];
    std::snprintf(edge, sizeof edge, " --field-of-view %g", command.field_of_view);
    text += edge;
  }
  if (now.repeats != plain.repeats) text += " --repeats " + std::to_string(now.repeats);
  if (now.loss != plain.loss) text += " --loss " + now.loss;
  if (now.balance != plain.balance) text += " --balance " + now.balance;
  if (now.augmentation != plain.augmentation) text += " --augmentation " + now.augmentation;
  if (now.precision != plain.precision) text += " --precision " + now.precision;
  if (!now.init.empty()) text += " --init " + now.init.filename().string();
  return text;
}

}  // namespace

void AddTrain(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "train", "Train a network on a cohort: glionode train cohort.csv --network resnet10 --out my-bundle");
  command->footer("Example: glionode train cohort/cohort.csv --network resnet10 --out my-bundle");
  auto options = std::make_shared<TrainCommand>();
  auto& info = options->info;
  auto& training = options->options;
  command->add_option("cohort", options->cohort, "cohort.csv; rows with split = train (all, without that column)")
      ->required();
  command->add_option("--network", info.network.type, "resnet10, mresnet or vgg16")
      ->required()
      ->check(CLI::IsMember({"resnet10", "mresnet", "vgg16"}));
  command->add_option("--out", options->out, "folder of the new bundle")->required();
  command->add_option("--width", info.network.width, "1 is the published width")->check(CLI::Range(0.01, 4.0));
  command
      ->add_option("--centre", info.centre,
                   "middle of the input cube: head_mask, or lesion (the largest lump that enhances)")
      ->check(CLI::IsMember({"head_mask", "lesion"}));
  command
      ->add_option("--field-of-view", options->field_of_view,
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
  command->add_option("--cache", options->cache, "folder of preprocessed studies (default: OUT.cache)");
  command->add_flag("--resume", training.resume, "go on from the last checkpoint");
  command->callback([options, &app, &exit_code] {
    if (!options->sequences.empty()) options->info.network.sequences.clear();
    for (const std::string& word : options->sequences) options->info.network.sequences.push_back(*RoleFromText(word));
    // What a reader of the bundle needs to do the same again: the options, not this machine's paths.
    auto& line = options->options.command;
    const auto& network = options->info.network;
    char width[32];
    std::snprintf(width, sizeof width, "%g", network.width);
    line = "glionode train cohort.csv --network " + network.type + " --width " + width + " --shape " +
           std::to_string(options->info.shape) +
           (options->info.centre == "head_mask" ? "" : " --centre " + options->info.centre) + " --layout " +
           network.layout + " --epochs " + std::to_string(options->options.epochs) + " --folds " +
           std::to_string(options->options.folds) + " --batch " + std::to_string(options->options.batch) + " --seed " +
           std::to_string(options->options.seed) + OptionsBesideDefaults(*options);
    exit_code = Guarded([&] { return TrainBundle(*options); });
  });
}

}  // namespace glionode::server
