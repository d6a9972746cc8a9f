// Series as technicians really take them: sagittal, coronal, 30 degrees oblique, tilted, sent in any order of slices.
#include "inference/volumes/phantom_scanner.h"
#include "inference/volumes/preprocess.h"
#include "inference/volumes/stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace glionode::volumes {
namespace {

constexpr std::uint64_t kSeed = 19;
constexpr double kDegree = 3.14159265358979323846 / 180;

struct Plane {
  const char* name;
  Vec3 angles;  ///< degrees, of the stack's axes
};
constexpr Plane kPlanes[] = {
    {"sagittal", {-90, 0, 90}}, {"coronal", {-90, 0, 0}}, {"30 degrees oblique", {30, 0, 0}}, {"tilted", {12, 9, -8}}};

/// A phantom whose T2 is taken in that plane, with slices enough for the whole head.
std::map<Role, Volume> TakeStudy(const Vec3* t2_angles) {
  const auto anatomy = MakeAnatomy(kSeed, 0, std::vector<double>(kLatentFeatures, 0.0));
  std::map<Role, Volume> volumes;
  for (auto [role, protocol] : MakeProtocols(kSeed, 0)) {
    if (role == Role::kT1) continue;
    if (role == Role::kT2 && t2_angles) {
      for (std::size_t i = 0; i < 3; ++i) protocol.slices.angles[i] = (*t2_angles)[i] * kDegree;
      protocol.size[2] = static_cast<int>(220 / protocol.spacing[2]);
    }
    volumes[role] = Render(anatomy, protocol, kSeed, 0);
  }
  return volumes;
}

/// Correlation of the T2 channels of two inputs inside the head.
double Correlation(const NetworkInput& one, const NetworkInput& other) {
  const std::size_t n = one.head_mask.size();
  double count = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = one.tensor[i], y = other.tensor[i];
    if (!one.head_mask[i] || x == 0 || y == 0) continue;
    ++count, a += x, b += y, aa += x * x, bb += y * y, ab += x * y;
  }
  return (ab - a * b / count) / std::sqrt((aa - a * a / count) * (bb - b * b / count));
}

NetworkInput Input(const std::map<Role, Volume>& volumes) { return Preprocess(volumes, {Role::kT2, Role::kT1ce}, {}); }

TEST(Planes, AnyPlaneGivesTheSameHead) {
  const auto axial = Input(TakeStudy(nullptr));
  ASSERT_TRUE(axial.reasons.empty());
  for (const Plane& plane : kPlanes) {
    const auto input = Input(TakeStudy(&plane.angles));
    ASSERT_TRUE(input.reasons.empty()) << plane.name << ": " << input.reasons.front().text;
    const double correlation = Correlation(axial, input);
    std::printf("  %s: correlation with axial %.3f, agreement %.2f\n", plane.name, correlation,
                input.registrations.at(Role::kT2).agreement);
    EXPECT_GT(correlation, 0.85) << plane.name;
  }
}

/// The slices of a volume; `mirrored`: rows from below, as another scanner would write the same picture.
std::vector<Frame> Slices(const Volume& volume, bool mirrored) {
  std::vector<Frame> frames;
  const auto& d = volume.direction;
  const int rows = volume.size[1], columns = volume.size[0];
  const auto cells = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  for (int z = 0; z < volume.size[2]; ++z) {
    Frame frame;
    frame.rows = rows, frame.columns = columns;
    frame.position = PointOf(volume, {0, mirrored ? rows - 1.0 : 0.0, static_cast<double>(z)});
    const double sign = mirrored ? -1 : 1;
    frame.orientation = {d[0], d[3], d[6], sign * d[1], sign * d[4], sign * d[7]};
    frame.spacing = {volume.spacing[1], volume.spacing[0]};
    const float* from = &volume.voxels[static_cast<std::size_t>(z) * cells];
    for (int y = 0; y < rows; ++y) {
      const float* row =
          from + static_cast<std::size_t>(mirrored ? rows - 1 - y : y) * static_cast<std::size_t>(columns);
      frame.values.insert(frame.values.end(), row, row + columns);
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

TEST(Planes, OrderOfSlicesAndRowsChangesNothing) {
  const Plane& oblique = kPlanes[3];
  auto volumes = TakeStudy(&oblique.angles);
  const Volume t2 = volumes.at(Role::kT2);
  const auto plain = Input(volumes);
  ASSERT_TRUE(plain.reasons.empty());
  for (const bool mirrored : {false, true}) {
    auto frames = Slices(t2, mirrored);
    std::shuffle(frames.begin(), frames.end(), std::mt19937(7));
    auto stack = Stack(std::move(frames));
    ASSERT_TRUE(stack.reasons.empty());
    const auto& d = stack.volume.direction;
    const double determinant =
        d[0] * (d[4] * d[8] - d[5] * d[7]) - d[1] * (d[3] * d[8] - d[5] * d[6]) + d[2] * (d[3] * d[7] - d[4] * d[6]);
    EXPECT_NEAR(determinant, 1, 1e-6);  // no mirrored patient
    volumes.at(Role::kT2) = std::move(stack.volume);
    const auto input = Input(volumes);
    ASSERT_TRUE(input.reasons.empty());
    EXPECT_GT(Correlation(plain, input), 0.999) << mirrored;
  }
}

}  // namespace
}  // namespace glionode::volumes
