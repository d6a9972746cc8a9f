#include "inference/networks/training.h"

#include "config/error.h"
#include "config/sha256.h"
#include "inference/networks/augmentation.h"
#include "inference/networks/checkpoint.h"
#include "inference/networks/classifier.h"
#include "inference/networks/device.h"
#include "inference/networks/file_io.h"
#include "inference/networks/held_out.h"
#include "inference/networks/random.h"
#include "inference/networks/splits.h"
#include "inference/networks/starting_weights.h"
#include "inference/networks/training_curves.h"
#include "inference/networks/weights.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <optional>
#include <random>
#include <set>

namespace glionode::networks {

namespace {
using Json = nlohmann::ordered_json;
constexpr int kHoldBackParts = 5;  ///< without folds, one patient in five calibrates

/// One network to be trained: which cases teach it and which are judged by it.
struct Run {
  std::string phase;
  int repeat = 0;
  std::vector<int> taught, judged;
};

void Check(const std::vector<TensorCase>& cases, const BundleInfo& info, const TrainingOptions& options) {
  const auto refuse = [](const std::string& text) { throw Error(ErrorCode::kUsage, "training: " + text); };
  if (options.epochs < 1) refuse("epochs must be 1 or more");
  if (options.batch < 1) refuse("batch must be 1 or more");
  if (options.folds != 0 && options.folds < 2) refuse("folds must be 0, or 2 or more");
  if (options.repeats < 1) refuse("repeats must be 1 or more");
  if (options.repeats > 1 && options.folds == 0) refuse("repeats need folds: they are of the cross-validation");
  if (!(options.learning_rate > 0)) refuse("the learning rate must be above 0");
  const auto one_of = [&](const char* what, const std::string& word, const char* first, const char* second) {
    if (word != first && word != second)
      refuse(std::string(what) + ": '" + word + "' is unknown; expected " + first + " or " + second);
  };
  one_of("loss", options.loss, "cross-entropy", "focal");
  one_of("balance", options.balance, "weights", "sampling");
  one_of("precision", options.precision, "fp32", "mixed");
  if (!(options.focal_gamma >= 0)) refuse("focal-gamma must be 0 or more");
  AugmentationFromText(options.augmentation);
  if (info.shape < 8 || info.shape > 256) refuse("shape must be between 8 and 256");
  CheckShape(info.network, info.shape);
  for (const auto& one : cases)
    if (one.label != "recurrence" && one.label != "necrosis")
      refuse("study " + one.study + ": label '" + one.label + "' is neither recurrence nor necrosis");
}

std::vector<Run> PlanRuns(const std::vector<TensorCase>& cases, const TrainingOptions& options) {
  std::vector<Run> runs;
  const int parts = options.folds ? options.folds : kHoldBackParts;
  const auto dealt = [&](int repeat) {
    try {
      return GroupedFolds(cases, parts, DeriveSeed(options.seed, 7, repeat));
    } catch (const Error& error) {
      if (options.folds) throw;
      throw Error(error.Code(), std::string(error.what()) +
                                    ", since one patient in five is held back; fewer parts (--folds 3) need fewer");
    }
  };
  for (int repeat = 0; repeat < (options.folds ? options.repeats : 1); ++repeat) {
    const auto fold_of = dealt(repeat);
    for (int fold = 0; fold < (options.folds ? parts : 1); ++fold) {
      Run run;
      run.repeat = repeat;
      const int number = repeat * parts + fold + 1;
      run.phase =
          options.folds ? "fold " + std::to_string(number) + " of " + std::to_string(parts * options.repeats) : "final";
      for (std::size_t i = 0; i < cases.size(); ++i)
        (fold_of[i] == fold ? run.judged : run.taught).push_back(static_cast<int>(i));
      runs.push_back(std::move(run));
    }
  }
  if (options.folds) {  // calibrated by the folds, the served network learns from all
    Run all{"final", 0, {}, {}};
    for (std::size_t i = 0; i < cases.size(); ++i) all.taught.push_back(static_cast<int>(i));
    runs.push_back(std::move(all));
  }
  return runs;
}

/// Hash of everything that a checkpoint's meaning depends on. Threads and device are left out: they change digits only.
std::string Fingerprint(const std::vector<TensorCase>& cases, const BundleInfo& info, const TrainingOptions& options) {
  Json json = {info.network.type, info.network.width, info.network.layout, info.shape,
               info.centre,       options.epochs,     options.seed,        options.learning_rate,
               options.batch,     options.folds,      options.repeats,     info.network.sequences.size()};
  json.push_back({options.loss, options.focal_gamma, options.balance, options.augmentation, options.precision});
  json.push_back({options.init.empty() ? "" : Sha256Hex(ReadWholeFile(options.init, std::uint64_t{2} << 30)),
                  options.init_layout});
  json.push_back({info.spacing_mm, info.input_state, info.bias_correction, info.normalisation});
  for (const Role role : info.network.sequences) json.push_back(std::string(ToText(role)));
  // The file's name is a hash of the images and of what was done to them.
  for (const auto& one : cases)
    json.push_back({one.study, one.patient, one.label, one.tensor_file.filename().string()});
  return Sha256Hex(json.dump());
}

std::string RandomSalt() {
  std::random_device source;
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += std::to_string(source()) + ".";
  return Sha256Hex(bytes).substr(0, 32);
}

/// Curves after every epoch: what a person looks at while it runs.
void RecordCurves(const TrainingOptions& options, const std::string& name, const std::vector<CurvePoint>& curve) {
  if (options.record.empty()) return;
  WriteFileAtomically(options.record / "curves.csv", CurvesCsv(curve));
  WriteFileAtomically(options.record / "curves.html", CurvesHtml(name, curve));
}

void DescribeTraining(const std::vector<TensorCase>& cases, const TrainingOptions& options, BundleInfo& info) {
  int necrosis = 0;
  std::set<std::string> patients;
  for (const auto& one : cases) {
    necrosis += one.label == "necrosis";
    patients.insert(one.patient);
  }
  const int recurrence = static_cast<int>(cases.size()) - necrosis;
  Json training = info.training_json.empty() ? Json::object() : Json::parse(info.training_json);
  training["cohort"] = std::filesystem::path(options.cohort).filename().string();
  training["cases"] = {{"recurrence", recurrence}, {"necrosis", necrosis}};
  training["patients"] = patients.size();
  training["command"] = options.command;
  training["seed"] = options.seed;
  training["epochs"] = options.epochs;
  training["batch"] = options.batch;
  training["learning_rate"] = options.learning_rate;
  training["folds"] = options.folds;
  training["repeats"] = options.repeats;
  training["loss"] = options.loss;
  if (options.loss == "focal") training["focal_gamma"] = options.focal_gamma;
  training["balance"] = options.balance;
  training["augmentation"] = options.augmentation;
  training["precision"] = options.precision;
  if (!options.init.empty()) {
    const StartingReport start = DescribeStartingWeights(info.network, options.init, options.init_layout);
    training["starting_weights"] = {{"file", options.init.filename().string()},
                                    {"sha256", start.sha256},
                                    {"loaded", start.loaded.size()},
                                    {"not_loaded", start.not_loaded},
                                    {"fresh", start.fresh}};
  }
  training["cohort_prior"] = static_cast<double>(necrosis) / static_cast<double>(cases.size());
  training["calibration"] = {{"method", "platt"},
                             {"on", options.folds ? "out-of-fold logits, cohort prevalence"
                                                  : "one patient in five held back, cohort prevalence"}};
  info.training_json = training.dump();
  info.training_prior = 0.5;  // both classes weigh alike in the loss, whatever their numbers
  // Hashes that are there already come with starting weights: who taught those is known to this network too.
  if (info.patient_hash_salt.empty()) info.patient_hash_salt = RandomSalt();
  std::set<std::string> hashes(info.patient_hashes.begin(), info.patient_hashes.end());
  for (const auto& patient : patients) hashes.insert(PatientHash(info.patient_hash_salt, patient));
  info.patient_hashes.assign(hashes.begin(), hashes.end());
}

std::int64_t CasesLearnedFrom(const std::vector<Run>& runs, int finished, int epochs) {
  std::int64_t cases = 0;
  for (int i = 0; i < finished; ++i)
    cases += static_cast<std::int64_t>(runs[static_cast<std::size_t>(i)].taught.size()) * epochs;
  return cases;
}

void JudgeHeldOut(Trainer& trainer, const Domain& domain, const Run& run, std::vector<HeldOut>& held_out) {
  const auto logits = trainer.Logits(run.judged);
  const auto looks = domain.CanMeasure() ? trainer.Looks(run.judged) : std::vector<CaseLook>();
  for (std::size_t i = 0; i < run.judged.size(); ++i) {
    HeldOut one{run.judged[i], run.repeat, logits[i], !looks.empty()};
    if (one.measured) one.lengths = domain.Lengths(looks[i]);
    held_out.push_back(one);
  }
}

/// The reference input whose answer is the least saturated among a few, so that altered weights show.
void FindReference(Network& network, BundleInfo& info) {
  torch::NoGradGuard no_grad;
  network.to(torch::kCPU);
  network.eval();
  const auto channels = static_cast<int>(info.network.sequences.size());
  double best = 2;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const auto input = ReferenceInput(seed, channels, info.shape);
    const auto tensor =
        torch::from_blob(const_cast<float*>(input.data()), {1, channels, info.shape, info.shape, info.shape});
    const auto output = network.forward(tensor).to(torch::kDouble)[0];
    const double raw = (output[kNecrosisIndex] - output[kRecurrenceIndex]).item<double>();
    const double p = 1 / (1 + std::exp(-(info.calibration_slope * raw + info.calibration_intercept)));
    if (!(std::abs(p - 0.5) < best)) continue;
    best = std::abs(p - 0.5);
    Sha256 hash;
    hash.Update(input.data(), input.size() * sizeof(float));
    info.reference_seed = seed;
    info.reference_input_sha256 = hash.HexDigest();
    info.reference_probability_of_necrosis = p;
    info.reference_logit = raw;
  }
}
}  // namespace

