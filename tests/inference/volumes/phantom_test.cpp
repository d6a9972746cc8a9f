#include "inference/volumes/phantom.h"

#include "inference/volumes/phantom_shift.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace glionode::volumes {
namespace {

double Phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// Area under the ROC curve by ranks; ties count half.
double Auc(const std::vector<double>& negative, const std::vector<double>& positive) {
  std::vector<std::pair<double, int>> all;
  for (double v : negative) all.emplace_back(v, 0);
  for (double v : positive) all.emplace_back(v, 1);
  std::sort(all.begin(), all.end());
  double below = 0, sum = 0;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t j = i;
    double zeros = 0, ones = 0;
    for (; j < all.size() && all[j].first == all[i].first; ++j) (all[j].second ? ones : zeros) += 1;
    sum += ones * (below + 0.5 * zeros);
    below += zeros;
    i = j;
  }
  return sum / (static_cast<double>(negative.size()) * static_cast<double>(positive.size()));
}

double AucOfDraws(double separation, int draws) {
  PhantomOptions options;
  options.separation = separation;
  std::vector<double> score[2];
  for (int i = 0; i < draws; ++i) {
    const auto draw = DrawLatent(5, i, options);
    score[draw.label == "necrosis"].push_back(draw.log_likelihood_ratio);
  }
  return Auc(score[0], score[1]);
}

TEST(Phantom, TheCeilingIsAsComputed) {
  EXPECT_NEAR(AucOfDraws(1.812, 100000), 0.90, 0.005);
  EXPECT_NEAR(AucOfDraws(1.0, 100000), Phi(1.0 / std::sqrt(2.0)), 0.005);
  EXPECT_NEAR(AucOfDraws(0.0, 1000), 0.5, 1e-12);  // every ratio is 0: the latents say nothing
}

TEST(Phantom, PrevalenceIsRespected) {
  PhantomOptions options;
  options.prevalence = 0.18;
  int necrosis = 0;
  for (int i = 0; i < 20000; ++i) necrosis += DrawLatent(6, i, options).label == "necrosis";
  EXPECT_NEAR(necrosis / 20000.0, 0.18, 0.01);
}

TEST(Phantom, SameSeedAndIndexGiveTheSamePhantomInAnyOrder) {
  const auto first = MakePhantom(9, 4, {});
  MakePhantom(9, 1, {});
  const auto again = MakePhantom(9, 4, {});
  EXPECT_EQ(first.label, again.label);
  EXPECT_EQ(first.z, again.z);
  for (Role role : {Role::kT1, Role::kT2, Role::kT1ce}) {
    EXPECT_EQ(first.volumes.at(role).voxels, again.volumes.at(role).voxels);
    EXPECT_EQ(first.attributes.at(role), again.attributes.at(role));
  }
  EXPECT_NE(MakePhantom(10, 4, {}).volumes.at(Role::kT1).voxels, first.volumes.at(Role::kT1).voxels);
}

TEST(Phantom, WithoutSeparationTheLabelChangesNothingInTheImage) {
  PhantomOptions options;
  options.separation = 0;
  options.distractors = true;
  const auto a = MakePhantom(9, 4, options, 0), b = MakePhantom(9, 4, options, 1);
  EXPECT_NE(a.label, b.label);
  EXPECT_EQ(a.z, b.z);
  EXPECT_EQ(a.study_attributes, b.study_attributes);
  for (Role role : {Role::kT1, Role::kT2, Role::kT1ce}) EXPECT_EQ(a.volumes.at(role).voxels, b.volumes.at(role).voxels);
  ASSERT_EQ(a.distractors.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(a.distractors[i].volume.voxels, b.distractors[i].volume.voxels);
}

TEST(Phantom, DistractorsChangeNothingOfTheOtherSeries) {
  PhantomOptions options;
  options.distractors = true;
  const auto plain = MakePhantom(9, 4, {}), full = MakePhantom(9, 4, options);
  EXPECT_EQ(plain.attributes, full.attributes);
  for (Role role : {Role::kT1, Role::kT2, Role::kT1ce})
    EXPECT_EQ(plain.volumes.at(role).voxels, full.volumes.at(role).voxels);
}

TEST(Phantom, ScannerMotionPatientAndPlaceDoNotKnowTheLabel) {
  for (int i = 0; i < 2; ++i) {
    const auto a = MakePhantom(9, i, {}, 0), b = MakePhantom(9, i, {}, 1);
    EXPECT_EQ(a.study_attributes, b.study_attributes);
    EXPECT_EQ(a.attributes, b.attributes);
    EXPECT_EQ(a.lesion_centre, b.lesion_centre);
    for (Role role : {Role::kT1, Role::kT2, Role::kT1ce}) {
      EXPECT_EQ(a.volumes.at(role).origin, b.volumes.at(role).origin);
      EXPECT_EQ(a.volumes.at(role).direction, b.volumes.at(role).direction);
      EXPECT_NE(a.volumes.at(role).voxels, b.volumes.at(role).voxels);
    }
  }
}

TEST(Phantom, EveryLatentFeatureShapesTheLesionMonotonely) {
  const auto at = [](std::size_t feature, double value) {
    std::vector<double> z(kLatentFeatures, 0.0);
    z[feature] = value;
    return MakeAnatomy(3, 1, z).lesion;
  };
  for (double v = -3; v < 3; v += 0.5) {
    EXPECT_LT(at(0, v).core, at(0, v + 0.5).core);
    EXPECT_GT(at(1, v).core_filling, at(1, v + 0.5).core_filling);
    EXPECT_LT(at(2, v).oedema, at(2, v + 0.5).oedema);
    EXPECT_GT(at(3, v).nodule, at(3, v + 0.5).nodule);
    EXPECT_LT(at(4, v).bubbles, at(4, v + 0.5).bubbles);
    EXPECT_LT(at(5, v).core_t2, at(5, v + 0.5).core_t2);
    EXPECT_GT(at(6, v).mass, at(6, v + 0.5).mass);
    EXPECT_GT(at(7, v).infiltration, at(7, v + 0.5).infiltration);
  }
}

/// Mean of a volume within `radius` mm of a point.
double MeanAround(const Volume& volume, const Vec3& centre, double radius) {
  double sum = 0;
  int count = 0;
  for (double z = -radius; z <= radius; z += 2)
    for (double y = -radius; y <= radius; y += 2)
      for (double x = -radius; x <= radius; x += 2) {
        float value = 0;
        if (x * x + y * y + z * z <= radius * radius &&
            SampleAt(volume, IndexOf(volume, {centre[0] + x, centre[1] + y, centre[2] + z}), &value))
          sum += value, ++count;
      }
  return count ? sum / count : 0;
}

Vec3 LesionCentre(const Anatomy& anatomy, const Protocol& protocol) {
  const Mat3 r = RotationMatrix(protocol.head.angles);
  const auto& c = anatomy.lesion.centre;
  const auto& t = protocol.head.translation;
  return Multiply({r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]}, {c[0] - t[0], c[1] - t[1], c[2] - t[2]});
}

