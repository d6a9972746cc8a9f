// What a phantom's images show, point by point: tissues as the sequence and the field make them, and what a lesion does
// to its surroundings.
#include "inference/volumes/phantom_scanner.h"
#include "inference/volumes/phantom_shift.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace glionode::volumes {
namespace {

Anatomy Average(int index) { return MakeAnatomy(3, index, std::vector<double>(kLatentFeatures, 0.0)); }

/// The same head with a ball for a lesion, nodule and cavity out of the way, nothing pushed and nothing around it.
Anatomy WithABall(const Vec3& centre, double radius) {
  Anatomy anatomy = Average(1);
  Lesion& lesion = anatomy.lesion;
  lesion.centre = lesion.nodule_centre = centre, lesion.radius = radius, lesion.squeeze = {1, 1, 1};
  lesion.core = 0.1, lesion.nodule = lesion.cavity = 1, lesion.cavity_centre = {60, 2, 15};
  lesion.oedema = 0.5, lesion.mass = lesion.infiltration = 0;
  return anatomy;
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
  const auto anatomy = Average(1);
  Protocol t1 = MakeProtocols(3, 1).at(Role::kT1);
  ASSERT_FALSE(t1.is_3d);
  t1.field = 1.5;
  const auto low = SignalsOf(anatomy, t1);
  t1.field = 3;
  const auto high = SignalsOf(anatomy, t1);
  // White matter is 1000 in both: at the same TR, grey matter falls behind it as both T1 grow.
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
  Anatomy anatomy = WithABall({30, 2, 15}, 14);
  Lesion& lesion = anatomy.lesion;
  const Protocol t2 = MakeProtocols(3, 1).at(Role::kT2);
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
  Anatomy anatomy = WithABall({30, 2, 25}, 12);
  Lesion& lesion = anatomy.lesion;
  const auto protocols = MakeProtocols(3, 1);
  const auto beyond = [&](Role role, double infiltration, double distance) {
    lesion.infiltration = infiltration;
    return SignalAt(anatomy, protocols.at(role), {30 - 12 - distance, 2, 25});
  };
  EXPECT_NEAR(beyond(Role::kT2, 0.3, 5), 1000, 20);  // white matter
  EXPECT_GT(beyond(Role::kT2, 5.3, 5), 1100);        // tumour cells in it, without contrast agent
  EXPECT_LT(beyond(Role::kT1ce, 5.3, 5), 1000);
}

TEST(Phantom, OedemaSparesLiquorAndTheOtherHemisphere) {
  Anatomy anatomy = WithABall({26, 2, 25}, 12);
  Lesion& lesion = anatomy.lesion;
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
    const auto anatomy = Average(i);
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

}  // namespace
}  // namespace glionode::volumes