void CheckTraining(const std::vector<TensorCase>& cases, const BundleInfo& info, const TrainingOptions& options) {
  Check(cases, info, options);
  ChooseDevice(options.device);
  PlanRuns(cases, options);
}

BundleInfo Train(const std::vector<TensorCase>& cases, BundleInfo info, const TrainingOptions& options,
                 const std::filesystem::path& out, const std::function<void(const TrainingProgress&)>& progress) {
  Check(cases, info, options);
  const torch::Device device = ChooseDevice(options.device);
  const auto runs = PlanRuns(cases, options);
  DescribeTraining(cases, options, info);
  std::filesystem::create_directories(out);
  if (!options.record.empty()) std::filesystem::create_directories(options.record);
  // Held-out cases are watched ten times a run: enough for a curve, and it costs little.
  const int watch_every = std::max(1, options.epochs / 10);
  const auto checkpoint_file = out / "training-checkpoint.pt";
  const std::int64_t total = CasesLearnedFrom(runs, static_cast<int>(runs.size()), options.epochs);

  return WithTorchErrors("training", [&] {
    PrepareTorch(options.threads);
    TrainingState state;
    state.fingerprint = Fingerprint(cases, info, options);
    std::optional<Checkpoint> checkpoint;
    if (options.resume && std::filesystem::exists(checkpoint_file)) {
      checkpoint.emplace(checkpoint_file);
      if (checkpoint->State().fingerprint != state.fingerprint)
        throw Error(ErrorCode::kUsage,
                    checkpoint_file.string() + ": belongs to a training with other cases or options");
      state = checkpoint->State();
    }

    std::unique_ptr<Trainer> trainer;
    Domain domain;
    while (state.run < static_cast<int>(runs.size())) {
      const Run& run = runs[static_cast<std::size_t>(state.run)];
      trainer.reset();  // one network at a time in memory
      trainer =
          std::make_unique<Trainer>(cases, run.taught, info, options, device, DeriveSeed(options.seed, 3, state.run));
      if (checkpoint) checkpoint->Restore(*trainer), checkpoint.reset();
      const std::int64_t before = CasesLearnedFrom(runs, state.run, options.epochs);
      const auto size = static_cast<std::int64_t>(run.taught.size());
      while (state.epoch < options.epochs) {
        const double last_auc = state.curve.empty() || state.epoch == 0 ? std::nan("") : state.curve.back().auc;
        const EpochFigures figures = trainer->RunEpoch(state.epoch, [&](int step, int steps, double loss) {
          if (progress)
            progress({state.epoch + 1, options.epochs, step, steps,
                      before + (state.epoch * static_cast<std::int64_t>(steps) + step) * size / steps, total, loss,
                      last_auc, run.phase});
        });
        ++state.epoch;
        CurvePoint point{state.run, run.phase, state.epoch, figures.loss, figures.auc, figures.learning_rate};
        if (state.epoch % watch_every == 0 || state.epoch == options.epochs) {
          const auto logits = trainer->Logits(run.judged);
          point.held_out_loss = HeldOutLoss(cases, run.judged, logits);
          point.held_out_auc = HeldOutAuc(cases, run.judged, logits);
        }
        state.curve.push_back(point);
        RecordCurves(options, info.name, state.curve);
        SaveCheckpoint(checkpoint_file, state, *trainer);
      }
      trainer->Finish();
      const std::int64_t after = CasesLearnedFrom(runs, state.run + 1, options.epochs);
      if (!run.judged.empty() && progress)
        progress({options.epochs, options.epochs, 0, 0, after, total, 0, std::nan(""), run.phase + ", judging"});
      domain = Domain(trainer->Looks(run.taught));
      JudgeHeldOut(*trainer, domain, run, state.held_out);
      ++state.run;
      state.epoch = 0;
    }

    RecordHeldOut(options, info, CalibrateOn(cases, state.held_out, options, info));
    domain.SetLimit(MeasuredLengths(state.held_out));
    info.domain_statistics_json = domain.Figures();
    FindReference(trainer->Model(), info);
    auto tensors = WeightsOf(trainer->Model());
    tensors.merge(domain.Tensors());
    const std::string weights = EncodeSafetensors(tensors, {{"layout", info.network.layout},
                                                            {"stem_stride", "2"},
                                                            {"classes", "recurrence,necrosis"},
                                                            {"sequences", SequenceWords(info.network.sequences)}});
    info.weights_sha256 = Sha256Hex(weights);
    WriteFileAtomically(out / "weights.safetensors", weights);
    WriteBundle(out, info);
    Classifier(out, "cpu", options.threads).SelfTest();
    std::filesystem::remove(checkpoint_file);
    return info;
  });
}

}  // namespace glionode::networks
