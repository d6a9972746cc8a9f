#include "inference/volumes/lesion_search.h"
#include "inference/volumes/phantom.h"
#include "inference/volumes/phantom_scanner.h"
#include "inference/volumes/preprocess.h"
#include "inference/volumes/ring_filling.h"
#include "inference/volumes/stack.h"
#include "tests/inference/volumes/real_study.h"

#include <gtest/gtest.h>

#include <cmath>

namespace glionode::volumes {
namespace {

/// A cube of about 160 mm around (0, 0, 0).
Grid CubeOf(double spacing) {
  Grid grid;
  const int n = static_cast<int>(160 / spacing);
  grid.size = {n, n, n};
  grid.spacing = spacing;
  grid.origin = {-0.5 * (n - 1) * spacing, -0.5 * (n - 1) * spacing, -0.5 * (n - 1) * spacing};
  return grid;
}

/// The values of a function of the point, in the grid's order.
template <typename F>
auto Sampled(const Grid& grid, F f) {
  std::vector<decltype(f(Vec3{}))> values;
  for (int z = 0; z < grid.size[2]; ++z)
    for (int y = 0; y < grid.size[1]; ++y)
      for (int x = 0; x < grid.size[0]; ++x) values.push_back(f(grid.Point(x, y, z)));
  return values;
}

double Length(double x, double y, double z) { return std::sqrt(x * x + y * y + z * z); }
double Distance(const Vec3& a, const Vec3& b) { return Length(a[0] - b[0], a[1] - b[1], a[2] - b[2]); }

TEST(FillRings, FillsWhatAShellEnclosesButNotAHead) {
  const Grid grid = CubeOf(2);
  const auto filled = [&](auto wall) {
    Mask mask = Sampled(grid, [&](const Vec3& p) { return static_cast<std::uint8_t>(wall(p)); });
    FillRings(mask, grid);
    return mask.at((40U * 80 + 40) * 80 + 40);  // the middle
  };
  const auto shell = [](double from, double to) {
    return [=](const Vec3& p) { return Length(p[0], p[1], p[2]) > from && Length(p[0], p[1], p[2]) < to; };
  };
  const auto tube = [](double from, double to) {
    return [=](const Vec3& p) { return Length(p[0], p[1], 0) > from && Length(p[0], p[1], 0) < to; };
  };
  EXPECT_EQ(filled(shell(10, 14)), 1);
  EXPECT_EQ(filled(shell(30, 34)), 1);
  EXPECT_EQ(filled(shell(60, 64)), 0);  // the dura
  EXPECT_EQ(filled(tube(10, 14)), 1);   // a ring whose top and bottom fall between thick slices
  EXPECT_EQ(filled(tube(20, 24)), 0);   // what closes in one plane only
}

/// A brain of 55 mm radius with a sinus at its back, bone and scalp around it, and a face in front of and below it.
/// What enhances gains 60 % of brain signal, or `gain`.
class Heads : public ::testing::Test {
 protected:
  template <typename F>
  LesionSearch Search(F enhances, float gain = 60) const {
    const Grid grid = CubeOf(spacing_);
    const Mask head = Sampled(grid, [](const Vec3& p) {
      return static_cast<std::uint8_t>(Length(p[0], p[1], p[2]) < 74 || Distance(p, {0, -60, -40}) < 36);
    });
    const auto t1 = Sampled(grid, [&](const Vec3& p) {
      if (std::abs(Length(p[0], p[1], p[2]) - 58) < 3) return 10.0F;   // bone
      if (core_ > 0 && Distance(p, {20, 0, 0}) < core_) return 35.0F;  // as dark as liquor
      if (parted_ && std::abs(p[0] - 6) < 8) return 20.0F;                 // wide liquor between the hemispheres
      return Distance(p, kSinus) < 8 ? 45.0F : 100.0F;
    });
    std::vector<float> t1ce = Sampled(grid, [&](const Vec3& p) { return enhances(p[0], p[1], p[2]) ? gain : 0.0F; });
    for (std::size_t i = 0; i < t1.size(); ++i) t1ce[i] += t1[i];
    return FindLesion(t1, t1ce, head, grid);
  }
  static constexpr Vec3 kSinus{0, 47, 0};
  double spacing_ = 0, core_ = 0;
  bool parted_ = false;
  static auto Ball(double x, double y, double z, double radius) {
    return [=](double a, double b, double c) { return Length(a - x, b - y, c - z) < radius; };
  }
};

TEST_F(Heads, BallsAndRingsAreLesionsAndTubesAndSheetsAreNot) {
  for (const double spacing : {2.0, 3.0}) {
    SCOPED_TRACE(spacing);
    spacing_ = spacing;
    const auto at = [](const LesionSearch& search) { return search.centre.value_or(Vec3{999, 999, 999}); };
    EXPECT_LT(Distance(at(Search(Ball(20, 10, -5, 9))), {20, 10, -5}), 2);
    EXPECT_LT(Distance(at(Search([](double x, double y, double z) {  // a thin ring around a dark core
                         return Length(x - 20, y, z) < 15 && Length(x - 20, y, z) > 11;
                       })),
                       {20, 0, 0}),
              2);
    for (const LesionSearch& none :
         {Search([](double x, double y, double) { return Length(x, y, 0) < 3; }),  // a vessel
          Search([](double x, double, double) { return std::abs(x) < 3; }),        // the falx
          Search(Ball(20, 0, 0, 5)), Search([](double, double, double) { return false; })}) {
      EXPECT_TRUE(none.possible);
      EXPECT_FALSE(none.lump);
      EXPECT_TRUE(CheckLesion(none, false));
    }
  }
}

TEST_F(Heads, ADarkCoreDoesNotStandAgainstItsRing) {
  core_ = 16;
  for (const double spacing : {2.0, 3.0}) {
    SCOPED_TRACE(spacing);
    spacing_ = spacing;
    const auto search =
        Search([](double x, double y, double z) { return Length(x - 20, y, z) < 20 && Length(x - 20, y, z) >= 16; });
    ASSERT_TRUE(search.centre);
    EXPECT_LT(Distance(*search.centre, {20, 0, 0}), 2);
  }
}

TEST_F(Heads, BothHemispheresAreBrain) {
  parted_ = true;
  spacing_ = 3;
  for (const double side : {-25.0, 33.0}) {
    const auto search = Search(Ball(side, 0, 0, 9));
    ASSERT_TRUE(search.centre) << side;
    EXPECT_LT(Distance(*search.centre, {side, 0, 0}), 2);
  }
}

TEST_F(Heads, WideVoxelsSayNothing) {
  spacing_ = 8;
  EXPECT_FALSE(Search(Ball(20, 0, 0, 20)).possible);
}

// Pachymeningeal enhancement closes a ring around whole slices.
TEST_F(Heads, DuraThatEnhancesAllAroundHidesNoLesion) {
  for (const double spacing : {2.0, 3.0}) {
    SCOPED_TRACE(spacing);
    spacing_ = spacing;
    const auto lesion = Ball(25, 0, 0, 10);
    const auto search = Search([&](double x, double y, double z) {
      return lesion(x, y, z) || (Length(x, y, z) > 51 && Length(x, y, z) < 55);
    });
    ASSERT_TRUE(search.centre);
    EXPECT_LT(Distance(*search.centre, {25, 0, 0}), 2);
  }
}

TEST_F(Heads, MucosaIsNoLesionHoweverLarge) {
  for (const double spacing : {2.0, 3.0}) {
    SCOPED_TRACE(spacing);
    spacing_ = spacing;
    const auto mucosa = Ball(0, -60, -42, 12);  // beyond the bone
    const auto lesion = Ball(0, 20, 20, 9);
    const auto both = Search([&](double x, double y, double z) { return mucosa(x, y, z) || lesion(x, y, z); });
    ASSERT_TRUE(both.centre);
    EXPECT_LT(Distance(*both.centre, {0, 20, 20}), 2);
    EXPECT_FALSE(Search(mucosa).lump);
  }
}

// The first gains as little as in the real study.
TEST_F(Heads, AFaintRingIsALesionAndASinusIsNot) {
  for (const double spacing : {2.0, 3.0}) {
    SCOPED_TRACE(spacing);
    spacing_ = spacing;
    const auto ring =
        Search([](double x, double y, double z) { return Length(x, y + 20, z) < 13 && Length(x, y + 20, z) > 8; }, 20);
    ASSERT_TRUE(ring.centre);
    EXPECT_LT(Distance(*ring.centre, {0, -20, 0}), 2);
    for (const float gain : {20.0F, 60.0F}) EXPECT_FALSE(Search(Ball(0, kSinus[1], 0, 8), gain).lump) << gain;
  }
}

TEST(LesionSearch, TooLittleOfAHeadIsNoRefusalUnlessTheCubeNeedsAPlace) {
  const LesionSearch search = FindLesion({}, {}, {}, Grid{});
  EXPECT_FALSE(search.possible);
  EXPECT_FALSE(CheckLesion(search, false));
  EXPECT_TRUE(CheckLesion(search, true));
}

PreprocessingSpec AroundTheLesion() {
  PreprocessingSpec spec;
  spec.centre = "lesion";
  spec.shape = 48;
  return spec;
}

// In these the dura of whole slices enhances, and the middle of the cube came to lie on a sinus 50 to 120 mm away.
TEST(LesionSearch, FindsTheLesionOfPhantomsWhoseDuraEnhances) {
  for (const int index : {5, 7, 12, 36, 93, 113}) {
    auto phantom = MakePhantom(1001, index, {});
    phantom.volumes.erase(Role::kT2);
    const auto input = Preprocess(phantom.volumes, {Role::kT1, Role::kT1ce}, AroundTheLesion());
    ASSERT_TRUE(input.lesion_centre) << index;
    const auto& at = phantom.lesion_centre;
    EXPECT_LT(Distance(*input.lesion_centre, {at[0], at[1], at[2]}), 12) << index;
  }
}

// The same heads, scanners and motion with and without their lesion: only the latter have no object to judge.
TEST(LesionSearch, AHeadWithoutALesionIsRefusedAndTheSameHeadWithOneIsNot) {
  constexpr std::uint64_t kSeed = 77;
  for (const int index : {3, 11, 16, 22}) {
    Anatomy anatomy = MakeAnatomy(kSeed, index, std::vector<double>(kLatentFeatures, 0.0));
    const auto protocols = MakeProtocols(kSeed, index);
    const auto codes = [&](const PreprocessingSpec& spec) {
      std::map<Role, Volume> volumes;
      for (Role role : {Role::kT1, Role::kT1ce}) volumes[role] = Render(anatomy, protocols.at(role), kSeed, index);
      std::vector<ReasonCode> found;
      for (const Reason& reason : Preprocess(volumes, {Role::kT1, Role::kT1ce}, spec).reasons)
        found.push_back(reason.code);
      return found;
    };
    for (const PreprocessingSpec& spec : {PreprocessingSpec{}, AroundTheLesion()}) {
      EXPECT_EQ(codes(spec), std::vector<ReasonCode>{}) << index << " " << spec.centre;
      const Vec3 place = anatomy.lesion.centre;
      anatomy.lesion.centre = {0, 0, 1e4};  // the lesion and its cavity are painted only near its centre
      EXPECT_EQ(codes(spec), std::vector{ReasonCode::kNoLesion}) << index << " " << spec.centre;
      anatomy.lesion.centre = place;
    }
  }
}

// A ring of 16 mm in the right frontal lobe that gains 20 % of brain signal; the mucosa of the nose is a lump of 60 ml.
TEST(LesionSearch, FindsTheLesionOfTheRealStudy) {
  const auto folder = testing::TestData() / "tcga-fg-6692";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "The real study is not here (GLIONODE_TEST_DATA).";
  std::map<Role, Volume> volumes;
  for (auto [role, name] : {std::pair{Role::kT1, "t1"}, {Role::kT1ce, "t1ce"}})
    volumes[role] = Stack(testing::ReadSeries(folder / name)).volume;
  for (const PreprocessingSpec& spec : {PreprocessingSpec{}, AroundTheLesion()}) {
    const auto input = Preprocess(volumes, {Role::kT1, Role::kT1ce}, spec);
    EXPECT_TRUE(input.reasons.empty());
    ASSERT_TRUE(input.lesion_centre) << spec.centre;
    EXPECT_LT(Distance(*input.lesion_centre, {-35, -43, 54}), 8) << spec.centre;
  }
}

}  // namespace
}  // namespace glionode::volumes
