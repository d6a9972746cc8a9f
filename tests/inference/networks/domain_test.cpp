#include "inference/networks/domain.h"

#include "inference/networks/classifier.h"
#include "inference/networks/tensor_file.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>

#include <cmath>

namespace glionode::networks {
namespace {

using testing::HasSubstr;
const std::vector<std::string> kChannels{"T1", "T2"};

double Normal(SplitMix64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.Uniform();
  return sum;
}

/// Cases whose 40 features follow 5 hidden ones with a little noise, and whose input statistics are 22 numbers.
std::vector<CaseLook> Looks(int count, std::uint64_t seed, double feature_shift = 0, double input_shift = 0) {
  std::vector<CaseLook> looks;
  for (int i = 0; i < count; ++i) {
    SplitMix64 random(DeriveSeed(seed, i));
    double hidden[5];
    for (double& h : hidden) h = Normal(random);
    CaseLook look;
    for (int f = 0; f < 40; ++f)
      look.features.push_back(hidden[f % 5] * (1 + f / 8) + 0.2 * Normal(random) + (f == 7 ? feature_shift : 0));
    for (std::size_t s = 0; s < InputStatisticNames(kChannels).size(); ++s)
      look.input.push_back(3 + Normal(random) + (s == 9 ? input_shift : 0));
    looks.push_back(look);
  }
  return looks;
}

Domain Made(int taught = 300, int judged = 300) {
  Domain domain(Looks(taught, 1));
  std::vector<DomainLengths> lengths;
  for (const auto& look : Looks(domain.CanMeasure() ? judged : 0, 2)) lengths.push_back(domain.Lengths(look));
  domain.SetLimit(lengths);
  return domain;
}

double Refused(const Domain& domain, const std::vector<CaseLook>& looks) {
  double refused = 0;
  for (const auto& look : looks) refused += !domain.Judge(look, kChannels).Inside();
  return refused / static_cast<double>(looks.size());
}

TEST(Domain, RefusesAboutTheShareThatItSaysOfItsOwnKind) {
  const double refused = Refused(Made(), Looks(2000, 3));
  EXPECT_GT(refused, 0.005);
  EXPECT_LT(refused, 0.07);
}

TEST(Domain, RefusesWhatLooksOtherToTheNetworkOrByItself) {
  const Domain domain = Made();
  EXPECT_GT(Refused(domain, Looks(200, 4, 8, 0)), 0.95);
  EXPECT_GT(Refused(domain, Looks(200, 5, 0, 10)), 0.95);
  const auto verdict = domain.Judge(Looks(1, 5, 0, 10)[0], kChannels);
  EXPECT_GT(verdict.distance, 1);
  EXPECT_EQ(verdict.most, InputStatisticNames(kChannels)[9]);
  auto broken = Looks(1, 6)[0];
  broken.features[3] = NAN;
  EXPECT_FALSE(domain.Judge(broken, kChannels).Inside());
}

TEST(Domain, FewCasesGiveNoLimit) {
  for (const auto& domain : {Made(30, 300), Made(300, 30)}) {
    EXPECT_FALSE(domain.HasLimit());
    EXPECT_EQ(domain.Figures(), "{}");
    EXPECT_TRUE(domain.Tensors().empty());
    EXPECT_TRUE(domain.Judge(Looks(1, 4, 50, 50)[0], kChannels).Inside());
  }
  EXPECT_THROW(Domain(Looks(30, 1)).Lengths(Looks(1, 4)[0]), Error) << "lengths of 0 would make a limit of 0";
}

/// Two folds of 70 cases teach 35 each, too few to measure with: no limit, instead of one that refuses everybody.
TEST(Domain, FoldsTooSmallToMeasureGiveNoLimit) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 70);
  auto options = ToyOptions();
  options.epochs = 1;
  options.folds = 2;
  EXPECT_EQ(Train(cases, ToyInfo(), options, folder.Path() / "bundle", nullptr).domain_statistics_json, "{}");
  Classifier classifier(folder.Path() / "bundle", "cpu", 1);
  EXPECT_LE(classifier.Classify(ReadTensorFile(cases[0].tensor_file, 3 * 16 * 16 * 16)).domain_distance, 1);
}

