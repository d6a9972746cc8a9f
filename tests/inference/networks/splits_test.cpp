#include "inference/networks/splits.h"

#include "inference/networks/calibration.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace glionode::networks {
namespace {

std::vector<TensorCase> Cohort(int patients, int necroses) {
  std::vector<TensorCase> cases;
  for (int i = 0; i < patients; ++i)
    for (int study = 0; study < 1 + i % 3; ++study)
      cases.push_back({"", std::to_string(i) + "." + std::to_string(study), std::to_string(i),
                       i < necroses ? "necrosis" : "recurrence"});
  return cases;
}

TEST(Splits, KeepPatientsTogetherAndClassesEven) {
  const auto cases = Cohort(50, 10);
  const auto folds = GroupedFolds(cases, 5, 1);
  std::map<std::string, int> of_patient;
  std::map<int, int> necroses, patients;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto [at, is_new] = of_patient.emplace(cases[i].patient, folds[i]);
    EXPECT_EQ(at->second, folds[i]) << cases[i].patient;
    if (is_new) ++patients[folds[i]], necroses[folds[i]] += cases[i].label == "necrosis";
  }
  for (int fold = 0; fold < 5; ++fold) {
    EXPECT_EQ(patients[fold], 10);
    EXPECT_EQ(necroses[fold], 2);
  }
}

TEST(Splits, DependOnSeedNotOnOrder) {
  auto cases = Cohort(30, 10);
  const auto folds = GroupedFolds(cases, 3, 1);
  std::map<std::string, int> before;
  for (std::size_t i = 0; i < cases.size(); ++i) before[cases[i].study] = folds[i];
  std::reverse(cases.begin(), cases.end());
  const auto after = GroupedFolds(cases, 3, 1);
  for (std::size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(after[i], before[cases[i].study]);
  EXPECT_NE(GroupedFolds(cases, 3, 2), after);
}

TEST(Splits, TooFewPatientsAreRefused) {
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([] { GroupedFolds(Cohort(20, 4), 5, 1); }, &code),
              testing::HasSubstr("4 patients with necrosis"));
  EXPECT_EQ(code, ErrorCode::kUsage);
}

TEST(Platt, FindsTheLineThatMadeTheData) {
  SplitMix64 random(2);
  std::vector<double> logits;
  std::vector<bool> necrosis;
  for (int i = 0; i < 20000; ++i) {
    logits.push_back(random.Between(-4, 4));
    necrosis.push_back(random.Uniform() < 1 / (1 + std::exp(-(0.7 * logits.back() - 1.2))));
  }
  const Calibration fitted = FitPlatt(logits, necrosis);
  EXPECT_NEAR(fitted.slope, 0.7, 0.04);
  EXPECT_NEAR(fitted.intercept, -1.2, 0.06);
}

TEST(Platt, SeparatedReversedAndOneClassSetsStayFinite) {
  const Calibration separated = FitPlatt({-3, -2, 2, 3}, {false, false, true, true});
  EXPECT_GT(separated.slope, 0.1);
  EXPECT_LT(separated.slope, 5);
  const Calibration reversed = FitPlatt({-3, -2, 2, 3}, {true, true, false, false});
  EXPECT_NEAR(reversed.slope, 0.01, 1e-9);
  EXPECT_NEAR(reversed.intercept, 0, 1e-6);
  EXPECT_EQ(FitPlatt({1, 2}, {true, true}).slope, 1);
}

TEST(AbstainBand, ACallLeavesAThirdOfTheRiskOfGuessing) {
  SplitMix64 random(3);
  for (const double share : {0.5, 0.18}) {
    std::vector<double> probabilities;
    std::vector<bool> necrosis;
    for (int i = 0; i < 4000; ++i) {
      // Calibrated by construction: a case of probability p is a necrosis in p of the draws.
      const double p =
          random.Uniform() < 0.5 ? share * 2 * random.Uniform() : std::min(1.0, share * 3 * random.Uniform());
      probabilities.push_back(p);
      necrosis.push_back(random.Uniform() < p);
    }
    const auto band = AbstainBand(probabilities, necrosis);
    double all[2] = {0, 0}, called[2] = {0, 0}, wrong[2] = {0, 0};
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      ++all[necrosis[i]];
      if (probabilities[i] >= band[0] && probabilities[i] <= band[1]) continue;
      const bool call = probabilities[i] > band[1];
      ++called[call], wrong[call] += necrosis[i] != call;
    }
    ASSERT_GT(called[0], 100) << band[0];
    EXPECT_LE(wrong[0] / called[0], all[1] / 4000 / 3);
    if (called[1] > 0) {
      EXPECT_LE(wrong[1] / called[1], all[0] / 4000 / 3);
    }
    EXPECT_LE(band[0], 0.45);
    EXPECT_GE(band[1], 0.55);
  }
}

TEST(AbstainBand, NobodyIsCalledByANetworkWithoutSignalOrByAFewCases) {
  using Band = std::array<double, 2>;
  std::vector<double> flat(234, 0.179);
  std::vector<bool> necrosis(234, false);
  for (std::size_t i = 0; i < 42; ++i) necrosis[i * 5] = true;
  EXPECT_EQ(AbstainBand(flat, necrosis), (Band{0, 1})) << "the share alone is no ground for a call";
  for (const std::size_t half : {2, 9}) {
    std::vector<double> probabilities(2 * half, 0.1);
    std::vector<bool> truth(2 * half, false);
    for (std::size_t i = 0; i < half; ++i) probabilities[i] = 0.9, truth[i] = true;
    EXPECT_EQ(AbstainBand(probabilities, truth), (Band{0, 1})) << "a handful proves nothing";
  }
  EXPECT_EQ(AbstainBand({}, {}), (Band{0, 1}));
}

TEST(AbstainBand, SeparatedClassesAreCalledUpToTheMiddle) {
  std::vector<double> probabilities(100, 0.1);
  std::vector<bool> necrosis(100, false);
  for (std::size_t i = 0; i < 50; ++i) probabilities[i] = 0.9, necrosis[i] = true;
  EXPECT_EQ(AbstainBand(probabilities, necrosis), (std::array<double, 2>{0.45, 0.55}));
}

}  // namespace
}  // namespace glionode::networks
