#include "inference/volumes/preprocess.h"

#include "config/error.h"
#include "inference/volumes/bias_field.h"
#include "inference/volumes/checks.h"
#include "inference/volumes/phantom.h"
#include "inference/volumes/phantom_scanner.h"
#include "tests/inference/volumes/function_volume.h"
#include "tests/inference/volumes/real_study.h"

#include <gtest/gtest.h>

#include <cmath>

namespace glionode::volumes {
namespace {

const std::vector<Role> kRoles{Role::kT1, Role::kT2, Role::kT1ce};

bool HasReason(const std::vector<Reason>& reasons, ReasonCode code) {
  for (const auto& reason : reasons)
    if (reason.code == code && !reason.text.empty()) return true;
  return false;
}

std::string Words(const std::vector<Reason>& reasons) {
  std::string text;
  for (const auto& reason : reasons) text += std::string(ToText(reason.code)) + ": " + reason.text + "\n";
  return text;
}

/// An ellipsoid of these semi-axes with an inner pattern of that depth.
Volume Object(double rx, double ry, double rz, double pattern, double power = 2) {
  return FromFunction({128, 128, 60}, {2, 2, 4}, [=](const Vec3& p) {
    const double q = std::pow(std::abs(p[0]) / rx, power) + std::pow(std::abs(p[1]) / ry, power) +
                     std::pow(std::abs(p[2]) / rz, power);
    return q < 1 ? 500 * (1 + pattern * std::sin(p[0] / 9) * std::sin(p[1] / 8)) : 5.0;
  });
}

TEST(Preprocess, APhantomBecomesNormalisedChannels) {
  const auto phantom = MakePhantom(31, 0, {});
  PreprocessingSpec spec;
  const auto input = Preprocess(phantom.volumes, kRoles, spec);
  ASSERT_TRUE(input.reasons.empty()) << Words(input.reasons);
  const std::size_t n = 96 * 96 * 96;
  ASSERT_EQ(input.tensor.size(), 3 * n);
  ASSERT_EQ(input.head_mask.size(), n);
  EXPECT_EQ(input.registrations.size(), 2U);
  EXPECT_FALSE(input.registrations.count(Role::kT1ce));
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0, squares = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float v = input.tensor[c * n + i];
      ASSERT_TRUE(std::isfinite(v));
      if (!input.head_mask[i]) {
        ASSERT_EQ(v, 0.0F);
        continue;
      }
      sum += v, squares += double(v) * v, ++count;
    }
    EXPECT_NEAR(sum / double(count), 0, 0.02);
    EXPECT_NEAR(squares / double(count), 1, 0.1);  // voxels of the head that a series does not cover are 0
  }
  // The lesion lies inside the head, on the grid.
  std::size_t at = 0;
  for (std::size_t i = 3; i-- > 0;)
    at = at * 96 + static_cast<std::size_t>(std::lround((phantom.lesion_centre[i] - input.grid_origin[i]) / 2));
  EXPECT_EQ(input.head_mask.at(at), 1);
}

TEST(Preprocess, ACubeAroundTheLesionHasTheLesionInItsMiddle) {
  PreprocessingSpec spec;
  spec.centre = "lesion";
  spec.shape = 32;
  spec.spacing_mm = 4;
  for (int i = 0; i < 3; ++i) {
    const auto phantom = MakePhantom(31, i, {});
    const auto input = Preprocess(phantom.volumes, kRoles, spec);
    ASSERT_TRUE(input.reasons.empty()) << Words(input.reasons);
    ASSERT_EQ(input.tensor.size(), 3U * 32 * 32 * 32);
    double off = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double middle = input.grid_origin[k] + 4 * 31 / 2.0;
      off += (middle - phantom.lesion_centre[k]) * (middle - phantom.lesion_centre[k]);
    }
    EXPECT_LT(std::sqrt(off), 20) << i;  // the cavity, with its own enhancing wall, may pull at it
    // Normalised by the whole head: values as in the cube around the head, where the two overlap.
    PreprocessingSpec whole;
    whole.shape = 48;
    whole.spacing_mm = 4;
    const auto head = Preprocess(phantom.volumes, kRoles, whole);
    ASSERT_TRUE(head.head_centre && input.head_centre);
    EXPECT_EQ(*head.head_centre, *input.head_centre);
    const auto at = [&](const NetworkInput& from, std::size_t c) {
      std::size_t index = 0;
      for (std::size_t k = 3; k-- > 0;)
        index = index * static_cast<std::size_t>(from.shape) +
                static_cast<std::size_t>(std::lround((phantom.lesion_centre[k] - from.grid_origin[k]) / 4));
      return from.tensor[c * from.head_mask.size() + index];
    };
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(at(input, c), at(head, c), 0.8) << i << " " << c;
  }
}

