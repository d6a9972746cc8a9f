#include "inference/volumes/stack.h"

#include "inference/volumes/sampling.h"
#include "tests/inference/volumes/real_study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace glionode::volumes {
namespace {

using ::testing::HasSubstr;

/// Slices of a stack tilted by `tilt` degrees about x; the value of each pixel is its slice number.
std::vector<Frame> MakeSlices(int count, double spacing, double tilt = 0) {
  const double t = tilt * std::acos(-1.0) / 180;
  std::vector<Frame> frames;
  for (int i = 0; i < count; ++i) {
    Frame f;
    f.rows = 6, f.columns = 8;
    f.spacing = {0.9, 0.8};
    f.orientation = {1, 0, 0, 0, std::cos(t), std::sin(t)};
    f.position = {-10, -20 - std::sin(t) * spacing * i, 5 + std::cos(t) * spacing * i};
    f.values.assign(48, static_cast<float>(i));
    frames.push_back(f);
  }
  return frames;
}

ReasonCode OnlyReason(const StackResult& result) {
  EXPECT_EQ(result.reasons.size(), 1U);
  return result.reasons.empty() ? ReasonCode::kTimeLimit : result.reasons[0].code;
}

TEST(Stack, SortsShuffledSlicesAndKeepsScannerCoordinates) {
  for (double tilt : {0.0, -17.0, 30.0}) {
    auto frames = MakeSlices(7, 5.5, tilt);
    std::reverse(frames.begin(), frames.begin() + 4);
    std::swap(frames[1], frames[6]);
    const auto result = Stack(frames);
    ASSERT_TRUE(result.reasons.empty()) << result.reasons[0].text;
    const Volume& v = result.volume;
    EXPECT_EQ(v.size, (std::array<int, 3>{8, 6, 7}));
    EXPECT_NEAR(v.spacing[0], 0.8, 1e-9);  // between columns
    EXPECT_NEAR(v.spacing[1], 0.9, 1e-9);
    EXPECT_NEAR(v.spacing[2], 5.5, 1e-9);
    for (int z = 0; z < 7; ++z) {
      EXPECT_EQ(v.voxels[static_cast<std::size_t>(z) * 48], static_cast<float>(z));
      const auto slice = MakeSlices(7, 5.5, tilt)[static_cast<std::size_t>(z)];
      const Vec3 p = PointOf(v, {0, 0, static_cast<double>(z)});
      for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(p[i], slice.position[i], 1e-6);
    }
  }
}

TEST(Stack, AMissingSliceIsIncompleteAndCounted) {
  auto frames = MakeSlices(10, 5.5);
  frames.erase(frames.begin() + 4);
  const auto result = Stack(frames);
  EXPECT_EQ(OnlyReason(result), ReasonCode::kIncompleteSeries);
  EXPECT_THAT(result.reasons[0].text, HasSubstr("1 slice is missing"));
}

TEST(Stack, UnequalSpacingIsIncompleteBeyondTheTolerance) {
  auto frames = MakeSlices(10, 1.0);
  frames[9].position[2] += 0.015;  // 1.5 %
  EXPECT_TRUE(Stack(frames).reasons.empty());
  frames[9].position[2] += 0.02;  // 3.5 %
  EXPECT_EQ(OnlyReason(Stack(frames)), ReasonCode::kIncompleteSeries);
}

TEST(Stack, WhatIsNoVolumeIsGeometry) {
  EXPECT_EQ(OnlyReason(Stack({})), ReasonCode::kGeometry);
  EXPECT_EQ(OnlyReason(Stack(MakeSlices(1, 5))), ReasonCode::kGeometry);
  auto twice = MakeSlices(4, 5);
  twice.push_back(twice[2]);
  EXPECT_EQ(OnlyReason(Stack(twice)), ReasonCode::kGeometry);
  auto orientations = MakeSlices(4, 5);
  orientations[3].orientation = {0, 1, 0, 0, 0, -1};
  EXPECT_EQ(OnlyReason(Stack(orientations)), ReasonCode::kGeometry);
  auto matrices = MakeSlices(4, 5);
  matrices[3].rows = 3, matrices[3].columns = 16;
  EXPECT_EQ(OnlyReason(Stack(matrices)), ReasonCode::kGeometry);
  auto pixels = MakeSlices(4, 5);
  pixels[1].values.pop_back();
  EXPECT_EQ(OnlyReason(Stack(pixels)), ReasonCode::kGeometry);
  auto spacing = MakeSlices(4, 5);
  spacing[1].spacing = {0, 0};
  EXPECT_EQ(OnlyReason(Stack(spacing)), ReasonCode::kGeometry);
  auto sheared = MakeSlices(10, 5);
  for (int i = 0; i < 10; ++i) sheared[static_cast<std::size_t>(i)].position[0] += i;
  EXPECT_EQ(OnlyReason(Stack(sheared)), ReasonCode::kGeometry);
  auto nonsense = MakeSlices(4, 5);
  for (auto& f : nonsense) f.orientation = {1, 0, 0, 1, 0, 0};
  EXPECT_EQ(OnlyReason(Stack(nonsense)), ReasonCode::kGeometry);
  auto not_a_number = MakeSlices(4, 5);
  not_a_number[2].position[1] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(OnlyReason(Stack(not_a_number)), ReasonCode::kGeometry);
}

TEST(Stack, RealStudyHas26SlicesOf5Point5Mm) {
  const auto folder = testing::TestData() / "tcga-fg-6692";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "The real study is not here (GLIONODE_TEST_DATA).";
  for (const char* series : {"t1", "t2", "t1ce", "flair"}) {
    const auto result = Stack(testing::ReadSeries(folder / series));
    ASSERT_TRUE(result.reasons.empty()) << series << ": " << result.reasons[0].text;
    EXPECT_EQ(result.volume.size[2], 26);
    EXPECT_NEAR(result.volume.spacing[2], 5.5, 0.01);
  }
}

}  // namespace
}  // namespace glionode::volumes
