#include "inference/networks/training.h"

#include "inference/networks/augmentation.h"
#include "inference/networks/case_order.h"
#include "inference/networks/classifier.h"
#include "inference/networks/tensor_file.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>
#include <set>
#include <sys/resource.h>

namespace glionode::networks {
namespace {

using nlohmann::json;
using testing::HasSubstr;

int Right(const std::filesystem::path& bundle, const std::vector<TensorCase>& cases) {
  Classifier classifier(bundle, "cpu", 1);
  int right = 0;
  for (const auto& one : cases) {
    const Answer answer = classifier.Classify(ReadTensorFile(one.tensor_file, 3 * 16 * 16 * 16));
    right += (answer.probability_of_necrosis > 0.5) == (one.label == "necrosis");
  }
  return right;
}

TEST(TensorFile, HalfAndFloatAreToldApart) {
  TempFolder folder;
  const std::vector<float> values = {0, 1.5f, -2, 0.25f};
  WriteTensorFile(folder.Path() / "half", values);
  EXPECT_EQ(std::filesystem::file_size(folder.Path() / "half"), 8u);
  EXPECT_EQ(ReadTensorFile(folder.Path() / "half", 4), values);
  Spill(folder.Path() / "float", std::string(reinterpret_cast<const char*>(values.data()), 16));
  EXPECT_EQ(ReadTensorFile(folder.Path() / "float", 4), values);
  EXPECT_THAT(ErrorOf([&] { ReadTensorFile(folder.Path() / "half", 5); }), HasSubstr("half: 8 bytes"));
  EXPECT_THAT(ErrorOf([&] { ReadTensorFile(folder.Path() / "none", 5); }), HasSubstr("not there"));
  EXPECT_THAT(ErrorOf([&] { WriteTensorFile(folder.Path() / "big", {1e6f}); }), HasSubstr("too large"));
  Spill(folder.Path() / "nan", std::string(8, '\xff'));
  EXPECT_THAT(ErrorOf([&] { ReadTensorFile(folder.Path() / "nan", 2); }), HasSubstr("not finite"));
}

TEST(Augment, KeepsBackgroundAndIsSeeded) {
  auto input = torch::zeros({2, 32, 32, 32});
  input.slice(1, 8, 24).slice(2, 8, 24).slice(3, 8, 20).fill_(2);
  SplitMix64 first(9), second(9);
  const auto a = Augment(input, Augmentation::kLight, first), b = Augment(input, Augmentation::kLight, second);
  EXPECT_TRUE(torch::equal(a, b));
  EXPECT_FALSE(torch::equal(a, Augment(input, Augmentation::kLight, first)));
  EXPECT_EQ((a != 0).sum().item<int>(), (input != 0).sum().item<int>());
  EXPECT_GT(a.max().item<float>(), 1.6f);
  EXPECT_LT(a.max().item<float>(), 2.4f);
  bool mirrored = false, kept = false;
  for (int i = 0; i < 40; ++i) {
    const auto one = Augment(input, Augmentation::kLight, first)[0];
    const auto columns = (one != 0).sum(torch::IntArrayRef{0, 1});
    const int left = columns.slice(0, 0, 16).sum().item<int>(), right = columns.slice(0, 16, 32).sum().item<int>();
    (left > right ? kept : mirrored) = true;
  }
  EXPECT_TRUE(mirrored && kept);
}

TEST(Training, LearnsAndIsRepeatable) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 40);
  auto options = ToyOptions();
  options.cohort = "/somewhere/toy.csv";
  options.command = "glionode train toy.csv";
  std::set<std::string> phases;
  double last_loss = 9;
  const BundleInfo first = Train(cases, ToyInfo(), options, folder.Path() / "a", [&](const TrainingProgress& p) {
    phases.insert(p.phase);
    if (p.steps) last_loss = p.loss;
  });
  const BundleInfo second = Train(cases, ToyInfo(), options, folder.Path() / "b", nullptr);
  EXPECT_EQ(first.weights_sha256, second.weights_sha256);
  EXPECT_EQ(first.calibration_slope, second.calibration_slope);
  EXPECT_EQ(first.reference_probability_of_necrosis, second.reference_probability_of_necrosis);
  options.seed = 12;
  EXPECT_NE(Train(cases, ToyInfo(), options, folder.Path() / "c", nullptr).weights_sha256, first.weights_sha256);

