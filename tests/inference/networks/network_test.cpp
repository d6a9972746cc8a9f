#include "inference/networks/network.h"

#include "inference/networks/activation_map.h"
#include "inference/networks/device.h"
#include "inference/networks/weights.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace glionode::networks {
namespace {

using testing::HasSubstr;

NetworkSpec Spec(double width, const std::string& layout = "dilated", const std::string& type = "resnet10") {
  NetworkSpec spec;
  spec.type = type;
  spec.width = width;
  spec.layout = layout;
  return spec;
}

/// Running statistics as after training: neither 0 nor 1.
void Unsettle(Network& network) {
  torch::NoGradGuard no_grad;
  for (auto& buffer : network.named_buffers()) {
    if (buffer.key().ends_with("running_mean")) buffer.value().normal_(0, 0.3);
    if (buffer.key().ends_with("running_var")) buffer.value().uniform_(0.5, 2.0);
  }
  for (auto& parameter : network.named_parameters())
    if (parameter.value().dim() == 1) parameter.value().add_(torch::rand_like(parameter.value()) * 0.2);
}

TEST(ResNet10, HasMedicalNetsSizeAtFullWidth) {
  EXPECT_EQ(ParameterCount(*MakeNetwork(Spec(1))), 14400450);
  EXPECT_EQ(ParameterCount(*MakeNetwork(Spec(1, "strided"))), 14400450);
  EXPECT_EQ(ParameterCount(*MakeNetwork(Spec(0.25))), 913650);
}

TEST(Networks, OneSequenceVariantsHaveTheirSizes) {
  const auto count = [](const char* type, std::vector<Role> sequences) {
    NetworkSpec spec = Spec(1, "strided", type);
    spec.sequences = std::move(sequences);
    return ParameterCount(*MakeNetwork(spec));
  };
  const std::vector<Role> three = {Role::kT1, Role::kT2, Role::kT1ce};
  EXPECT_EQ(count("mresnet", three), 16238018);
  for (const Role role : three) {
    EXPECT_EQ(count("resnet10", {role}), 14356546);  // 2 x 64 x 7^3 fewer in the stem
    EXPECT_EQ(count("mresnet", {role}), 14373186);   // one branch, fused by itself
    EXPECT_EQ(count("vgg16", {role}), 44141634);
  }
}

TEST(ResNet10, HasMedicalNetsNamesAndShapes) {
  const auto weights = WeightsOf(*MakeNetwork(Spec(1)));
  std::set<std::string> expected = {"conv1.weight", "fc.weight", "fc.bias"};
  const auto norm = [&](const std::string& name) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) expected.insert(name + part);
  };
  norm("bn1");
  for (int layer = 1; layer <= 4; ++layer) {
    const std::string block = "layer" + std::to_string(layer) + ".0.";
    expected.insert(block + "conv1.weight");
    expected.insert(block + "conv2.weight");
    norm(block + "bn1");
    norm(block + "bn2");
    if (layer == 1) continue;
    expected.insert(block + "downsample.0.weight");
    norm(block + "downsample.1");
  }
  std::set<std::string> found;
  for (const auto& [name, tensor] : weights) found.insert(name);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(weights.at("conv1.weight").shape, (std::vector<std::int64_t>{64, 3, 7, 7, 7}));
  EXPECT_EQ(weights.at("layer4.0.downsample.0.weight").shape, (std::vector<std::int64_t>{512, 256, 1, 1, 1}));
  EXPECT_EQ(weights.at("fc.weight").shape, (std::vector<std::int64_t>{2, 512}));
}

TEST(ResNet10, LayoutsDifferInTheLastMap) {
  torch::NoGradGuard no_grad;
  const auto input = torch::zeros({1, 3, 64, 64, 64});
  const auto dilated = MakeNetwork(Spec(0.0625)), strided = MakeNetwork(Spec(0.0625, "strided"));
  EXPECT_EQ(dilated->Features(input).sizes().vec(), (std::vector<std::int64_t>{1, 32, 8, 8, 8}));
  EXPECT_EQ(strided->Features(input).sizes().vec(), (std::vector<std::int64_t>{1, 32, 2, 2, 2}));
}

