#include "inference/volumes/phantom_anatomy.h"

#include <algorithm>
#include <cmath>

namespace glionode::volumes {
namespace {

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// Sine by table: the cortex needs millions of them and no precision.
class SineTable {
 public:
  SineTable() {
    for (std::size_t i = 0; i < kSize; ++i)
      values_[i] = static_cast<float>(std::sin(6.283185307179586 * static_cast<double>(i) / kSize));
  }
  float operator()(float turns) const {
    const auto i = static_cast<int>(turns * kSize + 1024.0F * kSize);  // positive: cutting off is rounding down
    return values_[static_cast<std::size_t>(i) & (kSize - 1)];
  }

 private:
  static constexpr std::size_t kSize = 1024;
  std::array<float, kSize> values_{};
};
const SineTable kSine;

inline float Square(float x) { return x * x; }

/// Signed distance to an ellipsoid, good near its surface; far outside only "far".
inline float Ellipsoid(float x, float y, float z, float rx, float ry, float rz) {
  const float ix = 1 / rx, iy = 1 / ry, iz = 1 / rz;
  const float px = x * ix, py = y * iy, pz = z * iz;
  const float square = px * px + py * py + pz * pz;
  const float smallest = std::min(rx, std::min(ry, rz));
  if (square > 2.25F) return 0.5F * smallest;
  const float k0 = std::sqrt(square);
  const float k1 = std::sqrt(Square(px * ix) + Square(py * iy) + Square(pz * iz));
  return k1 > 0 ? k0 * (k0 - 1) / k1 : -smallest;
}

inline float Mix(float a, float b, float share) { return a + share * (b - a); }

/// Distance to the segment from a to b.
float Segment(float x, float y, float z, const float (&a)[3], const float (&b)[3]) {
  const float d[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]}, p[3] = {x - a[0], y - a[1], z - a[2]};
  const float t =
      std::clamp((p[0] * d[0] + p[1] * d[1] + p[2] * d[2]) / (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), 0.0F, 1.0F);
  return std::sqrt(Square(p[0] - t * d[0]) + Square(p[1] - t * d[1]) + Square(p[2] - t * d[2]));
}

Vec3 Direction(PhantomStream& random) {
  Vec3 v{random.Normal(), random.Normal(), random.Normal()};
  const double norm = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-12;
  return {v[0] / norm, v[1] / norm, v[2] / norm};
}

/// The cavity beside the lesion where a surgeon comes in: at the surface of the brain, on the lesion's side. The nodule
/// at the lesion's margin, where the cavity does not cover it.
void PlaceCavityAndNodule(PhantomStream& place, Anatomy& a) {
  Lesion& l = a.lesion;
  double best = 1e9;
  Vec3 way{};
  for (int i = 0; i < 64; ++i) {
    const Vec3 turn = Direction(place);
    Vec3 at{};
    for (std::size_t k = 0; k < 3; ++k) at[k] = l.centre[k] + turn[k] * (l.radius + 0.6 * l.cavity);
    const double depth =
        Ellipsoid(static_cast<float>(at[0]), static_cast<float>(at[1]), static_cast<float>(at[2]),
                  static_cast<float>(a.brain[0]), static_cast<float>(a.brain[1]), static_cast<float>(a.brain[2]));
    const double over_midline = std::max(0.0, l.cavity + 2 - at[0] * (l.centre[0] > 0 ? 1 : -1));
    const double misfit = std::abs(depth + 0.7 * l.cavity) + 3 * over_midline;
    if (misfit < best) best = misfit, way = turn, l.cavity_centre = at;
  }
  Vec3 towards = Direction(place);
  const double along = towards[0] * way[0] + towards[1] * way[1] + towards[2] * way[2];
  for (std::size_t k = 0; k < 3; ++k)
    l.nodule_centre[k] = l.centre[k] + (along > 0 ? -1.05 : 1.05) * l.radius * towards[k];
}

}  // namespace