  EXPECT_EQ(phases, (std::set<std::string>{"final", "final, judging"}));
  EXPECT_LT(last_loss, 0.4);
  std::filesystem::create_directories(folder.Path() / "fresh");
  EXPECT_GE(Right(folder.Path() / "a", ToyCohort(folder.Path() / "fresh", 20, 16, 99)), 18);

  const BundleInfo read = ReadBundle(folder.Path() / "a");
  Classifier(folder.Path() / "a", "cpu", 1).SelfTest();
  EXPECT_EQ(read.training_prior, 0.5);
  EXPECT_EQ(read.patient_hashes.size(), 40u);
  EXPECT_THAT(read.patient_hashes, testing::Contains(PatientHash(read.patient_hash_salt, "patient3")));
  const json training = json::parse(read.training_json);
  EXPECT_EQ(training["cohort"], "toy.csv");
  EXPECT_EQ(training["cases"]["necrosis"], 20);
  EXPECT_EQ(training["command"], "glionode train toy.csv");
  EXPECT_EQ(training["seed"], 11);
  EXPECT_EQ(json::parse(read.evaluation_json)["necrosis"], 4);  // one patient in five
  EXPECT_FALSE(std::filesystem::exists(folder.Path() / "a" / "training-checkpoint.pt"));
  EXPECT_LT(std::filesystem::file_size(folder.Path() / "a" / "weights.safetensors"), 200000u);
}

/// A training that ends, as by a power cut, at the first step for which `when` is true.
template <typename When>
void BreakOff(const std::vector<TensorCase>& cases, const TrainingOptions& options, const std::filesystem::path& out,
              When when) {
  const auto stop = [&](const TrainingProgress& p) {
    if (when(p)) throw std::runtime_error("power cut");
  };
  EXPECT_THROW(Train(cases, ToyInfo(), options, out, stop), std::runtime_error);
}

class Resume : public testing::TestWithParam<int> {};

TEST_P(Resume, EqualsATrainingThatWasNeverBrokenOff) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 16);
  auto options = ToyOptions();
  options.folds = GetParam();
  options.epochs = 4;
  const BundleInfo whole = Train(cases, ToyInfo(), options, folder.Path() / "whole", nullptr);

  const std::string stop_phase = GetParam() ? "fold 2 of 2" : "final";
  const auto out = folder.Path() / "broken";
  BreakOff(cases, options, out,
           [&](const TrainingProgress& p) { return p.phase == stop_phase && p.epoch == 3 && p.step == 2; });
  EXPECT_TRUE(std::filesystem::exists(out / "training-checkpoint.pt"));
  EXPECT_FALSE(std::filesystem::exists(out / "bundle.json"));
  options.resume = true;
  int steps = 0;
  const BundleInfo resumed =
      Train(cases, ToyInfo(), options, out, [&](const TrainingProgress& p) { steps += p.steps > 0; });
  EXPECT_EQ(resumed.weights_sha256, whole.weights_sha256);
  EXPECT_EQ(resumed.calibration_slope, whole.calibration_slope);
  EXPECT_EQ(resumed.calibration_intercept, whole.calibration_intercept);
  EXPECT_LT(steps, GetParam() ? 30 : 13) << "the resumed training started from the beginning";
}
INSTANTIATE_TEST_SUITE_P(Folds, Resume, testing::Values(0, 2));

TEST(Training, ResumeRefusesAnotherTrainingAndADamagedCheckpoint) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 12);
  auto options = ToyOptions();
  options.epochs = 2;
  BreakOff(cases, options, folder.Path() / "out", [](const TrainingProgress& p) { return p.epoch == 2; });
  options.resume = true;
  options.seed = 77;
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([&] { Train(cases, ToyInfo(), options, folder.Path() / "out", nullptr); }, &code),
              HasSubstr("training-checkpoint.pt: belongs to a training with other"));
  EXPECT_EQ(code, ErrorCode::kUsage);
  const auto file = folder.Path() / "out" / "training-checkpoint.pt";
  Spill(file, Slurp(file).substr(0, 1000));
  EXPECT_THAT(ErrorOf([&] { Train(cases, ToyInfo(), options, folder.Path() / "out", nullptr); }, &code),
              HasSubstr("training-checkpoint.pt: the checkpoint cannot be read"));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
}

