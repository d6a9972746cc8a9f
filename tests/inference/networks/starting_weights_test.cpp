#include "inference/networks/starting_weights.h"

#include "config/sha256.h"
#include "inference/networks/map_check.h"
#include "inference/networks/network.h"
#include "inference/networks/weights.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace glionode::networks {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

NetworkSpec Spec(const std::string& layout = "dilated") {
  NetworkSpec spec;
  spec.width = 0.0625;
  spec.layout = layout;
  return spec;
}

/// Weights as MedicalNet's file has them: prefix, a stem for one channel, counters, a segmentation head instead of
/// ours.
std::map<std::string, SafeTensor> MedicalNetLike() {
  torch::manual_seed(21);
  NetworkSpec one = Spec();
  one.sequences = {Role::kT1ce};
  std::map<std::string, SafeTensor> tensors;
  for (auto& [name, tensor] : WeightsOf(*MakeNetwork(one))) {
    if (name.starts_with("fc.")) continue;
    tensor.half = false;
    tensors["module." + name] = tensor;
  }
  tensors["module.conv_seg.0.weight"] = {{2, 1}, {1, 2}, false};
  return tensors;
}

const std::map<std::string, std::string> kDilated = {{"layout", "dilated"}, {"stem_stride", "2"}};

class Starting : public testing::Test {
 protected:
  std::filesystem::path Write(const std::map<std::string, SafeTensor>& tensors,
                              const std::map<std::string, std::string>& metadata = kDilated) {
    const auto file = folder_.Path() / "start.safetensors";
    Spill(file, EncodeSafetensors(tensors, metadata));
    return file;
  }
  std::string Complaint(const std::filesystem::path& file, const NetworkSpec& spec = Spec(),
                        const std::string& layout = "", ErrorCode* code = nullptr) {
    return ErrorOf([&] { DescribeStartingWeights(spec, file, layout); }, code);
  }
  TempFolder folder_;
};

TEST_F(Starting, MedicalNetsNamesLoadAndTheStemIsSpread) {
  const auto source = MedicalNetLike();
  const auto network = MakeNetwork(Spec());
  const auto report = LoadStartingWeights(*network, Spec(), Write(source), "");
  const auto now = WeightsOf(*network);
  EXPECT_EQ(now.at("layer4.0.conv2.weight").values, source.at("module.layer4.0.conv2.weight").values);
  EXPECT_THAT(report.loaded, Contains("layer2.0.downsample.1.running_var"));
  EXPECT_THAT(report.not_loaded, testing::ElementsAre(StartsWith("conv_seg.0.weight: ")));
  EXPECT_THAT(report.fresh, testing::UnorderedElementsAre("fc.weight", "fc.bias"));
  EXPECT_EQ(report.loaded.size() + report.fresh.size(), now.size());
  // Equal channels give what the one channel gave.
  NetworkSpec one = Spec();
  one.sequences = {Role::kT1ce};
  const auto single = MakeNetwork(one);
  LoadStartingWeights(*single, one, Write(source), "");
  single->eval(), network->eval();
  torch::NoGradGuard no_grad;
  const auto input = torch::randn({1, 1, 24, 24, 24});
  EXPECT_LT((single->Features(input) - network->Features(input.repeat({1, 3, 1, 1, 1}))).abs().max().item<double>(),
            1e-4);
}