Vec3 BeforeMassEffect(const Lesion& lesion, const Vec3& point) {
  Vec3 from{};
  double square = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    from[k] = point[k] - lesion.centre[k];
    square += from[k] * from[k];
  }
  const double scale = 1.6 * lesion.radius;
  const double fall = 1 + square / (scale * scale);
  const double share = lesion.mass / (fall * fall);
  for (std::size_t k = 0; k < 3; ++k) from[k] = point[k] - from[k] * share;
  return from;
}

Anatomy MakeAnatomy(std::uint64_t seed, int index, const std::vector<double>& z) {
  Anatomy a;
  PhantomStream head(seed, index, kAnatomyStream);
  const double scale = head.Uniform(0.95, 1.06);
  a.brain = {67 * scale * head.Uniform(0.96, 1.04), 83 * scale * head.Uniform(0.97, 1.03),
             68 * scale * head.Uniform(0.97, 1.03)};
  a.skull = head.Uniform(5, 8);
  a.scalp = head.Uniform(4, 7);
  a.ventricles = head.Uniform(0.8, 1.4);
  a.atrophy = head.Uniform(1.0, 3.0);
  for (std::size_t i = 0; i < a.wave.size(); ++i) {
    const Vec3 d = Direction(head);
    const double length = i < 2 ? head.Uniform(13, 19) : head.Uniform(7, 10);  // gyri; texture of a lesion
    for (std::size_t k = 0; k < 3; ++k) a.wave[i][k] = d[k] / length;
    a.phase[i] = head.Uniform();
  }

  // Nuisances of the lesion: independent of the class.
  PhantomStream place(seed, index, kLesionStream);
  Lesion& l = a.lesion;
  const double side = place.Uniform() < 0.5 ? -1 : 1;
  l.radius = place.Uniform(12, 20);
  l.centre = {side * place.Uniform(26, 38), place.Uniform(-38, 36), place.Uniform(4, 34)};
  for (double& s : l.squeeze) s = place.Uniform(0.85, 1.15);
  l.agent = place.Uniform(0.28, 0.60);
  l.cavity = place.Uniform(7, 14);
  PlaceCavityAndNodule(place, a);

  // The only way from the class to the image.
  l.core = 0.15 + 0.70 * Logistic(1.3 * z[0]);
  l.core_filling = 1 - Logistic(1.3 * z[1]);
  l.oedema = 4 + 24 * Logistic(1.2 * z[2]);
  l.nodule = l.radius * (0.70 - 0.50 * Logistic(1.2 * z[3]));
  l.bubbles = 0.85 * Logistic(1.2 * z[4]);
  l.core_t2 = 0.09 * std::exp(1.8 * Logistic(1.2 * z[5]));
  l.mass = 0.85 - 0.80 * Logistic(1.3 * z[6]);
  l.infiltration = 5.3 - 5.0 * Logistic(1.3 * z[7]);
  return a;
}

Painter::Painter(const Anatomy& anatomy, const Signals& signals, double soft)
    : a_(anatomy), s_(signals), soft_(static_cast<float>(soft)) {}

float Painter::Wave(std::size_t i, float x, float y, float z) const {
  const Vec3& w = a_.wave[i];
  return kSine(static_cast<float>(w[0]) * x + static_cast<float>(w[1]) * y + static_cast<float>(w[2]) * z +
               static_cast<float>(a_.phase[i]));
}

float Painter::Edge(float distance) const { return std::clamp(0.5F - distance / soft_, 0.0F, 1.0F); }

bool Painter::MayHoldHead(float x, float y, float z) const {
  const auto thick = static_cast<float>(a_.skull + a_.scalp) + 6;
  const auto rx = static_cast<float>(a_.brain[0]) + thick, ry = static_cast<float>(a_.brain[1]) + thick,
             rz = static_cast<float>(a_.brain[2]) + thick;
  if (z < 0) {
    if (z > -40 && y < -60 && y > -100 && std::abs(x) < 52) return true;  // the eyes stand out
    z = 0;                                                                // face and neck go down from here
  }
  return Square(x / rx) + Square(y / ry) + Square(z / rz) < 1;
}