/// Everything that a checkpoint carries beside the weights: held-out predictions, distances and curves of two repeats.
TEST(Training, ResumedFoldsGiveTheSameLimitsAndCalibration) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 130);
  auto options = ToyOptions();
  options.epochs = 2;
  options.folds = 2;
  options.repeats = 2;
  const BundleInfo whole = Train(cases, ToyInfo(), options, folder.Path() / "whole", nullptr);
  const auto out = folder.Path() / "broken";
  BreakOff(cases, options, out, [](const TrainingProgress& p) { return p.phase == "fold 4 of 4" && p.epoch == 2; });
  options.resume = true;
  const BundleInfo resumed = Train(cases, ToyInfo(), options, out, nullptr);
  EXPECT_EQ(resumed.weights_sha256, whole.weights_sha256);
  EXPECT_EQ(resumed.domain_statistics_json, whole.domain_statistics_json);
  EXPECT_THAT(whole.domain_statistics_json, HasSubstr("\"limit\""));
  EXPECT_EQ(json::parse(whole.domain_statistics_json)["cases"]["judged"], 130)
      << "one case is one, however often judged";
  EXPECT_EQ(resumed.evaluation_json, whole.evaluation_json);
  EXPECT_EQ(resumed.calibration_slope, whole.calibration_slope);
  EXPECT_EQ(resumed.abstain, whole.abstain);
}

TEST(Training, RepeatsAreNotAveragedIntoANetworkThatNobodyServes) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 24);
  auto options = ToyOptions();
  options.epochs = 1;
  options.folds = 2;
  options.repeats = 3;
  std::int64_t last = 0, total = 0;
  const BundleInfo info = Train(cases, ToyInfo(), options, folder.Path() / "out", [&](const TrainingProgress& p) {
    EXPECT_GE(p.done, last);
    last = p.done, total = p.total;
  });
  EXPECT_EQ(total, 3 * 24 + 24);  // every repeat teaches each case once, the served network once more
  EXPECT_EQ(last, total);
  const json evaluation = json::parse(info.evaluation_json);
  EXPECT_EQ(evaluation["necrosis"], 12);
  ASSERT_EQ(evaluation["auc_by_repeat"].size(), 3u);
  EXPECT_EQ(evaluation["auc_by_repeat"][0], evaluation["auc"]["value"]);
}

TEST(Training, ResumeRefusesOtherImagesUnderTheSameNames) {
  TempFolder folder;
  auto cases = ToyCohort(folder.Path(), 12);
  auto options = ToyOptions();
  options.epochs = 2;
  BreakOff(cases, options, folder.Path() / "out", [](const TrainingProgress& p) { return p.epoch == 2; });
  options.resume = true;
  std::swap(cases[0].tensor_file, cases[2].tensor_file);  // both are recurrences
  const auto refused = HasSubstr("belongs to a training with other");
  EXPECT_THAT(ErrorOf([&] { Train(cases, ToyInfo(), options, folder.Path() / "out", nullptr); }), refused);
  std::swap(cases[0].tensor_file, cases[2].tensor_file);
  auto info = ToyInfo();
  info.spacing_mm *= 2;
  EXPECT_THAT(ErrorOf([&] { Train(cases, info, options, folder.Path() / "out", nullptr); }), refused);
}

TEST(Training, PatientsOfTheStartingWeightsStayKnown) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 12);
  auto options = ToyOptions();
  options.epochs = 1;
  auto info = ToyInfo();
  info.patient_hash_salt = std::string(32, 'a');
  info.patient_hashes = {PatientHash(info.patient_hash_salt, "earlier")};
  const BundleInfo made = Train(cases, info, options, folder.Path() / "out", nullptr);
  EXPECT_EQ(made.patient_hashes.size(), 13u);
  EXPECT_THAT(made.patient_hashes, testing::Contains(PatientHash(made.patient_hash_salt, "earlier")));
  EXPECT_THAT(made.patient_hashes, testing::Contains(PatientHash(made.patient_hash_salt, "patient3")));
}

