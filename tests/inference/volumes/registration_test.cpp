#include "inference/volumes/registration.h"

#include "inference/volumes/head_mask.h"
#include "inference/volumes/phantom_scanner.h"
#include "tests/inference/volumes/real_study.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>

namespace glionode::volumes {
namespace {

constexpr std::uint64_t kSeed = 11;

struct Pair {
  Volume fixed, moving;
  Protocol fixed_protocol, moving_protocol;
};

Pair MakePair(int index, Role moving_role) {
  const auto anatomy = MakeAnatomy(kSeed, index, std::vector<double>(kLatentFeatures, 0.0));
  const auto protocols = MakeProtocols(kSeed, index);
  Pair pair;
  pair.fixed_protocol = protocols.at(Role::kT1ce);
  pair.moving_protocol = protocols.at(moving_role);
  pair.fixed = Render(anatomy, pair.fixed_protocol, kSeed, index);
  pair.moving = Render(anatomy, pair.moving_protocol, kSeed, index);
  return pair;
}

/// Moves a volume in space by rewriting its geometry: no resampling.
Volume Moved(Volume volume, const RigidTransform& by) {
  const Mat3 r = RotationMatrix(by.angles);
  volume.origin = Apply(by, volume.origin);
  Mat3 direction{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 3; ++k) direction[3 * i + j] += r[3 * i + k] * volume.direction[3 * k + j];
  volume.direction = direction;
  return volume;
}

RigidTransform RandomMove(PhantomStream& random) {
  RigidTransform t;
  for (double& a : t.angles) a = random.Uniform(-1, 1) * 10 / std::sqrt(3.0) * std::acos(-1.0) / 180;
  for (double& x : t.translation) x = random.Uniform(-1, 1) * 15 / std::sqrt(3.0);
  return t;
}

double Distance(const Vec3& a, const Vec3& b) {
  return std::sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

/// Mean distance, over the head, between where `found` puts a point and where it really is. The truth: through the head
/// space of the fixed series, back out of that of the moving one, then by `moved`.
double MeanError(const Pair& pair, const RigidTransform& found, const RigidTransform& moved) {
  const Head head = FindHead(pair.fixed);
  const Mat3 r = RotationMatrix(pair.moving_protocol.head.angles);
  const auto& t = pair.moving_protocol.head.translation;
  double sum = 0;
  std::size_t count = 0, at = 0;
  for (int z = 0; z < head.grid.size[2]; ++z)
    for (int y = 0; y < head.grid.size[1]; ++y)
      for (int x = 0; x < head.grid.size[0]; ++x, ++at) {
        if (!head.mask[at]) continue;
        const Vec3 p = head.grid.Point(x, y, z);
        const Vec3 h = Apply(pair.fixed_protocol.head, p);
        const Vec3 back =
            Multiply({r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]}, {h[0] - t[0], h[1] - t[1], h[2] - t[2]});
        sum += Distance(Apply(found, p), Apply(moved, back));
        ++count;
      }
  return sum / static_cast<double>(count);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

TEST(Registration, FindsKnownMovesOfThickSlicePhantoms) {
  PhantomStream random(kSeed, 0, 99);
  std::vector<double> errors;
  for (int i = 0; i < 6; ++i) {
    const Pair pair = MakePair(i, i % 2 ? Role::kT2 : Role::kT1);
    const RigidTransform by = RandomMove(random);
    const auto found = RegisterRigid(pair.fixed, Moved(pair.moving, by));
    EXPECT_TRUE(found.plausible);
    EXPECT_TRUE(found.kept);
    EXPECT_LT(found.metric_after, found.metric_before);
    errors.push_back(MeanError(pair, found.transform, by));
    RecordProperty("error_mm_" + std::to_string(i), std::to_string(errors.back()));
    std::printf("  known move %d: mean error %.2f mm (unregistered %.2f mm)\n", i, errors.back(),
                MeanError(pair, RigidTransform{}, by));
  }
  EXPECT_LT(Median(errors), 0.6);
  EXPECT_LT(*std::max_element(errors.begin(), errors.end()), 1.5);
}

TEST(Registration, FindsKnownMovesOf3dPhantomsToHalfAMillimetre) {
  int index = 0;
  while (!MakeProtocols(kSeed, index).at(Role::kT1).is_3d) ASSERT_LT(++index, 500);
  const Pair pair = MakePair(index, Role::kT1);
  PhantomStream random(kSeed, 1, 99);
  std::vector<double> errors;
  for (int i = 0; i < 3; ++i) {
    const RigidTransform by = RandomMove(random);
    const auto found = RegisterRigid(pair.fixed, Moved(pair.moving, by));
    EXPECT_TRUE(found.plausible);
    errors.push_back(MeanError(pair, found.transform, by));
    std::printf("  known move %d: mean error %.2f mm\n", i, errors.back());
  }
  EXPECT_LE(Median(errors), 0.5);
}

TEST(Registration, IsBitIdenticalAlsoWhenSeveralRunAtOnce) {
  const Pair pair = MakePair(3, Role::kT2);
  const auto alone = RegisterRigid(pair.fixed, pair.moving);
  auto other = std::async(std::launch::async, [&] { return RegisterRigid(pair.fixed, pair.moving); });
  const auto again = RegisterRigid(pair.fixed, pair.moving);
  for (const auto& result : {again, other.get()}) {
    EXPECT_EQ(result.transform.angles, alone.transform.angles);
    EXPECT_EQ(result.transform.translation, alone.transform.translation);
    EXPECT_EQ(result.metric_after, alone.metric_after);
  }
  for (double x : alone.transform.translation) EXPECT_EQ(x, std::round(x * 1e4) / 1e4);
}

TEST(Registration, LeavesAVolumeWhereItIsAgainstItself) {
  const Pair pair = MakePair(2, Role::kT1);
  const auto found = RegisterRigid(pair.fixed, pair.fixed);
  EXPECT_LT(Distance(Apply(found.transform, {60, 60, 60}), {60, 60, 60}), 0.1);
  EXPECT_TRUE(found.plausible);
}

TEST(Registration, AVolumeFarAwayIsNotPlausible) {
  const Pair pair = MakePair(2, Role::kT1);
  RigidTransform far;
  far.translation = {0, 0, 200};
  EXPECT_FALSE(RegisterRigid(pair.fixed, Moved(pair.moving, far)).plausible);
}

TEST(Registration, AnEmptyVolumeIsNotPlausible) {
  Pair pair = MakePair(2, Role::kT1);
  std::fill(pair.moving.voxels.begin(), pair.moving.voxels.end(), 0.0F);
  EXPECT_FALSE(RegisterRigid(pair.fixed, pair.moving).plausible);
}

// The patient of this study turned by 8 degrees between T1 and T1ce; whoever trusts the scanner loses the lesion.
TEST(Registration, RealStudyIsTurnedByEightDegreesAndConsistentUnderMoves) {
  const auto folder = testing::TestData() / "tcga-fg-6692";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "The real study is not here (GLIONODE_TEST_DATA).";
  const auto fixed = Stack(testing::ReadSeries(folder / "t1ce")).volume;
  const auto moving = Stack(testing::ReadSeries(folder / "t1")).volume;
  const auto plain = RegisterRigid(fixed, moving);
  EXPECT_TRUE(plain.kept);
  EXPECT_TRUE(plain.plausible);
  EXPECT_NEAR(plain.transform.angles[2] * 180 / std::acos(-1.0), -7.7, 1.0);
  PhantomStream random(kSeed, 2, 99);
  const Head head = FindHead(fixed);
  for (int i = 0; i < 3; ++i) {
    const RigidTransform by = RandomMove(random);
    const auto found = RegisterRigid(fixed, Moved(moving, by));
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t at = 0; at < head.mask.size(); at += 7) {
      if (!head.mask[at]) continue;
      const auto x = static_cast<double>(at % static_cast<std::size_t>(head.grid.size[0]));
      const auto y = static_cast<double>(at / static_cast<std::size_t>(head.grid.size[0]) %
                                         static_cast<std::size_t>(head.grid.size[1]));
      const auto z = static_cast<double>(at / static_cast<std::size_t>(head.grid.size[0]) /
                                         static_cast<std::size_t>(head.grid.size[1]));
      const Vec3 p = head.grid.Point(x, y, z);
      sum += Distance(Apply(found.transform, p), Apply(by, Apply(plain.transform, p)));
      ++count;
    }
    std::printf("  real study, draw %d: %.2f mm from the unmoved result\n", i, sum / static_cast<double>(count));
    EXPECT_LT(sum / static_cast<double>(count), 1.0);
  }
}

}  // namespace
}  // namespace glionode::volumes