float Painter::At(float x, float y, float z) const {
  const auto& t = s_.tissue;
  const float d = Ellipsoid(x, y, z, static_cast<float>(a_.brain[0]), static_cast<float>(a_.brain[1]),
                            static_cast<float>(a_.brain[2]));
  if (d < -2.5F) return Brain(x, y, z, d);
  if (a_.stripped) return Mix(t[kAir], Brain(x, y, z, d), Edge(d + 0.8F));
  const auto skull = static_cast<float>(a_.skull), scalp = static_cast<float>(a_.scalp);
  float value = t[kAir];
  // Face and neck: a column below the middle, skin fat around muscle, with the sinuses and the eyes in it.
  if (z < 0) {
    const float column =
        Ellipsoid(x, y, 0, static_cast<float>(a_.brain[0]) + 4, static_cast<float>(a_.brain[1]) + 8, 1e6F);
    value = Mix(value, t[kFat], Edge(column));
    value = Mix(value, t[kMuscle], Edge(column + 6));
    const float sinus = Ellipsoid(x, y + 74, z + 44, 17, 14, 16);
    value = Mix(value, t[kMucosa], Edge(sinus - 4));
    value = Mix(value, t[kAir], Edge(sinus));
    for (const float side : {-1.0F, 1.0F}) {
      const float eye = Ellipsoid(x - side * 33, y + 82, z + 20, 12, 12, 12);
      value = Mix(value, t[kFat], Edge(eye - 4));
      value = Mix(value, t[kLiquor], Edge(eye));
    }
  }
  value = Mix(value, t[kFat], Edge(d - skull - scalp));
  value = Mix(value, t[kBone], Edge(d - skull));
  value = Mix(value, t[kDura], Edge(d - 0.8F));
  const float inside = Edge(d + 0.8F);
  return inside > 0 ? Mix(value, Brain(x, y, z, d), inside) : value;
}

float Painter::Brain(float x, float y, float z, float d) const {
  const auto& t = s_.tissue;
  const float lesion = DistanceToLesion(x, y, z);
  // The tissue here was elsewhere before the lesion grew; nearer to the surface than it was, it has lost its sulci.
  const Vec3 before = BeforeMassEffect(a_.lesion, {x, y, z});
  const auto bx = static_cast<float>(before[0]), by = static_cast<float>(before[1]), bz = static_cast<float>(before[2]);
  const float depth = Ellipsoid(bx, by, bz, static_cast<float>(a_.brain[0]), static_cast<float>(a_.brain[1]),
                                static_cast<float>(a_.brain[2]));
  float value = Parenchyma(bx, by, bz, depth, SharesAround(x, lesion));
  value = PaintLesion(value, x, y, z, d, lesion);
  // Vessels last: superior sagittal and transverse sinus, held by the dura, and the arteries.
  const float ax = std::abs(x);
  if (d > -9 && (z > 15 || y > 40)) {
    if (ax < 6 && z > -30) value = Mix(value, t[kBlood], Edge(std::max(ax - 3, -6 - d)));
    if (y > 30 && z < -15 && z > -35) value = Mix(value, t[kBlood], Edge(std::max(std::abs(z + 25) - 2.5F, -5.5F - d)));
  }
  if (z < 5 && z > -40 && y < 15) {
    constexpr float kFrom[3] = {4, -14, -22}, kTo[3] = {50, -16, -6}, kLow[3] = {0, -9, -60}, kHigh[3] = {0, -11, -24};
    value = Mix(value, t[kBlood], Edge(Segment(ax, y, z, kFrom, kTo) - 1.6F));
    value = Mix(value, t[kBlood], Edge(Segment(x, y, z, kLow, kHigh) - 1.8F));
  }
  return value;
}

