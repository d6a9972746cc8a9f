#pragma once

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

/// Relaxation times in s, proton density relative to water's.
struct TissueProperties {
  double t1, t2, density;
  double agent;      ///< concentration of contrast agent in the tissue after injection, mmol/l
  double diffusion;  ///< apparent diffusion coefficient, 1e-3 mm2/s
};

/// `field` in tesla: the table for 3 T from 2.25 T on, that for 1.5 T below. Sources stand with the numbers.
TissueProperties PropertiesOf(Tissue tissue, double field);

/// Of gadopentetate in plasma at 37 degrees C, l/(mmol s).
struct Relaxivity {
  double r1, r2;
};
Relaxivity RelaxivityOf(double field);

/// T1 of liquor, s: the same at both fields.
constexpr double kLiquorT1 = 4.3;

}  // namespace glionode::volumes