TEST(Training, FoldsJudgeEveryCaseOnce) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 12);
  auto options = ToyOptions();
  options.epochs = 1;
  options.folds = 3;
  std::vector<std::string> phases;
  const BundleInfo info = Train(cases, ToyInfo(), options, folder.Path() / "out", [&](const TrainingProgress& p) {
    if (phases.empty() || phases.back() != p.phase) phases.push_back(p.phase);
  });
  const json evaluation = json::parse(info.evaluation_json);
  EXPECT_EQ(evaluation["kind"], "out-of-fold");
  EXPECT_EQ(evaluation["necrosis"], 6);
  EXPECT_EQ(evaluation["recurrence"], 6);
  EXPECT_EQ(phases.front(), "fold 1 of 3");
  EXPECT_EQ(phases.back(), "final");
}

TEST(Augment, FullTurnsDisplacesAndAddsGrainInsideTheHeadOnly) {
  auto input = torch::zeros({2, 32, 32, 32});
  input.slice(1, 8, 24).slice(2, 8, 24).slice(3, 8, 20).fill_(2);
  SplitMix64 first(9), second(9);
  const auto a = Augment(input, Augmentation::kFull, first), b = Augment(input, Augmentation::kFull, second);
  EXPECT_TRUE(torch::equal(a, b));
  EXPECT_FALSE(torch::equal(a, Augment(input, Augmentation::kFull, first)));
  EXPECT_EQ(a[0][0][0][0].item<float>(), 0);
  EXPECT_FALSE(torch::equal(a[0] != 0, a[1] != 0)) << "each sequence is displaced on its own";
  const double kept = (a != 0).sum().item<double>() / (input != 0).sum().item<double>();
  EXPECT_GT(kept, 0.8);
  EXPECT_LT(kept, 1.6);
  EXPECT_NEAR(a.masked_select(a.abs() > 1).mean().item<double>(), 2, 0.45);
  SplitMix64 third(9);
  EXPECT_TRUE(torch::equal(Augment(input, Augmentation::kNone, third), input));
  EXPECT_THAT(ErrorOf([] { AugmentationFromText("strong"); }), HasSubstr("'strong' is unknown"));
}

TEST(CaseOrder, SamplingDrawsBothClassesEquallyOften) {
  std::vector<int> members;
  std::vector<bool> necrosis;
  for (int i = 0; i < 40; ++i) members.push_back(100 + i), necrosis.push_back(i < 8);
  SplitMix64 random(3);
  const auto plain = CaseOrder(members, necrosis, false, random);
  EXPECT_EQ(std::set<int>(plain.begin(), plain.end()).size(), 40u);
  const auto even = CaseOrder(members, necrosis, true, random);
  EXPECT_EQ(even.size(), 40u);
  std::map<int, int> times;
  for (const int member : even) ++times[member];
  int of_necrosis = 0;
  for (int i = 0; i < 8; ++i) {
    of_necrosis += times[100 + i];
    EXPECT_GE(times[100 + i], 2) << "a class is dealt out whole before a case comes again";
  }
  EXPECT_EQ(of_necrosis, 20);
}