TEST(Preprocess, ACubeAroundTheLesionNeedsWhatShowsLesions) {
  const auto phantom = MakePhantom(31, 0, {});
  PreprocessingSpec spec;
  spec.centre = "lesion";
  EXPECT_THROW(Preprocess({{Role::kT2, phantom.volumes.at(Role::kT2)}}, {Role::kT2}, spec), Error);
  auto same = phantom.volumes;
  same.at(Role::kT1ce) = same.at(Role::kT1);
  EXPECT_FALSE(Preprocess(same, kRoles, spec).reasons.empty());
}

TEST(Preprocess, IsTheSameTwiceBitForBit) {
  const auto phantom = MakePhantom(31, 1, {});
  const auto a = Preprocess(phantom.volumes, kRoles, {}), b = Preprocess(phantom.volumes, kRoles, {});
  EXPECT_EQ(a.tensor, b.tensor);
  EXPECT_EQ(a.grid_origin, b.grid_origin);
}

TEST(Preprocess, RegistrationBringsMovedSeriesOntoTheReference) {
  // The T1 channel of a patient who turned by 7 degrees and moved 9 mm must come out nearly as if they had not.
  auto phantom = MakePhantom(31, 2, {});
  const auto still = Preprocess(phantom.volumes, kRoles, {});
  RigidTransform by;
  by.angles = {0, 0, 0.12};
  by.translation = {5, -7, 2};
  Volume& t1 = phantom.volumes.at(Role::kT1);
  const Mat3 r = RotationMatrix(by.angles), d = t1.direction;
  t1.origin = Apply(by, t1.origin);
  t1.direction = {r[0] * d[0] + r[1] * d[3],
                  r[0] * d[1] + r[1] * d[4],
                  r[0] * d[2] + r[1] * d[5],
                  r[3] * d[0] + r[4] * d[3],
                  r[3] * d[1] + r[4] * d[4],
                  r[3] * d[2] + r[4] * d[5],
                  d[6],
                  d[7],
                  d[8]};
  const auto moved = Preprocess(phantom.volumes, kRoles, {});
  ASSERT_TRUE(moved.reasons.empty()) << Words(moved.reasons);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < 96 * 96 * 96; ++i)
    ab += double(still.tensor[i]) * moved.tensor[i], aa += double(still.tensor[i]) * still.tensor[i],
        bb += double(moved.tensor[i]) * moved.tensor[i];
  EXPECT_GT(ab / std::sqrt(aa * bb), 0.97);
}

TEST(Preprocess, SwappedT1AndT1ceAreCaught) {
  for (int i = 0; i < 2; ++i) {
    auto phantom = MakePhantom(32, i, {});
    std::swap(phantom.volumes.at(Role::kT1), phantom.volumes.at(Role::kT1ce));
    const auto input = Preprocess(phantom.volumes, kRoles, {});
    EXPECT_TRUE(HasReason(input.reasons, ReasonCode::kContrastCheck)) << i << " " << Words(input.reasons);
  }
}

TEST(Preprocess, NoContrastGivenIsCaught) {
  auto phantom = MakePhantom(32, 3, {});
  phantom.volumes.at(Role::kT1ce) = phantom.volumes.at(Role::kT1);
  const auto input = Preprocess(phantom.volumes, kRoles, {});
  EXPECT_TRUE(HasReason(input.reasons, ReasonCode::kContrastCheck)) << Words(input.reasons);
}

TEST(Preprocess, RefusesWhatIsNoHead) {
  const auto refused = [](const Volume& volume, ReasonCode code) {
    const auto input = Preprocess({{Role::kT1ce, volume}}, {Role::kT1ce}, {});
    EXPECT_TRUE(HasReason(input.reasons, code)) << Words(input.reasons);
  };
  refused(Object(45, 60, 110, 0.4), ReasonCode::kNotAHead);      // a knee: narrow
  refused(Object(75, 95, 80, 0.0), ReasonCode::kNotAHead);       // a ball of water: head-sized, nothing inside
  refused(Object(75, 95, 100, 0.4, 40), ReasonCode::kNotAHead);  // a box
  refused(Object(120, 100, 110, 0.4), ReasonCode::kNotAHead);    // a trunk
  refused(Object(75, 95, 35, 0.4), ReasonCode::kGeometry);       // 70 mm of a head
  refused(FromFunction({32, 32, 16}, {6, 6, 6}, [](const Vec3&) { return 0.0; }), ReasonCode::kNotAHead);
  const auto head = Preprocess({{Role::kT1ce, Object(75, 95, 80, 0.4)}}, {Role::kT1ce}, {});
  EXPECT_TRUE(head.reasons.empty()) << Words(head.reasons);
}

TEST(Preprocess, RefusesSlicesOutsideTheLimits) {
  auto volumes = MakePhantom(32, 4, {}).volumes;
  PreprocessingSpec spec;
  spec.slice_thickness_mm = {0.5, 4.0};
  const auto input = Preprocess(volumes, kRoles, spec);
  EXPECT_TRUE(HasReason(input.reasons, ReasonCode::kGeometry)) << Words(input.reasons);
}

