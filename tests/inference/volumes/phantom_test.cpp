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

/// One point of head space in a series, white matter 1000: no noise, no coil, a thin slice.
float SignalAt(const Anatomy& anatomy, Protocol protocol, const Vec3& point) {
  protocol.size = {1, 1, 1};
  protocol.spacing = {1, 1, 1};
  protocol.thickness = 1;
  protocol.head = {};
  protocol.slices = {};
  protocol.slices.translation = point;
  protocol.noise = 0;
  protocol.bias = {};
  protocol.brightness = 1000;
  return Render(anatomy, protocol, 0, 0).voxels.at(0);
}

struct TissueSignals {
  float liquor, grey, white, vein, lesion;
};

/// In a ventricle, the basal ganglia and the deep white matter of the side without the lesion, which is made small; in
/// the superior sagittal sinus; and in the small lesion.
TissueSignals SignalsOf(Anatomy anatomy, const Protocol& protocol) {
  Lesion& lesion = anatomy.lesion;
  const Vec3 top{0, 0, anatomy.brain[2] - 4};
  lesion.radius = lesion.oedema = lesion.nodule = lesion.cavity = 1;
  lesion.infiltration = 0;
  const double side = lesion.centre[0] > 0 ? -1 : 1;
  TissueSignals signals{SignalAt(anatomy, protocol, {side * 10.7, 2, 14.8}),
                        SignalAt(anatomy, protocol, {side * 24, -4, 1}),
                        SignalAt(anatomy, protocol, {side * 24, -2, 28}), SignalAt(anatomy, protocol, top), 0};
  lesion.radius = 10;
  lesion.core = 0.01;
  signals.lesion = SignalAt(anatomy, protocol, {lesion.centre[0] + 4, lesion.centre[1], lesion.centre[2]});
  return signals;
}

TEST(Phantom, TheFieldDecidesAboutTheContrastNotOnlyAboutTheHeader) {
  const auto anatomy = MakeAnatomy(3, 1, std::vector<double>(kLatentFeatures, 0.0));
  Protocol t1 = MakeProtocols(3, 1).at(Role::kT1);
  ASSERT_FALSE(t1.is_3d);
  t1.field = 1.5;
  const auto low = SignalsOf(anatomy, t1);
  t1.field = 3;
  const auto high = SignalsOf(anatomy, t1);
  // White matter is 1000 in both. At the same TR, longer T1 leaves less of liquor's neighbours, grey matter loses more.
  EXPECT_LT(high.grey, low.grey);
  for (const Tissue tissue : {kGrey, kWhite, kMuscle, kBlood, kOedema, kTumour, kCore})
    EXPECT_GT(PropertiesOf(tissue, 3).t1, 1.1 * PropertiesOf(tissue, 1.5).t1) << tissue;
  EXPECT_EQ(PropertiesOf(kLiquor, 3).t1, PropertiesOf(kLiquor, 1.5).t1);
  double noise[2] = {0, 0};
  int count[2] = {0, 0};
  for (int i = 0; i < 200; ++i) {
    const Protocol p = MakeProtocols(3, i).at(Role::kT1);
    EXPECT_EQ(p.attributes.at("MagneticFieldStrength"), p.field > 2 ? "3.0" : "1.5");
    noise[p.field > 2] += p.noise, ++count[p.field > 2];
  }
  EXPECT_LT(noise[1] / count[1], 0.85 * noise[0] / count[0]);
}

TEST(Phantom, MassEffectPushesTheMidlineAndNothingFolds) {
  for (int i = 0; i < 20; ++i) {
    std::vector<double> z(kLatentFeatures, 0.0);
    z[6] = -3;  // as strong as it gets
    const Lesion lesion = MakeAnatomy(3, i, z).lesion;
    const double side = lesion.centre[0] > 0 ? 1 : -1;
    const auto moved = [&](const Lesion& by, const Vec3& point) { return BeforeMassEffect(by, point)[0] - point[0]; };
    // What is at the midline now came from the lesion's side.
    const Vec3 midline{0, lesion.centre[1], lesion.centre[2]};
    EXPECT_GT(side * moved(lesion, midline), 1) << i;
    EXPECT_LT(side * moved(lesion, midline), 8) << i;
    z[6] = 3;
    EXPECT_LT(side * moved(MakeAnatomy(3, i, z).lesion, midline), 1) << i;
    // Along a ray the order of the tissue stays.
    double before = -1;
    for (double r = 0; r < 120; r += 0.5) {
      const double from = BeforeMassEffect(lesion, {lesion.centre[0] + r, lesion.centre[1], lesion.centre[2]})[0];
      EXPECT_GT(from - lesion.centre[0], before) << i << " at " << r;
      before = from - lesion.centre[0];
    }
    EXPECT_NEAR(moved(lesion, {-side * 60, lesion.centre[1], lesion.centre[2]}), 0, 1.5) << i;
  }
}