TEST(Domain, IsTheSameAfterStoring) {
  const Domain domain = Made();
  auto tensors = ParseSafetensors(EncodeSafetensors(domain.Tensors()), "t");
  tensors["conv1.weight"] = {{1}, {2}, false};
  const Domain read = Domain::Take(tensors, domain.Figures(), "bundle.json");
  EXPECT_EQ(tensors.size(), 1U);  // the network's are left
  EXPECT_TRUE(read.Fits(40, kChannels));
  EXPECT_FALSE(read.Fits(41, kChannels));
  EXPECT_FALSE(read.Fits(40, {"T1"}));
  for (const auto& look : Looks(20, 7, 1, 1)) {
    EXPECT_NEAR(read.Judge(look, kChannels).distance, domain.Judge(look, kChannels).distance, 1e-9);
  }
}

TEST(Domain, FiguresThatDoNotFitAreRefused) {
  const Domain domain = Made();
  const auto take = [&](std::map<std::string, SafeTensor> tensors, std::string json) {
    return ErrorOf([&] { Domain::Take(tensors, json, "b"); });
  };
  EXPECT_THAT(take(domain.Tensors(), "{}"), HasSubstr("missing, though"));
  EXPECT_THAT(take({}, domain.Figures()), HasSubstr("not complete"));
  auto tensors = domain.Tensors();
  tensors["domain.input.middle"] = {{2}, {0, 0}, false};
  EXPECT_THAT(take(tensors, domain.Figures()), HasSubstr("do not fit together"));
  tensors = domain.Tensors();
  tensors["domain.features.unit"].values[0] = 0;
  EXPECT_THAT(take(tensors, domain.Figures()), HasSubstr("deviation is not above 0"));
  std::string json = domain.Figures();
  json.replace(json.find("\"limit\":"), 8, "\"limit\":-");
  EXPECT_THAT(take(domain.Tensors(), json), HasSubstr("limit must be above 0"));
}

TEST(InputStatistics, LookAtTheHeadOnlyAndHaveTheirNames) {
  auto input = torch::zeros({2, 16, 16, 16});
  input.slice(1, 4, 12).slice(2, 4, 12).slice(3, 4, 12).copy_(torch::rand({2, 8, 8, 8}) + 1);
  const auto names = InputStatisticNames(kChannels);
  const auto statistics = InputStatistics(input);
  ASSERT_EQ(statistics.size(), names.size());
  EXPECT_NEAR(statistics[3], 1.5, 0.15);                   // the middle of the head's values, no zeros among them
  EXPECT_NEAR(statistics.back(), 0.125, 1e-9);             // share of head
  EXPECT_NEAR(statistics[statistics.size() - 2], 0, 0.2);  // two channels that do not resemble
  EXPECT_EQ(InputStatistics(torch::zeros({2, 8, 8, 8})).size(), names.size());
}

TEST(Domain, ATrainedBundleRefusesInvertedInput) {
  TempFolder folder;
  const auto cases = ToyCohort(folder.Path(), 320);
  auto options = ToyOptions();
  options.epochs = 1;
  const auto info = Train(cases, ToyInfo(), options, folder.Path() / "bundle", nullptr);
  EXPECT_THAT(info.domain_statistics_json, HasSubstr("\"limit\""));
  Classifier classifier(folder.Path() / "bundle", "cpu", 1);
  std::filesystem::create_directories(folder.Path() / "fresh");
  int refused = 0, other = 0;
  for (const auto& one : ToyCohort(folder.Path() / "fresh", 60, 16, 77)) {
    auto tensor = ReadTensorFile(one.tensor_file, 3 * 16 * 16 * 16);
    refused += classifier.Classify(tensor).domain_distance > 1;
    for (float& v : tensor) v = v * v;
    const Answer answer = classifier.Classify(tensor);
    other += answer.domain_distance > 1;
    EXPECT_FALSE(answer.domain_most.empty());
  }
  EXPECT_LE(refused, 9);
  EXPECT_GE(other, 58);
}

}  // namespace
}  // namespace glionode::networks