/// "k7 s2 p3 d1" of every convolution, by name: what shapes and counts of parameters do not show.
std::map<std::string, std::string> Geometry(const NetworkSpec& spec) {
  std::map<std::string, std::string> found;
  const auto text = [](const torch::ExpandingArray<3>& sizes) {
    const auto& three = *sizes;
    EXPECT_TRUE(three[0] == three[1] && three[1] == three[2]);
    return std::to_string(three[0]);
  };
  const auto network = MakeNetwork(spec);
  for (const auto& item : network->named_modules("", /*include_self=*/false)) {
    const auto* convolution = item.value()->as<torch::nn::Conv3dImpl>();
    if (!convolution) continue;
    const auto& options = convolution->options;
    const auto padding = get<torch::ExpandingArray<3>>(options.padding());
    EXPECT_EQ(options.groups(), 1) << item.key();
    found[item.key()] = "k" + text(options.kernel_size()) + " s" + text(options.stride()) + " p" + text(padding) +
                        " d" + text(options.dilation());
  }
  return found;
}

/// The numbers of the papers (He et al. 2016 in 3D; MedicalNet for dilation), written down a second time.
std::map<std::string, std::string> Block(const std::string& name, int stride, int dilation, bool shortcut) {
  const std::string s = std::to_string(stride), d = std::to_string(dilation);
  std::map<std::string, std::string> block = {{name + ".0.conv1", "k3 s" + s + " p" + d + " d" + d},
                                              {name + ".0.conv2", "k3 s1 p" + d + " d" + d}};
  if (shortcut) block[name + ".0.downsample.0"] = "k1 s" + s + " p0 d1";
  return block;
}

TEST(ResNet10, StridesPaddingsAndDilationsAreThePublishedOnes) {
  for (const bool dilated : {true, false}) {
    std::map<std::string, std::string> expected = {{"conv1", "k7 s2 p3 d1"}};
    expected.merge(Block("layer1", 1, 1, false));
    expected.merge(Block("layer2", 2, 1, true));
    expected.merge(dilated ? Block("layer3", 1, 2, true) : Block("layer3", 2, 1, true));
    expected.merge(dilated ? Block("layer4", 1, 4, true) : Block("layer4", 2, 1, true));
    EXPECT_EQ(Geometry(Spec(0.0625, dilated ? "dilated" : "strided")), expected);
  }
}

TEST(MresNet, StridesPaddingsAndDilationsAreThoseOfItsBranches) {
  for (const bool dilated : {true, false}) {
    std::map<std::string, std::string> expected = {{"fuse.0", "k1 s1 p0 d1"}};
    for (int i = 0; i < 3; ++i) {
      const std::string branch = "branch" + std::to_string(i) + ".";
      expected[branch + "conv1"] = "k7 s2 p3 d1";
      expected.merge(Block(branch + "layer1", 1, 1, false));
      expected.merge(Block(branch + "layer2", 2, 1, true));
    }
    expected.merge(dilated ? Block("layer3", 1, 2, true) : Block("layer3", 2, 1, true));
    expected.merge(dilated ? Block("layer4", 1, 4, true) : Block("layer4", 2, 1, true));
    EXPECT_EQ(Geometry(Spec(0.0625, dilated ? "dilated" : "strided", "mresnet")), expected);
  }
}

TEST(Vgg16, HasThirteenPlainConvolutions) {
  std::map<std::string, std::string> expected;
  for (const int index : {0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40})
    expected["features." + std::to_string(index)] = "k3 s1 p1 d1";
  EXPECT_EQ(Geometry(Spec(0.0625, "dilated", "vgg16")), expected);
}

TEST(Networks, PoolWhereThePublishedOnesDo) {
  const auto pools = [](const NetworkSpec& spec) {
    const auto network = MakeNetwork(spec);
    GraphWriter writer;
    network->Describe(writer, "x");
    std::istringstream lines(writer.Source());
    std::vector<std::string> found;
    for (std::string line; std::getline(lines, line);)
      if (const auto at = line.find("max_pool3d("); at != std::string::npos)
        found.push_back(line.substr(line.find(", ", at) + 2));
    return found;
  };
  const std::string stem = "[3, 3, 3], [2, 2, 2], [1, 1, 1])", halving = "[2, 2, 2], [2, 2, 2], [0, 0, 0])";
  EXPECT_EQ(pools(Spec(0.0625)), std::vector<std::string>(1, stem));
  EXPECT_EQ(pools(Spec(0.0625, "strided", "mresnet")), std::vector<std::string>(3, stem));
  EXPECT_EQ(pools(Spec(0.0625, "dilated", "vgg16")), std::vector<std::string>(5, halving));
}

