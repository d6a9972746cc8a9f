#include "inference/networks/classifier.h"

#include "config/sha256.h"
#include "inference/networks/safetensors.h"
#include "inference/networks/weights.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace glionode::networks {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kShape = 32;

/// An untrained network as a bundle that is whole but for its reference answer.
BundleInfo MakeBundle(const std::filesystem::path& folder, const std::string& layout = "dilated") {
  torch::manual_seed(4);
  BundleInfo info = ToyInfo(kShape, 0.125, layout);
  auto network = MakeNetwork(info.network);
  RoundToStored(*network);
  const std::string weights = EncodeSafetensors(WeightsOf(*network));
  Spill(folder / "weights.safetensors", weights);
  info.weights_sha256 = Sha256Hex(weights);
  info.reference_seed = 1;
  const auto input = ReferenceInput(1, 3, kShape);
  Sha256 hash;
  hash.Update(input.data(), input.size() * sizeof(float));
  info.reference_input_sha256 = hash.HexDigest();
  WriteBundle(folder, info);
  info.reference_probability_of_necrosis = Classifier(folder, "cpu", 1).Classify(input).probability_of_necrosis;
  WriteBundle(folder, info);
  return info;
}

/// The bundle's weights with other words about them.
void Relabel(const std::filesystem::path& folder, BundleInfo& info,
             const std::map<std::string, std::string>& metadata) {
  const std::string bytes = EncodeSafetensors(ReadSafetensors(folder / "weights.safetensors"), metadata);
  Spill(folder / "weights.safetensors", bytes);
  info.weights_sha256 = Sha256Hex(bytes);
  WriteBundle(folder, info);
}

TEST(ReferenceInput, IsTheSameEverywhere) {
  const auto input = ReferenceInput(1, 3, kShape);
  ASSERT_EQ(input.size(), 3u * kShape * kShape * kShape);
  Sha256 hash;
  hash.Update(input.data(), input.size() * sizeof(float));
  EXPECT_EQ(hash.HexDigest(), "251b734905e181cb515944a58e496ec09275a6d738c83cdefe52c8a7e54964de");
  EXPECT_EQ(input[0], 0);
  EXPECT_NE(ReferenceInput(2, 3, kShape), input);
  EXPECT_LE(*std::max_element(input.begin(), input.end()), 3.0f);
}

TEST(Classifier, AnswersWithProbabilityAndMap) {
  TempFolder folder;
  const BundleInfo info = MakeBundle(folder.Path());
  Classifier classifier(folder.Path(), "auto", 1);
  EXPECT_EQ(classifier.Info().name, "toy");
  const Answer answer = classifier.Classify(ReferenceInput(1, 3, kShape));
  EXPECT_NEAR(answer.probability_of_necrosis, info.reference_probability_of_necrosis, 1e-5);
  EXPECT_NEAR(answer.probability_of_necrosis, 1 / (1 + std::exp(-answer.logit)), 1e-12);
  EXPECT_EQ(answer.map_size, (std::array<int, 3>{4, 4, 4}));
  ASSERT_EQ(answer.map.size(), 64u);
  EXPECT_EQ(*std::max_element(answer.map.begin(), answer.map.end()), 1.0f);
  EXPECT_GE(*std::min_element(answer.map.begin(), answer.map.end()), 0.0f);
  EXPECT_EQ(answer.map_class, answer.probability_of_necrosis >= 0.5 ? "necrosis" : "recurrence");
}

TEST(Classifier, GivesTheSameBitsEveryTime) {
  TempFolder folder;
  MakeBundle(folder.Path());
  Classifier first(folder.Path(), "cpu", 2), second(folder.Path(), "cpu", 2);
  const auto input = ReferenceInput(7, 3, kShape);
  const Answer once = first.Classify(input);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(first.Classify(input).logit, once.logit);
    EXPECT_EQ(first.Classify(input).map, once.map);
  }
  EXPECT_EQ(second.Classify(input).logit, once.logit);
  Classifier single(folder.Path(), "cpu", 1);
  EXPECT_NEAR(single.Classify(input).probability_of_necrosis, once.probability_of_necrosis, 1e-5);
}

TEST(Classifier, CalibrationIsApplied) {
  TempFolder folder;
  BundleInfo info = MakeBundle(folder.Path());
  const auto input = ReferenceInput(3, 3, kShape);
  const double raw = Classifier(folder.Path(), "cpu", 1).Classify(input).logit;
  info.calibration_slope = 0.5;
  info.calibration_intercept = -2;
  WriteBundle(folder.Path(), info);
  const Answer answer = Classifier(folder.Path(), "cpu", 1).Classify(input);
  EXPECT_NEAR(answer.logit, 0.5 * raw - 2, 1e-9);
  EXPECT_EQ(answer.raw_logit, raw);
}

TEST(Classifier, BadInputIsRefused) {
  TempFolder folder;
  MakeBundle(folder.Path());
  Classifier classifier(folder.Path(), "cpu", 1);
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([&] { classifier.Classify(std::vector<float>(10)); }, &code), HasSubstr("3 x 32^3"));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
  auto input = ReferenceInput(1, 3, kShape);
  input[100] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(ErrorOf([&] { classifier.Classify(input); }, &code), HasSubstr("not finite at 100"));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
}

