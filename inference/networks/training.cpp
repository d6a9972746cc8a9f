#include "inference/networks/training.h"

#include "config/error.h"
#include "config/sha256.h"
#include "inference/networks/augmentation.h"
#include "inference/networks/calibration.h"
#include "inference/networks/checkpoint.h"
#include "inference/networks/classifier.h"
#include "inference/networks/device.h"
#include "inference/networks/evaluation.h"
#include "inference/networks/file_io.h"
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
  std::vector<int> taught, judged;
};

void Check(const std::vector<TensorCase>& cases, const BundleInfo& info, const TrainingOptions& options) {
  const auto refuse = [](const std::string& text) { throw Error(ErrorCode::kUsage, "training: " + text); };
  if (options.epochs < 1) refuse("epochs must be 1 or more");
  if (options.batch < 1) refuse("batch must be 1 or more");
  if (options.folds != 0 && options.folds < 2) refuse("folds must be 0, or 2 or more");
  if (options.repeats < 1) refuse("repeats must be 1 or more");
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
  for (const auto& one : cases)
    if (one.label != "recurrence" && one.label != "necrosis")
      refuse("study " + one.study + ": label '" + one.label + "' is neither recurrence nor necrosis");
}

std::vector<Run> PlanRuns(const std::vector<TensorCase>& cases, const TrainingOptions& options) {
  std::vector<Run> runs;
  const int parts = options.folds ? options.folds : kHoldBackParts;
  for (int repeat = 0; repeat < (options.folds ? options.repeats : 1); ++repeat) {
    const auto fold_of = GroupedFolds(cases, parts, DeriveSeed(options.seed, 7, repeat));
    for (int fold = 0; fold < (options.folds ? parts : 1); ++fold) {
      Run run;
      const int number = repeat * parts + fold + 1;
      run.phase =
          options.folds ? "fold " + std::to_string(number) + " of " + std::to_string(parts * options.repeats) : "final";
      for (std::size_t i = 0; i < cases.size(); ++i)
        (fold_of[i] == fold ? run.judged : run.taught).push_back(static_cast<int>(i));
      runs.push_back(std::move(run));
    }
  }
  if (options.folds) {  // calibrated by the folds, the served network learns from all
    Run all{"final", {}, {}};
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
  for (const Role role : info.network.sequences) json.push_back(std::string(ToText(role)));
  for (const auto& one : cases) json.push_back({one.study, one.patient, one.label});
  return Sha256Hex(json.dump());
}

std::string RandomSalt() {
  std::random_device source;
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += std::to_string(source()) + ".";
  return Sha256Hex(bytes).substr(0, 32);
}

Json IntervalJson(const Interval& interval) {
  if (!std::isfinite(interval.value)) return nullptr;
  return {{"value", interval.value}, {"low", interval.low}, {"high", interval.high}};
}

/// Platt's fit on the logits of cases that the judging networks had not learned from, and the figures on those.
std::vector<EvaluatedCase> Calibrate(const std::vector<TensorCase>& cases, const TrainingState& state,
                                     const TrainingOptions& options, BundleInfo& info) {
  std::vector<double> logits;
  std::vector<bool> necrosis;
  std::vector<EvaluatedCase> judged;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (state.logit_count[i] == 0) continue;
    logits.push_back(state.logit_sum[i] / state.logit_count[i]);
    necrosis.push_back(cases[i].label == "necrosis");
    judged.push_back({cases[i].study, cases[i].patient, cases[i].label, Decision::kNotEvaluable, -1, ""});
  }
  const Calibration fitted = FitPlatt(logits, necrosis);
  info.calibration_slope = fitted.slope;
  info.calibration_intercept = fitted.intercept;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    judged[i].probability_of_necrosis = 1 / (1 + std::exp(-(fitted.slope * logits[i] + fitted.intercept)));
    judged[i].decision = Decide(judged[i].probability_of_necrosis, info.abstain);
  }
  const Metrics metrics = Measure(judged);
  const Json evaluation = {
      {"kind", options.folds ? "out-of-fold" : "held back"},
      {"note", "cases that the judging network did not learn from; calibration was fitted on them"},
      {"recurrence", metrics.recurrence},
      {"necrosis", metrics.necrosis},
      {"sensitivity_for_necrosis", IntervalJson(metrics.sensitivity)},
      {"specificity_for_necrosis", IntervalJson(metrics.specificity)},
      {"accuracy", IntervalJson(metrics.accuracy)},
      {"auc", IntervalJson(metrics.auc)},
      {"brier", std::isfinite(metrics.brier) ? Json(metrics.brier) : Json(nullptr)}};
  info.evaluation_json = evaluation.dump();
  return judged;
}

double HeldOutLoss(const std::vector<TensorCase>& cases, const Run& run, const std::vector<double>& logits) {
  double sum = 0, weight = 0, counts[2] = {0, 0};
  for (const int index : run.judged) ++counts[cases[static_cast<std::size_t>(index)].label == "necrosis"];
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool necrosis = cases[static_cast<std::size_t>(run.judged[i])].label == "necrosis";
    const double z = necrosis ? -logits[i] : logits[i], w = 1 / counts[necrosis];
    sum += w * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))));
    weight += w;
  }
  return weight > 0 ? sum / weight : std::nan("");
}