TEST(Training, FocalLossSamplingAndFullAugmentationLearnToo) {
  TempFolder folder;
  auto cases = ToyCohort(folder.Path(), 40);
  auto options = ToyOptions();
  options.loss = "focal";
  options.balance = "sampling";
  options.precision = "mixed";  // says nothing on a CPU
  options.record = folder.Path() / "record";
  double last = 9, auc = 0;
  const BundleInfo info = Train(cases, ToyInfo(), options, folder.Path() / "out", [&](const TrainingProgress& p) {
    if (p.steps) last = p.loss, auc = p.auc;
  });
  EXPECT_LT(last, 0.2);
  EXPECT_GT(auc, 0.9);
  const json training = json::parse(info.training_json);
  EXPECT_EQ(training["loss"], "focal");
  EXPECT_EQ(training["balance"], "sampling");
  EXPECT_GE(Right(folder.Path() / "out", cases), 36);
  const std::string csv = Slurp(options.record / "curves.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + options.epochs);
  EXPECT_THAT(csv, HasSubstr("1,final,6,"));
  EXPECT_THAT(Slurp(options.record / "curves.html"), HasSubstr("held out"));
  EXPECT_THAT(Slurp(options.record / "out-of-fold" / "report.html"),
              HasSubstr("fifth of the patients that was held back"));
}

TEST(Training, AFullDiskLeavesTheLastCheckpointWhole) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 12);
  auto options = ToyOptions();
  options.epochs = 3;
  const auto out = folder.Path() / "out";
  const auto checkpoint = out / "training-checkpoint.pt";
  const BundleInfo whole = Train(cases, ToyInfo(), options, folder.Path() / "whole", nullptr);
  std::string before;
  // Files of this process may not grow beyond a few bytes from the third epoch on: every write fails then.
  struct rlimit old {};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const std::string complaint = ErrorOf([&] {
    Train(cases, ToyInfo(), options, out, [&](const TrainingProgress& p) {
      if (p.epoch != 3 || p.step != 1) return;
      before = Slurp(checkpoint);
      const struct rlimit small { 1000, old.rlim_max };
      setrlimit(RLIMIT_FSIZE, &small);
    });
  });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, ignored);
  EXPECT_THAT(complaint, HasSubstr("cannot be written"));
  EXPECT_FALSE(before.empty());
  EXPECT_EQ(Slurp(checkpoint), before);
  for (const auto& file : std::filesystem::directory_iterator(out))
    EXPECT_NE(file.path().extension(), ".tmp") << "half a file would hold the last free bytes";
  options.resume = true;
  EXPECT_EQ(Train(cases, ToyInfo(), options, out, nullptr).weights_sha256, whole.weights_sha256);
}

TEST(Training, BadOptionsAndCohortsAreRefused) {
  TempFolder folder;
  auto cases = ToyCohort(folder.Path(), 12);
  const auto complaint = [&](auto change) {
    auto options = ToyOptions();
    auto info = ToyInfo();
    auto cohort = cases;
    change(options, info, cohort);
    return ErrorOf([&] { Train(cohort, info, options, folder.Path() / "out", nullptr); });
  };
  EXPECT_THAT(complaint([](auto& o, auto&, auto&) { o.epochs = 0; }), HasSubstr("epochs"));
  EXPECT_THAT(complaint([](auto& o, auto&, auto&) { o.loss = "hinge"; }), HasSubstr("'hinge'"));
  EXPECT_THAT(complaint([](auto& o, auto&, auto&) { o.augmentation = "wild"; }), HasSubstr("'wild'"));
  EXPECT_THAT(complaint([](auto& o, auto&, auto&) { o.folds = 1; }), HasSubstr("folds"));
  EXPECT_THAT(complaint([](auto& o, auto&, auto&) { o.repeats = 2; }), HasSubstr("repeats need folds"));
  EXPECT_THAT(complaint([](auto& o, auto&, auto&) { o.device = "tpu"; }), HasSubstr("'tpu'"));
  EXPECT_THAT(complaint([](auto&, auto& i, auto&) { i.network.type = "alexnet"; }), HasSubstr("'alexnet'"));
  EXPECT_THAT(complaint([](auto&, auto&, auto& c) { c[3].label = "mixed"; }), HasSubstr("study3: label 'mixed'"));
  EXPECT_THAT(complaint([](auto&, auto&, auto& c) { c.resize(5); }),
              testing::AllOf(HasSubstr("patients with"), HasSubstr("one patient in five is held back")));
  EXPECT_THAT(complaint([](auto&, auto&, auto& c) { std::filesystem::remove(c[2].tensor_file); }), HasSubstr("case2"));
  EXPECT_FALSE(std::filesystem::exists(folder.Path() / "out" / "bundle.json"));
}

}  // namespace
}  // namespace glionode::networks