TEST_F(Starting, AStructureThatDoesNotFitIsRefused) {
  const auto source = MedicalNetLike();
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(Complaint(Write(source), Spec("strided"), "", &code), HasSubstr("learned with layout dilated"));
  EXPECT_EQ(code, ErrorCode::kUsage);
  EXPECT_THAT(Complaint(Write(source, {})), HasSubstr("--init-layout"));
  EXPECT_THAT(Complaint(Write(source, {}), Spec(), "dilated"), IsEmpty());
  EXPECT_THAT(Complaint(Write(source, {}), Spec(), "strided"), HasSubstr("learned with layout strided"));
  EXPECT_THAT(Complaint(Write(source), Spec(), "strided"), HasSubstr("metadata says layout dilated"));
  EXPECT_THAT(Complaint(Write(source, {{"layout", "dilated"}, {"stem_stride", "1"}})), HasSubstr("stem has stride 1"));
  auto without = source;
  for (int stage = 2; stage <= 4; ++stage)
    without.erase("module.layer" + std::to_string(stage) + ".0.downsample.0.weight");
  EXPECT_THAT(Complaint(Write(without)), HasSubstr("type A"));
  auto deeper = source;
  deeper["module.layer1.1.conv1.weight"] = {{1}, {0}, false};
  EXPECT_THAT(Complaint(Write(deeper)), HasSubstr("deeper ResNet"));
  NetworkSpec vgg = Spec();
  vgg.type = "vgg16";
  EXPECT_THAT(Complaint(Write(source), vgg), HasSubstr("fit resnet10 only"));
  NetworkSpec wide = Spec();
  wide.width = 0.125;
  EXPECT_THAT(Complaint(Write(source), wide, "", &code), HasSubstr("these weights need --width 1"));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
}

TEST_F(Starting, TheListSaysWhatBecameOfTheStem) {
  const auto source = MedicalNetLike();
  const auto loaded = [&](const std::map<std::string, std::string>& metadata, const std::string& layout) {
    return DescribeStartingWeights(Spec(), Write(source, metadata), layout).loaded;
  };
  EXPECT_THAT(loaded(kDilated, ""), Contains("conv1.weight: one channel spread over 3"));
  auto with_sequence = kDilated;
  with_sequence["sequences"] = "t1";
  EXPECT_THAT(loaded(with_sequence, ""),
              Contains("conv1.weight: one channel spread over 3: learned with t1, not with t1,t2,t1ce"));
  // The layout alone says nothing of the stem's stride, and MONAI's default is another one.
  EXPECT_THAT(Complaint(Write(source, {{"layout", "dilated"}})), HasSubstr("says no stem_stride"));
  EXPECT_THAT(loaded({{"layout", "dilated"}}, "dilated"),
              Contains(AllOf(HasSubstr("spread over 3"), HasSubstr("stride 2 is presumed"))));
}

TEST_F(Starting, AStemForOtherSequencesIsRefused) {
  torch::manual_seed(23);
  const auto trained = WeightsOf(*MakeNetwork(Spec()));
  auto metadata = kDilated;
  metadata["sequences"] = "t1,t2,t1ce";
  EXPECT_THAT(Complaint(Write(trained, metadata)), IsEmpty());
  EXPECT_THAT(DescribeStartingWeights(Spec(), Write(trained, metadata), "").loaded, Contains("conv1.weight"));
  for (const char* other : {"t2,t1,t1ce", "t1,t2"}) {
    metadata["sequences"] = other;
    ErrorCode code = ErrorCode::kInternal;
    EXPECT_THAT(Complaint(Write(trained, metadata), Spec(), "", &code),
                HasSubstr(std::string("its channels are ") + other + ", the network's t1,t2,t1ce"));
    EXPECT_EQ(code, ErrorCode::kUsage);
  }
}

TEST_F(Starting, OnlyTheHeadMayBeMissing) {
  for (const char* name : {"bn1.running_mean", "layer1.0.bn2.weight", "layer2.0.downsample.1.running_var",
                           "layer3.0.conv2.weight", "layer4.0.bn1.bias"}) {
    auto source = MedicalNetLike();
    source.erase(std::string("module.") + name);
    ErrorCode code = ErrorCode::kInternal;
    EXPECT_THAT(Complaint(Write(source), Spec(), "", &code),
                HasSubstr(std::string("start.safetensors: ") + name + ": is missing; only the head may start"));
    EXPECT_EQ(code, ErrorCode::kBadDataset);
  }
}

TEST_F(Starting, PartsThatTheNetworkDoesNotHaveAreRefusedBeforeTheHead) {
  auto source = MedicalNetLike();
  source["module.layer1.0.conv3.weight"] = {{1}, {0}, false};
  EXPECT_THAT(Complaint(Write(source)),
              HasSubstr("layer1.0.conv3.weight: the network has no such tensor, and without"));
}