TEST(Phantom, MassEffectMovesWhatTheImagesShow) {
  // T2 of the ventricle beside the lesion: where its middle was, it is no longer.
  std::vector<double> z(kLatentFeatures, 0.0);
  Anatomy anatomy = MakeAnatomy(3, 1, z);
  Lesion& lesion = anatomy.lesion;
  lesion.centre = {30, 2, 15}, lesion.radius = 14, lesion.oedema = 4, lesion.cavity_centre = {60, 2, 15};
  lesion.nodule_centre = {44, 2, 15}, lesion.nodule = 2, lesion.infiltration = 0, lesion.cavity = 1;
  Protocol t2 = MakeProtocols(3, 1).at(Role::kT2);
  const auto first_liquor = [&](double mass) {  // from the lesion towards the middle
    lesion.mass = mass;
    for (double x = 15; x > -20; x -= 0.25)
      if (SignalAt(anatomy, t2, {x, 2, 14.8}) > 2500) return x;
    return -99.0;
  };
  const double still = first_liquor(0), pushed = first_liquor(0.8);
  EXPECT_GT(still, 8);
  EXPECT_LT(pushed, still - 2);
  EXPECT_GT(pushed, -20);
}

TEST(Phantom, InfiltrationBlursTheMarginAndSpreadsBeyondIt) {
  std::vector<double> z(kLatentFeatures, 0.0);
  Anatomy anatomy = MakeAnatomy(3, 1, z);
  Lesion& lesion = anatomy.lesion;
  lesion.centre = {30, 2, 25}, lesion.radius = 12, lesion.oedema = 0.5, lesion.cavity_centre = {60, 2, 15};
  lesion.squeeze = {1, 1, 1}, lesion.mass = 0, lesion.cavity = 1, lesion.core = 0.1;
  lesion.nodule_centre = lesion.centre, lesion.nodule = 1;
  const auto protocols = MakeProtocols(3, 1);
  const auto beyond = [&](Role role, double infiltration, double distance) {
    lesion.infiltration = infiltration;
    return SignalAt(anatomy, protocols.at(role), {30 - 12 - distance, 2, 25});
  };
  EXPECT_NEAR(beyond(Role::kT2, 0.3, 5), 1000, 20);  // white matter
  EXPECT_GT(beyond(Role::kT2, 5.3, 5), 1100);        // tumour cells in it, without contrast agent
  EXPECT_LT(beyond(Role::kT1ce, 5.3, 5), 1000);
}

TEST(Phantom, OedemaSparesLiquorCortexAndTheOtherHemisphere) {
  std::vector<double> z(kLatentFeatures, 0.0);
  Anatomy anatomy = MakeAnatomy(3, 1, z);
  Lesion& lesion = anatomy.lesion;
  lesion.centre = {26, 2, 25}, lesion.radius = 12, lesion.squeeze = {1, 1, 1}, lesion.mass = 0, lesion.infiltration = 0;
  lesion.cavity_centre = {60, 2, 15}, lesion.cavity = 1, lesion.nodule_centre = lesion.centre, lesion.nodule = 1;
  const auto protocols = MakeProtocols(3, 1);
  const auto with = [&](double oedema, Role role, const Vec3& point) {
    lesion.oedema = oedema;
    return SignalAt(anatomy, protocols.at(role), point);
  };
  for (const Role role : {Role::kT1, Role::kT2}) {
    const Vec3 ventricle{10.7, 2, 14.8}, opposite{-20, 2, 32}, white{26, 24, 30};
    EXPECT_EQ(with(0.5, role, ventricle), with(28, role, ventricle));
    EXPECT_EQ(with(0.5, role, opposite), with(28, role, opposite));
    EXPECT_GT(std::abs(with(0.5, role, white) - with(28, role, white)), 50);
  }
}