TEST(Classifier, SelfTestProvesTheBundle) {
  TempFolder folder;
  BundleInfo info = MakeBundle(folder.Path());
  EXPECT_NO_THROW(Classifier(folder.Path(), "cpu", 1).SelfTest());
  const double good = info.reference_probability_of_necrosis;
  info.reference_probability_of_necrosis = good > 0.5 ? good - 0.01 : good + 0.01;
  WriteBundle(folder.Path(), info);
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1).SelfTest(); }), HasSubstr("the bundle says"));
  info.reference_probability_of_necrosis = good;
  info.reference_seed = 2;
  WriteBundle(folder.Path(), info);
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1).SelfTest(); }), HasSubstr("input_sha256"));
}

TEST(Classifier, SelfTestSeesWhatASaturatedProbabilityHides) {
  TempFolder folder;
  BundleInfo info = MakeBundle(folder.Path());
  const double raw = Classifier(folder.Path(), "cpu", 1).Classify(ReferenceInput(1, 3, kShape)).raw_logit;
  info.calibration_intercept = 60;  // every answer is "necrosis, for sure"
  info.reference_probability_of_necrosis = 1;
  info.reference_logit = raw;
  WriteBundle(folder.Path(), info);
  EXPECT_NO_THROW(Classifier(folder.Path(), "cpu", 1).SelfTest());
  info.reference_logit = raw + 0.01 * (1 + std::abs(raw));
  WriteBundle(folder.Path(), info);
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1).SelfTest(); }),
              HasSubstr("bundle.json: reference: logit: the reference input gives "));
}

TEST(Classifier, WeightsThatWereLearnedWithOtherSequencesAreRefused) {
  TempFolder folder;
  BundleInfo info = MakeBundle(folder.Path());
  Relabel(folder.Path(), info, {{"sequences", "t1,t2,t1ce"}, {"layout", "dilated"}});
  EXPECT_NO_THROW(Classifier(folder.Path(), "cpu", 1).SelfTest());
  Relabel(folder.Path(), info, {{"sequences", "t2,t1,t1ce"}});
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1); }, &code),
              AllOf(HasSubstr("weights.safetensors: sequences: the weights were learned with t2,t1,t1ce, but "),
                    HasSubstr("bundle.json stands for t1,t2,t1ce")));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
  Relabel(folder.Path(), info, {{"sequences", "t1,t2,t1ce"}});
  std::swap(info.network.sequences[0], info.network.sequences[1]);
  WriteBundle(folder.Path(), info);
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1); }), HasSubstr("bundle.json stands for t2,t1,t1ce"));
  std::swap(info.network.sequences[0], info.network.sequences[1]);
  Relabel(folder.Path(), info, {{"layout", "strided"}});
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1); }),
              HasSubstr("layout: the weights were learned with"));
  Relabel(folder.Path(), info, {{"classes", "necrosis,recurrence"}});
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1); }), HasSubstr("classes: the weights"));
}

TEST(Classifier, AnswersWithTheFilesThatWereHashed) {
  TempFolder folder;
  const BundleInfo info = MakeBundle(folder.Path());
  BundleFiles files = ReadBundleFiles(folder.Path());
  const std::string before = files.sha256;
  BundleInfo other = info;
  other.calibration_intercept = 60;
  WriteBundle(folder.Path(), other);
  Classifier classifier(folder.Path(), std::move(files), "cpu", 1);
  EXPECT_EQ(classifier.BundleHash(), before);
  EXPECT_NO_THROW(classifier.SelfTest());
  EXPECT_NE(Classifier(folder.Path(), "cpu", 1).BundleHash(), before);
}

TEST(Classifier, SelfTestSeesAlteredWeightsEvenWithAMatchingHash) {
  TempFolder folder;
  BundleInfo info = MakeBundle(folder.Path());
  auto weights = ReadSafetensors(folder.Path() / "weights.safetensors");
  for (float& value : weights.at("fc.weight").values)
    value += 0.05f * (&value - weights.at("fc.weight").values.data() < 64 ? 1.0f : -1.0f);
  const std::string bytes = EncodeSafetensors(weights);
  Spill(folder.Path() / "weights.safetensors", bytes);
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1); }), HasSubstr("weights_sha256"));
  info.weights_sha256 = Sha256Hex(bytes);
  WriteBundle(folder.Path(), info);
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1).SelfTest(); }, &code),
              HasSubstr("the reference input gives"));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
}

TEST(Classifier, WeightsOfAnotherNetworkAreRefused) {
  TempFolder folder;
  BundleInfo info = MakeBundle(folder.Path());
  info.network.width = 0.25;
  WriteBundle(folder.Path(), info);
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path(), "cpu", 1); }, &code), HasSubstr("shape is"));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
  EXPECT_THAT(ErrorOf([&] { Classifier(folder.Path() / "none", "cpu", 1); }, &code), HasSubstr("bundle.json"));
  EXPECT_EQ(code, ErrorCode::kMissingPart);
}

TEST(Classifier, CpuAndGpuAgree) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "this machine has no CUDA device";
  TempFolder folder;
  MakeBundle(folder.Path());
  Classifier cpu(folder.Path(), "cpu", 1), gpu(folder.Path(), "cuda", 1);
  gpu.SelfTest();
  for (std::uint64_t seed = 1; seed < 5; ++seed) {
    const auto input = ReferenceInput(seed, 3, kShape);
    EXPECT_NEAR(cpu.Classify(input).probability_of_necrosis, gpu.Classify(input).probability_of_necrosis, 1e-3);
  }
}

}  // namespace
}  // namespace glionode::networks
