#include "inference/networks/starting_weights.h"

#include "inference/networks/map_check.h"
#include "inference/networks/network.h"
#include "inference/networks/weights.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <fstream>

namespace glionode::networks {
namespace {

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

TEST(MapCheck, RandomWeightsChangeTheMapAndEqualOnesDoNot) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 24);
  auto options = ToyOptions();
  options.epochs = 8;
  Train(cases, ToyInfo(), options, folder.Path() / "out", nullptr);
  const auto check = CheckMap(folder.Path() / "out", {cases[0].tensor_file, cases[1].tensor_file}, 1);
  EXPECT_EQ(check.cases, 2);
  ASSERT_EQ(check.levels.size(), 3u);
  for (const auto& level : check.levels) EXPECT_LT(std::abs(level.correlation), 0.95) << level.randomised;
  EXPECT_NEAR(RankCorrelation({1, 2, 3, 4}, {10, 20, 30, 40}), 1, 1e-12);
  EXPECT_NEAR(RankCorrelation({1, 2, 3, 4}, {4, 3, 2, 1}), -1, 1e-12);
  EXPECT_NEAR(RankCorrelation({1, 2, 2, 4}, {1, 2, 3, 4}), 0.9486832980505138, 1e-12);  // SciPy's spearmanr
  EXPECT_EQ(RankCorrelation({1, 1, 1}, {1, 2, 3}), 0);
}

}  // namespace
}  // namespace glionode::networks