TEST(Phantom, CavitiesLieInTheBrainOnTheLesionsSide) {
  for (int i = 0; i < 500; ++i) {
    const auto anatomy = MakeAnatomy(11, i, std::vector<double>(kLatentFeatures, 0.0));
    const Lesion& lesion = anatomy.lesion;
    double square = 0;
    for (std::size_t k = 0; k < 3; ++k)
      square += std::pow(lesion.cavity_centre[k] / (anatomy.brain[k] - 0.3 * lesion.cavity), 2);
    EXPECT_LT(square, 1) << i;
    EXPECT_GT(lesion.cavity_centre[0] * lesion.centre[0], 0) << i;
  }
}

Protocol Distractor(const std::map<Role, Protocol>& protocols, const std::string& name) {
  for (const auto& one : MakeDistractors(protocols))
    if (one.name == name) return one.protocol;
  ADD_FAILURE() << "no " << name;
  return {};
}

TEST(Phantom, TissuesAreAsBrightAsTheSequenceMakesThem) {
  for (int i = 0; i < 8; ++i) {
    const auto anatomy = MakeAnatomy(3, i, std::vector<double>(kLatentFeatures, 0.0));
    const auto protocols = MakeProtocols(3, i);
    const auto t1 = SignalsOf(anatomy, protocols.at(Role::kT1)), t2 = SignalsOf(anatomy, protocols.at(Role::kT2));
    EXPECT_GT(t1.white, 1.05F * t1.grey) << i;
    EXPECT_GT(t1.grey, 1.5F * t1.liquor) << i;
    EXPECT_GT(t2.liquor, 1.5F * t2.grey) << i;
    EXPECT_GT(t2.grey, 1.05F * t2.white) << i;
    const auto t1ce = SignalsOf(anatomy, protocols.at(Role::kT1ce));
    EXPECT_LT(t1.lesion, t1.white) << i;
    EXPECT_GT(t1ce.lesion, 1.1F * t1ce.white) << i;  // with contrast agent
    EXPECT_GT(t2.lesion, 1.1F * t2.white) << i;
    EXPECT_LT(t1.vein, 0.8F * t1.white) << i;  // flow void
    EXPECT_LT(t2.vein, 0.8F * t2.white) << i;
    EXPECT_GT(t1ce.vein, 1.1F * t1ce.white) << i;
    const auto flair = SignalsOf(anatomy, Distractor(protocols, "flair"));
    EXPECT_LT(flair.liquor, 0.05F * flair.white) << i;
    EXPECT_GT(flair.grey, flair.white) << i;
    const auto diffusion = SignalsOf(anatomy, Distractor(protocols, "diffusion"));
    EXPECT_LT(diffusion.liquor, 0.7F * diffusion.white) << i;
    EXPECT_GT(diffusion.grey, diffusion.white) << i;
  }
}

TEST(Phantom, BothFlairsHaveTheInversionTimeThatTheirTrAsksFor) {
  auto protocols = MakeProtocols(3, 1);
  const Protocol distractor = Distractor(protocols, "flair");
  ShiftProtocols("flair", protocols);
  for (const Protocol& flair : {distractor, protocols.at(Role::kT2)})
    EXPECT_NEAR(flair.inversion, 1000 * kLiquorT1 * std::log(2 / (1 + std::exp(-flair.tr / 1000 / kLiquorT1))), 1);
  EXPECT_EQ(distractor.attributes.at("InversionTime"), "2480.0");
}

TEST(Phantom, OnlyTheDiffusionSeriesIsDiffusionWeighted) {
  const auto protocols = MakeProtocols(3, 1);
  const Protocol diffusion = Distractor(protocols, "diffusion");
  EXPECT_EQ(diffusion.b_value, 1000);
  EXPECT_EQ(diffusion.attributes.at("DiffusionBValue"), "1000");
  for (const auto& [role, protocol] : protocols) {
    EXPECT_EQ(protocol.b_value, 0);
    EXPECT_EQ(protocol.attributes.count("DiffusionBValue"), 0U);
  }
  EXPECT_EQ(Distractor(protocols, "localizer").attributes.at("ImageType"), "ORIGINAL\\PRIMARY\\LOCALIZER\\ND");
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