/// Healthy brain, and what the lesion does to it without being there: oedema and infiltration follow the white matter,
/// less the grey, and leave liquor alone.
float Painter::Parenchyma(float x, float y, float z, float d, const Shares& shares) const {
  const auto& t = s_.tissue;
  const auto with = [&](Tissue tissue, float sensitive) {
    const float wet = Mix(t[tissue], t[kOedema], sensitive * shares.oedema);
    return Mix(wet, s_.tumour[0], sensitive * shares.infiltration);
  };
  const float white = with(kWhite, 1), grey = with(kGrey, 0.35F);
  float value = white;
  if (d > -20) {
    // Cortex: a ribbon of 3 mm along liquor, at the surface and in the sulci: thin sheets where two waves cancel, bent
    // by two others.
    const float bent = x + 1.8F * Wave(2, x, y, 0.5F * z), bend = y + 1.8F * Wave(3, x, y, 0.5F * z);
    const float to_sheet = 2.2F * std::abs(Wave(0, bent, bend, z) + Wave(1, bent, bend, z));  // mm, by the waves' slope
    const auto atrophy = static_cast<float>(a_.atrophy);
    const float sulcus = std::max(to_sheet - 0.35F * atrophy, -d - 11 - 2 * Wave(3, x, y, z));
    const float liquor = std::min(-d - atrophy, sulcus);
    value = Mix(white, grey, Edge(liquor - 3));
    value = Mix(value, t[kLiquor], Edge(liquor));
  }
  const float ax = std::abs(x);
  // Midline: liquor with the falx in it.
  if (ax < 4 && z > 8 - 0.3F * y && d > -38) {
    value = Mix(value, t[kLiquor], Edge(ax - 1.8F));
    value = Mix(value, t[kDura], Edge(ax - 0.5F));
  }
  if (ax < 40) {
    value = Mix(value, grey, Edge(Ellipsoid(ax - 24, y + 4, z - 1, 7, 17, 10)));  // basal ganglia
    value = Mix(value, grey, Edge(Ellipsoid(ax - 11, y - 14, z - 2, 7, 12, 8)));  // thalamus
    const auto v = static_cast<float>(a_.ventricles);
    const float body = Ellipsoid(ax - 9 - 0.12F * (y + 12), y - 2, z - 15 + 0.1F * y, 5.5F * v, 30 * v, 6.5F * v);
    const float atrium = Ellipsoid(ax - 22, y - 30, z - 4, 6 * v, 12 * v, 9 * v);
    const float third = Ellipsoid(ax, y - 6, z, 2.2F * v, 11, 9);
    value = Mix(value, t[kLiquor], Edge(std::min({body, atrium, third})));
    value = Mix(value, t[kPlexus], Edge(Ellipsoid(ax - 22, y - 28, z - 3, 3.0F, 7, 4)));
  }
  if (z < -16) {
    // Cerebellum under the tentorium, brain stem in its cistern.
    const float cerebellum = Ellipsoid(x, y - 42, z + 44, 46, 30, 24);
    value = Mix(value, t[kDura], Edge(cerebellum - 2.5F));
    value = Mix(value, t[kLiquor], Edge(cerebellum - 1.5F));
    const float leaf = kSine(0.16F * z + 0.05F * y);
    value = Mix(value, Mix(t[kGrey], t[kWhite], 0.35F + 0.25F * leaf), Edge(cerebellum));
    value = Mix(value, t[kWhite], Edge(Ellipsoid(x, y - 36, z + 44, 26, 12, 9)));
    const float stem = std::sqrt(Square(x) + Square(y - 8)) - 13;
    value = Mix(value, t[kLiquor], Edge(stem - 3));
    value = Mix(value, t[kWhite], Edge(stem));
    value = Mix(value, t[kLiquor], Edge(Ellipsoid(x, y - 24, z + 40, 6, 4, 8)));  // fourth ventricle
  }
  return value;
}