TEST(Preprocess, ASeriesThatShowsHalfTheHeadIsRefused) {
  auto volumes = MakePhantom(32, 5, {}).volumes;
  Volume& t2 = volumes.at(Role::kT2);
  t2.size[2] = t2.size[2] / 2;
  t2.voxels.resize(t2.Count());
  const auto input = Preprocess(volumes, kRoles, {});
  EXPECT_TRUE(HasReason(input.reasons, ReasonCode::kGeometry) || HasReason(input.reasons, ReasonCode::kRegistration))
      << Words(input.reasons);
}

TEST(Preprocess, SaysWhatItCannotDo) {
  const auto volumes = MakePhantom(32, 6, {}).volumes;
  EXPECT_THROW(Preprocess({}, kRoles, {}), Error);
  EXPECT_THROW(Preprocess(volumes, {}, {}), Error);
  PreprocessingSpec spec;
  spec.normalisation = "minmax";
  EXPECT_THROW(Preprocess(volumes, kRoles, spec), Error);
  spec = {};
  spec.shape = 0;
  EXPECT_THROW(Preprocess(volumes, kRoles, spec), Error);
}

TEST(Preprocess, ShapeAndSpacingAreTheBundles) {
  const auto volumes = MakePhantom(32, 7, {}).volumes;
  PreprocessingSpec spec;
  spec.shape = 64, spec.spacing_mm = 3;
  spec.bias_correction = false;
  const auto input = Preprocess(volumes, {Role::kT1ce, Role::kT2}, spec);
  EXPECT_TRUE(input.reasons.empty()) << Words(input.reasons);
  EXPECT_EQ(input.tensor.size(), 2U * 64 * 64 * 64);
  EXPECT_EQ(input.registrations.count(Role::kT2), 1U);
}

TEST(Preprocess, RealStudyPassesAndItsSwapDoesNot) {
  const auto folder = testing::TestData() / "tcga-fg-6692";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "The real study is not here (GLIONODE_TEST_DATA).";
  std::map<Role, Volume> volumes;
  for (auto [role, name] : {std::pair{Role::kT1, "t1"}, {Role::kT2, "t2"}, {Role::kT1ce, "t1ce"}})
    volumes[role] = Stack(testing::ReadSeries(folder / name)).volume;
  const auto input = Preprocess(volumes, kRoles, {});
  EXPECT_TRUE(input.reasons.empty()) << Words(input.reasons);
  EXPECT_TRUE(input.registrations.at(Role::kT1).kept);
  EXPECT_TRUE(input.registrations.at(Role::kT2).kept);
  std::printf("  registration %.0f ms, the rest %.0f ms\n", input.registration_ms, input.preprocess_ms);
  std::swap(volumes.at(Role::kT1), volumes.at(Role::kT1ce));
  EXPECT_TRUE(HasReason(Preprocess(volumes, kRoles, {}).reasons, ReasonCode::kContrastCheck));
}

TEST(Preprocess, APhantomsT2InTheRealStudyIsCaught) {
  const auto folder = testing::TestData() / "tcga-fg-6692";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "The real study is not here (GLIONODE_TEST_DATA).";
  std::map<Role, Volume> volumes;
  volumes[Role::kT1ce] = Stack(testing::ReadSeries(folder / "t1ce")).volume;
  volumes[Role::kT2] = MakePhantom(34, 0, {}).volumes.at(Role::kT2);
  const auto input = Preprocess(volumes, {Role::kT2, Role::kT1ce}, {});
  EXPECT_TRUE(HasReason(input.reasons, ReasonCode::kRegistration)) << Words(input.reasons);
}

// Pins the network's input loosely: a change here means that trained bundles no longer fit and must be trained anew,
// unless it is the phantom that changed (kPhantomVersion 2).
TEST(Preprocess, GoldenValuesOfAPhantom) {
  const auto phantom = MakePhantom(31, 0, {});
  const auto input = Preprocess(phantom.volumes, kRoles, {});
  const auto block = [&](std::size_t channel, int z, int y, int x) {
    double sum = 0;
    for (int k = 0; k < 512; ++k) {
      const auto at = static_cast<std::size_t>(((z + k / 64) * 96 + y + k / 8 % 8) * 96 + x + k % 8);
      sum += input.tensor[channel * 96 * 96 * 96 + at];
    }
    return sum / 512;
  };
  const double values[] = {block(0, 44, 44, 30), block(1, 44, 44, 30), block(2, 44, 44, 30),
                           block(0, 60, 20, 44), block(1, 60, 20, 44), block(2, 60, 20, 44)};
  const double golden[] = {0.043, 1.742, 1.451, 0.045, 0.744, 0.240};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(values[i], golden[i], 0.03) << i;
}

}  // namespace
}  // namespace glionode::volumes