TEST(Networks, TheLeastEdgeLeavesAMap) {
  torch::NoGradGuard no_grad;
  for (const auto& [type, layout, least] : {std::tuple("resnet10", "strided", 8), std::tuple("resnet10", "dilated", 8),
                                            std::tuple("mresnet", "strided", 8), std::tuple("vgg16", "dilated", 32)}) {
    const NetworkSpec spec = Spec(0.0625, layout, type);
    EXPECT_NO_THROW(CheckShape(spec, least)) << type;
    const auto map = MakeNetwork(spec)->Features(torch::zeros({2, 3, least, least, least}));
    EXPECT_EQ(map.size(2), 1) << type << " " << layout;
  }
  EXPECT_THAT(ErrorOf([] { CheckShape(Spec(1, "dilated", "vgg16"), 31); }), HasSubstr("needs 32"));
}

TEST(Networks, UnknownOnesAreRefusedByName) {
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([] { MakeNetwork(Spec(1, "dilated", "resnet18")); }, &code), HasSubstr("'resnet18' is unknown"));
  EXPECT_EQ(code, ErrorCode::kUsage);
  EXPECT_THAT(ErrorOf([] { MakeNetwork(Spec(1, "wide")); }), HasSubstr("'wide' is unknown"));
  EXPECT_THAT(ErrorOf([] { MakeNetwork(Spec(0)); }), HasSubstr("width"));
}

TEST(Vgg16, HasItsSizeAtFullWidth) {
  EXPECT_EQ(ParameterCount(*MakeNetwork(Spec(1, "dilated", "vgg16"))), 44145090);
  const auto weights = WeightsOf(*MakeNetwork(Spec(0.0625, "dilated", "vgg16")));
  EXPECT_TRUE(weights.contains("features.0.weight"));
  EXPECT_TRUE(weights.contains("features.1.running_var"));
  EXPECT_TRUE(weights.contains("features.40.weight"));
  EXPECT_EQ(weights.at("fc.weight").shape, (std::vector<std::int64_t>{2, 32}));
}

TEST(MresNet, HasOneBranchASequence) {
  NetworkSpec two = Spec(0.0625, "strided", "mresnet");
  two.sequences = {Role::kT2, Role::kT1ce};
  const auto weights = WeightsOf(*MakeNetwork(two));
  EXPECT_TRUE(weights.contains("branch1.layer2.0.downsample.0.weight"));
  EXPECT_FALSE(weights.contains("branch2.conv1.weight"));
  EXPECT_EQ(weights.at("branch0.conv1.weight").shape, (std::vector<std::int64_t>{4, 1, 7, 7, 7}));
  EXPECT_EQ(weights.at("fuse.0.weight").shape, (std::vector<std::int64_t>{8, 16, 1, 1, 1}));
}

struct Kind {
  const char *type, *layout;
  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.type << " " << kind.layout; }
};
class FastPath : public testing::TestWithParam<Kind> {};

TEST_P(FastPath, EqualsTheModule) {
  PrepareTorch(1);  // tests run side by side: waiting Torch threads would spin on each other's cores
  torch::manual_seed(1);
  torch::NoGradGuard no_grad;
  const auto network = MakeNetwork(Spec(0.125, GetParam().layout, GetParam().type));
  Unsettle(*network);
  network->eval();
  InferenceGraph graph(*network);
  for (int round = 0; round < 2; ++round) {
    const auto input = torch::randn({1, 3, 40, 40, 40});
    const auto plain = network->Features(input), fast = graph.Features(input);
    EXPECT_LT(((plain - fast).abs() / (1 + plain.abs())).max().item<double>(), 1e-5);
    EXPECT_LT((network->Head(plain) - network->Head(fast)).abs().max().item<double>(), 1e-5);
    EXPECT_TRUE(torch::equal(graph.Features(input), fast)) << "the same input must give the same bits";
  }
}
INSTANTIATE_TEST_SUITE_P(Networks, FastPath,
                         testing::Values(Kind{"resnet10", "dilated"}, Kind{"resnet10", "strided"},
                                         Kind{"mresnet", "dilated"}, Kind{"vgg16", "dilated"}),
                         [](const auto& one) { return std::string(one.param.type) + "_" + one.param.layout; });