TEST_F(Starting, AVarianceBelowZeroIsRefused) {
  auto source = MedicalNetLike();
  source.at("module.layer3.0.bn1.running_var").values[1] = -0.5f;
  EXPECT_THAT(Complaint(Write(source)), HasSubstr("layer3.0.bn1.running_var: a variance is below zero"));
}

TEST_F(Starting, AHeadCountsOnlyIfItsClassesAreOurs) {
  torch::manual_seed(22);
  const auto trained = WeightsOf(*MakeNetwork(Spec()));
  auto metadata = kDilated;
  EXPECT_THAT(DescribeStartingWeights(Spec(), Write(trained, metadata), "").fresh, Contains("fc.weight"));
  metadata["classes"] = "recurrence,necrosis";
  const auto network = MakeNetwork(Spec());
  const auto file = Write(trained, metadata);
  const auto stored = ReadSafetensors(file);
  EXPECT_THAT(LoadStartingWeights(*network, Spec(), file, "").fresh, IsEmpty());
  EXPECT_EQ(WeightsOf(*network).at("fc.weight").values, stored.at("fc.weight").values);
  metadata["classes"] = "necrosis,recurrence";
  LoadStartingWeights(*network, Spec(), Write(trained, metadata), "");
  const auto turned = WeightsOf(*network).at("fc.bias").values, plain = stored.at("fc.bias").values;
  EXPECT_EQ(turned, (std::vector<float>{plain[1], plain[0]}));
}

TEST_F(Starting, AShortcutsBiasIsFolded) {
  auto source = MedicalNetLike();
  const std::size_t channels = source.at("module.layer2.0.downsample.1.running_mean").values.size();
  auto with_bias = source;
  with_bias["module.layer2.0.downsample.0.bias"] = {
      {static_cast<std::int64_t>(channels)}, std::vector<float>(channels, 0.25f), false};
  const auto network = MakeNetwork(Spec());
  const auto report = LoadStartingWeights(*network, Spec(), Write(with_bias), "");
  EXPECT_THAT(report.not_loaded, Contains(HasSubstr("folded into")));
  EXPECT_FLOAT_EQ(WeightsOf(*network).at("layer2.0.downsample.1.running_mean").values[0],
                  source.at("module.layer2.0.downsample.1.running_mean").values[0] - 0.25f);
  // Nothing is called folded that was not.
  auto short_bias = with_bias;
  short_bias.at("module.layer2.0.downsample.0.bias") = {{1}, {0.25f}, false};
  EXPECT_THAT(Complaint(Write(short_bias)), HasSubstr("layer2.0.downsample.0.bias: shape is 1, "));
  auto without_mean = with_bias;
  without_mean.erase("module.layer2.0.downsample.1.running_mean");
  EXPECT_THAT(Complaint(Write(without_mean)), HasSubstr("layer2.0.downsample.1.running_mean: is missing"));
  auto of_the_stem = source;
  const auto stem_channels = source.at("module.bn1.running_mean").values.size();
  of_the_stem["module.conv1.bias"] = {
      {static_cast<std::int64_t>(stem_channels)}, std::vector<float>(stem_channels, 0.5f), false};
  EXPECT_THAT(DescribeStartingWeights(Spec(), Write(of_the_stem), "").not_loaded,
              Contains(HasSubstr("conv1.bias: folded into bn1.running_mean")));
}

TEST_F(Starting, TrainingBeginsThere) {
  const auto cases = ToyCohort(folder_.Path(), 12);
  auto options = ToyOptions();
  options.epochs = 1;
  options.learning_rate = 1e-12;  // what comes out is what went in
  options.init = Write(MedicalNetLike());
  Train(cases, ToyInfo(), options, folder_.Path() / "out", nullptr);
  const auto made = ReadSafetensors(folder_.Path() / "out" / "weights.safetensors");
  const auto wanted = MedicalNetLike().at("module.layer3.0.conv1.weight").values;
  const auto& found = made.at("layer3.0.conv1.weight").values;
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], wanted[i], 1e-3);
  EXPECT_THAT(ReadBundle(folder_.Path() / "out").training_json, HasSubstr("\"starting_weights\""));
  // A bundle's own weights say all that is needed to start from them.
  EXPECT_THAT(DescribeStartingWeights(Spec(), folder_.Path() / "out" / "weights.safetensors", "").fresh, IsEmpty());
}