double HeldOutAuc(const std::vector<TensorCase>& cases, const Run& run, const std::vector<double>& logits) {
  std::vector<double> scores[2];
  for (std::size_t i = 0; i < logits.size(); ++i)
    scores[cases[static_cast<std::size_t>(run.judged[i])].label == "necrosis"].push_back(logits[i]);
  return Auc(scores[1], scores[0]);
}

/// Curves after every epoch: what a person looks at while it runs.
void RecordCurves(const TrainingOptions& options, const std::string& name, const std::vector<CurvePoint>& curve) {
  if (options.record.empty()) return;
  WriteFileAtomically(options.record / "curves.csv", CurvesCsv(curve));
  WriteFileAtomically(options.record / "curves.html", CurvesHtml(name, curve));
}

/// The whole report on predictions for cases that the judging networks had not seen.
void RecordOutOfFold(const TrainingOptions& options, const BundleInfo& info, std::vector<EvaluatedCase> judged) {
  if (options.record.empty() || judged.empty()) return;
  EvaluationRun run;
  run.bundle_name = info.name;
  run.bundle_version = info.version;
  run.domain = info.domain;
  run.cohort = std::filesystem::path(options.cohort).filename().string();
  run.kind = "out-of-fold";
  run.cases = std::move(judged);
  WriteEvaluation({run}, options.record / "out-of-fold");
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
  info.patient_hash_salt = RandomSalt();
  info.patient_hashes.clear();
  for (const auto& patient : patients) info.patient_hashes.push_back(PatientHash(info.patient_hash_salt, patient));
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
  }
}
}  // namespace

BundleInfo Train(const std::vector<TensorCase>& cases, BundleInfo info, const TrainingOptions& options,
                 const std::filesystem::path& out, const std::function<void(const TrainingProgress&)>& progress) {
  Check(cases, info, options);
  const torch::Device device = ChooseDevice(options.device);
  const auto runs = PlanRuns(cases, options);
  std::filesystem::create_directories(out);
  if (!options.record.empty()) std::filesystem::create_directories(options.record);
  // Held-out cases are watched ten times a run: enough for a curve, and it costs little.
  const int watch_every = std::max(1, options.epochs / 10);
  const auto checkpoint_file = out / "training-checkpoint.pt";

  return WithTorchErrors("training", [&] {
    PrepareTorch(options.threads);
    TrainingState state;
    state.fingerprint = Fingerprint(cases, info, options);
    state.logit_sum.assign(cases.size(), 0);
    state.logit_count.assign(cases.size(), 0);
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
      while (state.epoch < options.epochs) {
        const double last_auc = state.curve.empty() || state.epoch == 0 ? std::nan("") : state.curve.back().auc;
        const EpochFigures figures = trainer->RunEpoch(state.epoch, [&](int step, int steps, double loss) {
          if (progress) progress({state.epoch + 1, options.epochs, step, steps, loss, last_auc, run.phase});
        });
        ++state.epoch;
        CurvePoint point{state.run, run.phase, state.epoch, figures.loss, figures.auc, figures.learning_rate};
        if (state.epoch % watch_every == 0 || state.epoch == options.epochs) {
          const auto logits = trainer->Logits(run.judged);
          point.held_out_loss = HeldOutLoss(cases, run, logits);
          point.held_out_auc = HeldOutAuc(cases, run, logits);
        }
        state.curve.push_back(point);
        RecordCurves(options, info.name, state.curve);
        SaveCheckpoint(checkpoint_file, state, *trainer);
      }
      trainer->Finish();
      if (!run.judged.empty() && progress) progress({options.epochs, options.epochs, 0, 0, 0, 0, "calibration"});
      const auto logits = trainer->Logits(run.judged);
      for (std::size_t i = 0; i < run.judged.size(); ++i) {
        const auto index = static_cast<std::size_t>(run.judged[i]);
        state.logit_sum[index] += logits[i];
        ++state.logit_count[index];
      }
      domain = Domain(trainer->Looks(run.taught));
      for (const auto& look : trainer->Looks(run.judged)) state.lengths.push_back(domain.Lengths(look));
      ++state.run;
      state.epoch = 0;
    }

    RecordOutOfFold(options, info, Calibrate(cases, state, options, info));
    domain.SetLimit(state.lengths);
    info.domain_statistics_json = domain.Figures();
    DescribeTraining(cases, options, info);
    FindReference(trainer->Model(), info);
    auto tensors = WeightsOf(trainer->Model());
    tensors.merge(domain.Tensors());
    const std::string weights = EncodeSafetensors(
        tensors, {{"layout", info.network.layout}, {"stem_stride", "2"}, {"classes", "recurrence,necrosis"}});
    info.weights_sha256 = Sha256Hex(weights);
    WriteFileAtomically(out / "weights.safetensors", weights);
    WriteBundle(out, info);
    Classifier(out, "cpu", options.threads).SelfTest();
    std::filesystem::remove(checkpoint_file);
    return info;
  });
}

}  // namespace glionode::networks