TEST(ActivationMap, AveragesToTheLogitDifference) {
  torch::manual_seed(2);
  torch::NoGradGuard no_grad;
  const auto network = MakeNetwork(Spec(0.125));
  Unsettle(*network);
  network->eval();
  const auto features = network->Features(torch::randn({1, 3, 32, 32, 32}));
  const auto logits = network->Head(features)[0];
  for (int index = 0; index < kClasses; ++index) {
    const auto map = EvidenceMap(features, network->fc, index);
    EXPECT_EQ(map.sizes().vec(), (std::vector<std::int64_t>{4, 4, 4}));
    EXPECT_NEAR(map.mean().item<double>(), (logits[index] - logits[1 - index]).item<double>(), 1e-5);
  }
}

TEST(ActivationMap, IsScaledToOne) {
  const auto map = ScaledMap(torch::tensor({{{-2.0, 1.0}, {4.0, 0.0}}}, torch::kDouble));
  EXPECT_EQ(map, (std::vector<float>{0, 0.25f, 1, 0}));
  EXPECT_EQ(ScaledMap(torch::full({1, 1, 2}, -1.0, torch::kDouble)), (std::vector<float>{0, 0}));
}

TEST(Weights, GoAroundExactlyAfterRounding) {
  torch::manual_seed(3);
  const auto first = MakeNetwork(Spec(0.0625)), second = MakeNetwork(Spec(0.0625));
  Unsettle(*first);
  RoundToStored(*first);
  LoadWeights(*second, ParseSafetensors(EncodeSafetensors(WeightsOf(*first)), "w"), "w");
  const auto a = WeightsOf(*first), b = WeightsOf(*second);
  for (const auto& [name, tensor] : a) EXPECT_EQ(tensor.values, b.at(name).values) << name;
}

TEST(Weights, NamesAndShapesAreChecked) {
  const auto network = MakeNetwork(Spec(0.0625));
  const auto good = WeightsOf(*network);
  const auto complaint = [&](auto change) {
    auto weights = good;
    change(weights);
    return ErrorOf([&] { LoadWeights(*network, weights, "w"); });
  };
  EXPECT_EQ(complaint([](auto&) {}), "");
  EXPECT_THAT(complaint([](auto& w) { w.erase("fc.bias"); }),
              HasSubstr("w: fc.bias: this tensor of the network is missing"));
  EXPECT_THAT(complaint([](auto& w) {
                w["conv_seg.0.weight"] = {{1}, {0}, false};
              }),
              HasSubstr("w: conv_seg.0.weight: the network has no such tensor"));
  EXPECT_THAT(complaint([](auto& w) {
                w["fc.bias"] = {{3}, {0, 0, 0}, false};
              }),
              HasSubstr("w: fc.bias: shape is 3, the network needs 2"));
  EXPECT_THAT(complaint([](auto& w) { w["bn1.running_var"].values[0] = -1; }), HasSubstr("variance is below zero"));
}

TEST(Device, WordsAreChecked) {
  EXPECT_TRUE(ChooseDevice("cpu").is_cpu());
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([] { ChooseDevice("gpu"); }, &code), HasSubstr("'gpu' is unknown"));
  EXPECT_EQ(code, ErrorCode::kUsage);
  EXPECT_THAT(ErrorOf([] { ChooseDevice("cuda:x"); }), HasSubstr("expected a number"));
  EXPECT_THAT(ErrorOf([] { ChooseDevice("cuda:99"); }, &code), HasSubstr("CUDA devices"));
  EXPECT_EQ(code, ErrorCode::kMissingPart);
}

}  // namespace
}  // namespace glionode::networks