float Painter::DistanceToLesion(float x, float y, float z) const {
  const Lesion& l = a_.lesion;
  const float px = x - static_cast<float>(l.centre[0]), py = y - static_cast<float>(l.centre[1]),
              pz = z - static_cast<float>(l.centre[2]);
  const auto radius = static_cast<float>(l.radius);
  const float reach = 1.8F * radius + static_cast<float>(l.oedema) + 30;
  if (px * px + py * py + pz * pz > reach * reach) return reach;
  const float r =
      std::sqrt(Square(px * static_cast<float>(l.squeeze[0])) + Square(py * static_cast<float>(l.squeeze[1])) +
                Square(pz * static_cast<float>(l.squeeze[2])));
  return r + 0.06F * radius * (Wave(0, x, y, z) + Wave(1, x, y, z)) - radius;
}

Painter::Shares Painter::SharesAround(float x, float distance) const {
  const Lesion& l = a_.lesion;
  const auto oedema = static_cast<float>(l.oedema), infiltration = static_cast<float>(l.infiltration);
  // Not over the midline: the falx, and few fibres.
  const float side = std::clamp(0.5F + x * (l.centre[0] > 0 ? 0.2F : -0.2F), 0.0F, 1.0F);
  Shares shares;
  if (distance < oedema) shares.oedema = side * 0.85F * std::min(1.0F, 1.6F * (1 - distance / oedema));
  if (distance < 3 * infiltration)
    shares.infiltration = side * 0.6F * std::min(1.0F, 1 - distance / (3 * infiltration));
  return shares;
}

float Painter::PaintLesion(float value, float x, float y, float z, float d, float lesion) const {
  const Lesion& l = a_.lesion;
  const auto radius = static_cast<float>(l.radius);
  if (lesion > radius + 40) return value;  // beyond nodule and cavity
  const float nodule = std::sqrt(Square(x - static_cast<float>(l.nodule_centre[0])) +
                                 Square(y - static_cast<float>(l.nodule_centre[1])) +
                                 Square(z - static_cast<float>(l.nodule_centre[2]))) -
                       static_cast<float>(l.nodule);
  const float within = Edge(d + 3);  // no part of the tumour leaves the brain
  const auto by_agent = [](const std::array<float, kAgentSteps>& table, float agent) {
    const float at = std::clamp(agent / static_cast<float>(kAgentStep), 0.0F, kAgentSteps - 1.001F);
    const auto i = static_cast<std::size_t>(at);
    return table[i] + (at - static_cast<float>(i)) * (table[i + 1] - table[i]);
  };
  const auto agent = static_cast<float>(l.agent);
  const float margin = soft_ + static_cast<float>(l.infiltration);  // an infiltrating tumour has no edge
  if (std::min(lesion, nodule) < margin) {
    const float bubble = 1 - static_cast<float>(l.bubbles) * Square(Wave(2, x, y, z) * Wave(3, x, y, z));
    const float shell = by_agent(s_.tumour, agent * bubble);
    value = Mix(value, shell, within * std::clamp(0.5F - lesion / margin, 0.0F, 1.0F));
    const float wobble = 0.03F * radius * (Wave(0, x, y, z) + Wave(1, x, y, z));
    const float core = lesion + wobble + (1 - static_cast<float>(l.core)) * radius;
    value = Mix(value, by_agent(s_.core, agent * static_cast<float>(l.core_filling)), within * Edge(core / 1.5F));
    value = Mix(value, by_agent(s_.tumour, agent), within * Edge(nodule));
  }
  // Resection cavity with a thin enhancing wall.
  const float cavity = std::sqrt(Square(x - static_cast<float>(l.cavity_centre[0])) +
                                 Square(y - static_cast<float>(l.cavity_centre[1])) +
                                 Square(z - static_cast<float>(l.cavity_centre[2]))) -
                       static_cast<float>(l.cavity);
  if (cavity < 3) {
    value = Mix(value, by_agent(s_.tumour, 0.4F * agent), within * Edge(cavity - 1));
    value = Mix(value, s_.tissue[kLiquor], within * Edge(cavity));
  }
  return value;
}

}  // namespace glionode::volumes
