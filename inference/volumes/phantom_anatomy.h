#pragma once
#include "inference/volumes/phantom_random.h"
#include "inference/volumes/sampling.h"

#include <array>
#include <vector>

namespace glionode::volumes {

/// Tissues with one signal each in a series; lesion tissue has a continuous enhancement on top.
enum Tissue {
  kAir,
  kFat,
  kBone,
  kLiquor,
  kGrey,
  kWhite,
  kMuscle,
  kBlood,
  kDura,
  kPlexus,
  kMucosa,
  kOedema,
  kTumour,
  kCore,
  kTissues
};

/// Longest and transverse relaxation times (s, at 1.5 T) and proton density; `agent` is the concentration of contrast
/// agent after injection (mmol/l). Rounded textbook values.
struct TissueProperties {
  double t1, t2, density, agent;
};

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

constexpr int kLatentFeatures = 6;

Anatomy MakeAnatomy(std::uint64_t seed, int index, const std::vector<double>& z);

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
  float Brain(float x, float y, float z, float depth) const;
  float PaintLesion(float value, float x, float y, float z, float depth) const;
  float Edge(float distance) const;  ///< share of tissue at a signed distance (inside negative)
  Anatomy a_;
  Signals s_;
  float soft_;
  Vec3 inverse_{};
};

}  // namespace glionode::volumes
