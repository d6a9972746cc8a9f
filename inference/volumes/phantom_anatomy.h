#pragma once
#include "inference/volumes/phantom_random.h"
#include "inference/volumes/phantom_tissues.h"
#include "inference/volumes/sampling.h"

#include <array>
#include <vector>

namespace glionode::volumes {

/// Lesion as the latent features shape it. Every map is smooth and strictly monotone in one feature; higher is more
/// like necrosis. Sizes in mm.
struct Lesion {
  Vec3 centre{};
  double radius = 0;
  Vec3 squeeze{1, 1, 1};    ///< anisotropy, independent of the class
  double core = 0;          ///< radius of the poorly enhancing core / radius, from z[0]
  double core_filling = 0;  ///< enhancement of the core / that of the shell, from z[1] (falls)
  double oedema = 0;        ///< width around the lesion, from z[2]
  double nodule = 0;        ///< radius of a solid nodule at the margin, from z[3] (falls)
  double bubbles = 0;       ///< depth of the "soap-bubble" modulation of the shell, from z[4]
  double core_t2 = 0;       ///< s, from z[5]: cellular to liquid
  double mass = 0;          ///< mass effect, from z[6] (falls): strength of the displacement around it
  double infiltration = 0;  ///< width of the margin without an edge, from z[7] (falls)
  Vec3 nodule_centre{};
  double agent = 0;      ///< concentration in the shell, mmol/l, independent of the class
  Vec3 cavity_centre{};  ///< resection cavity, independent of the class
  double cavity = 0;
};

/// One head in its own space: LPS-like axes in mm, origin in the middle of the brain.
struct Anatomy {
  Vec3 brain{};  ///< semi-axes of the inner skull
  double skull = 0, scalp = 0;
  double ventricles = 1;  ///< scale
  double atrophy = 0;     ///< mm of liquor over the cortex
  bool stripped = false;  ///< the brain alone, air instead of all around it
  std::array<Vec3, 4> wave{};
  std::array<double, 4> phase{};
  Lesion lesion;
};

constexpr int kLatentFeatures = 8;

Anatomy MakeAnatomy(std::uint64_t seed, int index, const std::vector<double>& z);

/// Where the tissue that is at `point` (head space, mm) was before the lesion pushed it away: nearer to the lesion's
/// middle, p - (p - c) k / (1 + r^2/s^2)^2 with k = mass and s = 1.6 radii. One to one for k < 1; at most 0.52 k radii
/// are pushed, at 0.92 radii from the middle.
Vec3 BeforeMassEffect(const Lesion& lesion, const Vec3& point);

/// Signal of a point: tissues painted one over the other with edges `soft` mm wide.
class Painter {
 public:
  /// `signal`: of every tissue; `tumour_by_agent`: of lesion tissue for 0..kAgentSteps-1 times kAgentStep mmol/l.
  static constexpr int kAgentSteps = 64;
  static constexpr double kAgentStep = 0.0125;
  struct Signals {
    std::array<float, kTissues> tissue{};
    std::array<float, kAgentSteps> tumour{}, core{};
  };
  Painter(const Anatomy& anatomy, const Signals& signals, double soft);

  float At(float x, float y, float z) const;
  /// False: only air here (a quick test).
  bool MayHoldHead(float x, float y, float z) const;

 private:
  struct Shares {
    float oedema = 0, infiltration = 0;
  };
  float Brain(float x, float y, float z, float depth) const;
  float Parenchyma(float x, float y, float z, float depth, const Shares& shares) const;
  float DistanceToLesion(float x, float y, float z) const;  ///< mm, negative inside; far outside only "far"
  Shares SharesAround(float x, float distance) const;
  float PaintLesion(float value, float x, float y, float z, float depth, float lesion) const;
  float Wave(std::size_t i, float x, float y, float z) const;  ///< -1 .. 1
  float Edge(float distance) const;  ///< share of tissue at a signed distance (inside negative)
  Anatomy a_;
  Signals s_;
  float soft_;
};

}  // namespace glionode::volumes