TEST(Phantom, ALargerEmptierCoreIsDarkerAfterContrast) {
  const auto protocols = MakeProtocols(3, 1);
  double before = 1e9;
  for (double v : {-2.0, 0.0, 2.0}) {
    const auto anatomy = MakeAnatomy(3, 1, {v, v, 0, 0, 0, 0, 0, 0});
    const auto& protocol = protocols.at(Role::kT1ce);
    const double core = MeanAround(Render(anatomy, protocol, 3, 1), LesionCentre(anatomy, protocol), 5);
    EXPECT_LT(core, before);
    before = core;
  }
}

TEST(Phantom, CoreEnhancementTellsTheClassesApartButNotPerfectly) {
  std::vector<double> score[2];
  for (int i = 0; i < 60; ++i) {
    const auto draw = DrawLatent(21, i, {}, i % 2);
    const auto anatomy = MakeAnatomy(21, i, draw.z);
    auto protocol = MakeProtocols(21, i).at(Role::kT1ce);
    if (protocol.is_3d) continue;
    for (std::size_t k = 0; k < 2; ++k) {  // coarse in plane, to be quick
      protocol.size[k] = static_cast<int>(protocol.size[k] * protocol.spacing[k] / 2.5);
      protocol.spacing[k] = 2.5;
    }
    const double core = MeanAround(Render(anatomy, protocol, 21, i), LesionCentre(anatomy, protocol), 5);
    score[i % 2].push_back(-core / protocol.brightness);
  }
  const double auc = Auc(score[0], score[1]);
  std::printf("  AUC of core enhancement alone: %.2f\n", auc);
  EXPECT_GT(auc, 0.60);
  EXPECT_LT(auc, 0.97);
}

TEST(Phantom, SaysWhatItIsAndLooksLikeAStudy) {
  const auto p = MakePhantom(9, 4, {});
  EXPECT_EQ(p.study_attributes.at("PatientID"), "PHANTOM-S9-00004");
  EXPECT_EQ(p.study_attributes.at("QualityControlSubject"), "YES");
  EXPECT_EQ(p.study_attributes.at("StudyDescription"), "Glioma post RT phantom");
  ASSERT_EQ(p.volumes.size(), 3U);
  for (const auto& [role, volume] : p.volumes) {
    EXPECT_EQ(volume.voxels.size(), volume.Count());
    float low = 1e9F, high = 0;
    for (float v : volume.voxels) low = std::min(low, v), high = std::max(high, v);
    EXPECT_GE(low, 0);
    EXPECT_GT(high, 300);
    EXPECT_LE(high, 4095);
    EXPECT_EQ(p.attributes.at(role).count("ContrastBolusAgent"), role == Role::kT1ce ? 1U : 0U);
  }
  EXPECT_GT(std::stod(p.attributes.at(Role::kT2).at("EchoTime")), 80);
  EXPECT_LT(std::stod(p.attributes.at(Role::kT1).at("EchoTime")), 20);
}

TEST(Phantom, EveryShiftChangesTheImagesAndNothingThatSaysSo) {
  const auto plain = MakePhantom(9, 4, {});
  for (const auto& shift : PhantomShifts()) {
    PhantomOptions options;
    options.shift = shift;
    const auto shifted = MakePhantom(9, 4, options);
    EXPECT_EQ(shifted.z, plain.z) << shift;
    EXPECT_EQ(shifted.attributes, plain.attributes) << shift;
    bool changed = false;
    for (Role role : {Role::kT1, Role::kT2, Role::kT1ce})
      changed |= shifted.volumes.at(role).voxels != plain.volumes.at(role).voxels;
    EXPECT_TRUE(changed) << shift;
  }
}

}  // namespace
}  // namespace glionode::volumes
