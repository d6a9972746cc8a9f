#include "config/error.h"
#include "dicom/pixel_decoder.h"
#include "dicom/series_roles.h"
#include "inference/volumes/preprocess.h"
#include "inference/volumes/stack.h"
#include "tests/inference/volumes/real_study.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace glionode::volumes {
namespace {

namespace fs = std::filesystem;

#define NEED_DATA(folder)                          \
  if (!fs::exists(testing::TestData() / (folder))) \
  GTEST_SKIP() << "The real test data " << (folder) << " are not here (GLIONODE_TEST_DATA)."

/// The slices of one object, as the worker would give them to Stack.
std::vector<Frame> Slices(const fs::path& file) {
  std::vector<Frame> frames;
  for (auto& decoded : dicom::Decode(file).frames) {
    EXPECT_TRUE(decoded.geometry.valid) << file;
    Frame frame;
    frame.rows = decoded.rows, frame.columns = decoded.columns;
    frame.position = decoded.geometry.position;
    frame.orientation = decoded.geometry.orientation;
    frame.spacing = decoded.geometry.spacing;
    frame.values = std::move(decoded.values);
    frames.push_back(std::move(frame));
  }
  return frames;
}

std::vector<Frame> SlicesOfFolder(const fs::path& folder) {
  std::vector<Frame> frames;
  for (const auto& entry : fs::directory_iterator(folder))
    for (auto& frame : Slices(entry.path())) frames.push_back(std::move(frame));
  return frames;
}

/// The one file of a folder that begins with "0001" and holds pixels (private raw data lie beside it).
fs::path EnhancedFile(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().find("_Raw") == std::string::npos) return entry.path();
  return {};
}

/// A real slice, repeated every 4 mm along its normal: only single slices of knee, shoulder and abdomen are here, and
/// one slice alone is refused before anybody looks at it.
std::vector<Frame> Extruded(const Frame& slice, double length_mm) {
  const auto& o = slice.orientation;
  const std::array<double, 3> normal{o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]};
  std::vector<Frame> frames;
  for (double at = 0; at <= length_mm; at += 4) {
    frames.push_back(slice);
    for (std::size_t i = 0; i < 3; ++i) frames.back().position[i] += at * normal[i];
  }
  return frames;
}

std::vector<Reason> Judge(std::vector<Frame> frames) {
  auto stack = Stack(std::move(frames));
  if (!stack.reasons.empty()) return stack.reasons;
  return Preprocess({{Role::kT1ce, std::move(stack.volume)}}, {Role::kT1ce}, {}).reasons;
}

/// Refused, for this reason and no other.
::testing::AssertionResult RefusedFor(ReasonCode code, const std::vector<Reason>& reasons) {
  if (reasons.empty()) return ::testing::AssertionFailure() << "accepted";
  for (const auto& reason : reasons)
    if (reason.code != code) return ::testing::AssertionFailure() << ToText(reason.code) << ": " << reason.text;
  return ::testing::AssertionSuccess() << reasons.front().text;
}

dicom::RoleVerdict RoleOf(const fs::path& file) {
  const auto series = dicom::SummarizeSeries({dicom::ReadHeader(file)});
  return dicom::JudgeSeries(series.at(0));
}

TEST(RealVolumes, EnhancedAndClassicPhilipsGiveOneGeometryAndNearlyOneImage) {
  NEED_DATA("philips-enhanced");
  const auto folder = testing::TestData() / "philips-enhanced" / "Philips";
  const auto enhanced = Stack(Slices(EnhancedFile(folder / "401_T1W_FFE_Sno_CS2")));
  const auto classic = Stack(SlicesOfFolder(folder / "501_T1W_FFE_Sno_CS4"));
  ASSERT_TRUE(enhanced.reasons.empty() && classic.reasons.empty());
  const Volume &a = enhanced.volume, &b = classic.volume;
  ASSERT_EQ(a.size, b.size);
  EXPECT_EQ(a.size[2], 24);
  EXPECT_NEAR(a.spacing[2], 5.5, 1e-3);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(a.spacing[i], b.spacing[i], 1e-3);
    EXPECT_NEAR(a.origin[i], b.origin[i], 1e-3);
  }
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(a.direction[i], b.direction[i], 1e-6);
  double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
  const auto n = static_cast<double>(a.voxels.size());
  for (std::size_t i = 0; i < a.voxels.size(); ++i) {
    const double x = a.voxels[i], y = b.voxels[i];
    sa += x, sb += y, aa += x * x, bb += y * y, ab += x * y;
  }
  const double correlation = (ab - sa * sb / n) / std::sqrt((aa - sa * sa / n) * (bb - sb * sb / n));
  EXPECT_GE(correlation, 0.98);
  std::printf("  correlation %.4f\n", correlation);
}

TEST(RealVolumes, ATestObjectIsNoHead) {
  NEED_DATA("philips-enhanced");
  const auto folder = testing::TestData() / "philips-enhanced" / "Philips";
  EXPECT_TRUE(RefusedFor(ReasonCode::kNotAHead, Judge(Slices(EnhancedFile(folder / "401_T1W_FFE_Sno_CS2")))));
  EXPECT_TRUE(RefusedFor(ReasonCode::kNotAHead, Judge(SlicesOfFolder(folder / "501_T1W_FFE_Sno_CS4"))));
}

TEST(RealVolumes, KneeAndShoulderAreNoHead) {
  NEED_DATA("nema-wg04");
  for (const char* name : {"MR2_UNC", "MR3_UNC"}) {
    const auto slice = Slices(testing::TestData() / "nema-wg04" / "REF" / name).at(0);
    for (const double length : {100.0, 160.0})
      EXPECT_TRUE(RefusedFor(ReasonCode::kNotAHead, Judge(Extruded(slice, length)))) << name << " " << length;
  }
}

TEST(RealVolumes, TheAbdomenWithContrastIsNeitherARoleNorAHead) {
  NEED_DATA("emri-small");
  const auto file = testing::TestData() / "emri-small" / "MR-SIEMENS-DICOM-WithOverlays.dcm";
  EXPECT_EQ(RoleOf(file).role, Role::kNone) << RoleOf(file).why;  // a derived MPR, although Omniscan was given
  EXPECT_TRUE(RefusedFor(ReasonCode::kNotAHead, Judge(Extruded(Slices(file).at(0), 140))));
}

TEST(RealVolumes, SingleSlicesAreNoVolume) {
  NEED_DATA("nema-wg04");
  for (const auto& entry : fs::directory_iterator(testing::TestData() / "nema-wg04" / "REF"))
    EXPECT_TRUE(RefusedFor(ReasonCode::kGeometry, Judge(Slices(entry.path())))) << entry.path();
}

TEST(RealVolumes, RestingStateIsNoT1AndItsTimePointsAreNoVolume) {
  NEED_DATA("enhanced-small");
  const auto folder = testing::TestData() / "enhanced-small" / "Siemens" / "XA10";
  EXPECT_EQ(RoleOf(folder / "6_1.dcm").role, Role::kNone) << RoleOf(folder / "6_1.dcm").why;
  EXPECT_TRUE(RefusedFor(ReasonCode::kGeometry, Judge(SlicesOfFolder(folder))));
}

TEST(RealVolumes, FramesWithoutAPlaceSaySo) {
  NEED_DATA("emri-small");
  const auto decoded = dicom::Decode(testing::TestData() / "emri-small" / "emri_small.dcm");
  ASSERT_FALSE(decoded.frames.empty());
  EXPECT_FALSE(decoded.frames[0].geometry.valid);
}

}  // namespace
}  // namespace glionode::volumes