class MapCheckTest : public testing::Test {
 protected:
  static constexpr std::size_t kCases = 6;
  MapCheckTest() {
    const auto cases = ToyCohort(folder_.Path(), 24);
    for (std::size_t i = 0; i < kCases; ++i) files_.push_back(cases[i].tensor_file);
    auto options = ToyOptions();
    options.epochs = 8;
    Train(cases, ToyInfo(), options, Bundle(), nullptr);
  }
  std::filesystem::path Bundle() const { return folder_.Path() / "out"; }
  TempFolder folder_;
  std::vector<std::filesystem::path> files_;
};

TEST_F(MapCheckTest, RandomWeightsChangeTheMapAndEqualOnesDoNot) {
  const auto shown = EvidenceMaps(Bundle(), files_, Redrawn::kNothing, 1);
  ASSERT_EQ(shown.size(), kCases);
  for (const auto& map : shown)
    EXPECT_LT(*std::min_element(map.begin(), map.end()), *std::max_element(map.begin(), map.end())) << "it varies";
  const auto again = EvidenceMaps(Bundle(), files_, Redrawn::kNothing, 1);
  for (std::size_t i = 0; i < shown.size(); ++i) EXPECT_NEAR(RankCorrelation(shown[i], again[i]), 1, 1e-12);
  auto before = shown;
  for (const Redrawn part : {Redrawn::kHead, Redrawn::kLaterHalf, Redrawn::kAll}) {
    const auto redrawn = EvidenceMaps(Bundle(), files_, part, 1);
    for (std::size_t i = 0; i < shown.size(); ++i) {
      EXPECT_NE(redrawn[i], shown[i]);
      EXPECT_NE(redrawn[i], before[i]) << "each part draws more anew";
    }
    before = redrawn;
  }
  const auto check = CheckMap(Bundle(), files_, 1);
  EXPECT_EQ(check.cases, static_cast<int>(kCases));
  EXPECT_EQ(check.constant, 0);
  ASSERT_EQ(check.levels.size(), 3u);
  for (const auto& level : check.levels) {
    EXPECT_LT(level.size, 0.95) << level.randomised;
    EXPECT_GE(level.size, std::abs(level.correlation)) << level.randomised;
  }
}

TEST_F(MapCheckTest, AConstantMapIsNothingToCheck) {
  auto tensors = ReadSafetensors(Bundle() / "weights.safetensors");
  for (float& value : tensors.at("fc.weight").values) value = 0;
  const std::string weights = EncodeSafetensors(tensors);
  BundleInfo info = ReadBundle(Bundle());
  info.weights_sha256 = Sha256Hex(weights);
  Spill(Bundle() / "weights.safetensors", weights);
  WriteBundle(Bundle(), info);
  const auto check = CheckMap(Bundle(), files_, 1);
  EXPECT_EQ(check.cases, static_cast<int>(kCases));
  EXPECT_EQ(check.constant, check.cases);
  for (const auto& level : check.levels) {
    EXPECT_TRUE(std::isnan(level.correlation)) << level.randomised;
    EXPECT_TRUE(std::isnan(level.size)) << level.randomised;
  }
}

TEST(RankCorrelationOf, KnownValues) {
  EXPECT_NEAR(RankCorrelation({1, 2, 3, 4}, {10, 20, 30, 40}), 1, 1e-12);
  EXPECT_NEAR(RankCorrelation({1, 2, 3, 4}, {4, 3, 2, 1}), -1, 1e-12);
  EXPECT_NEAR(RankCorrelation({1, 2, 2, 4}, {1, 2, 3, 4}), 0.9486832980505138, 1e-12);  // SciPy's spearmanr
  EXPECT_TRUE(std::isnan(RankCorrelation({1, 1, 1}, {1, 2, 3})));
}

}  // namespace
}  // namespace glionode::networks
