#include "inference/volumes/phantom_tissues.h"

namespace glionode::volumes {
namespace {

struct AtField {
  double t1, t2;
};
struct Row {
  AtField low, high;  ///< 1.5 T, 3 T
  double density, agent, diffusion;
};

// Order of the enumeration Tissue. Where the times come from:
//   T1 of grey matter, white matter, blood and liquor: Rooney et al., Magn Reson Med 57:308 (2007), whose power laws of
//     the field give 0.998 and 1.295 s, 0.680 and 0.887 s, 1.51 and 1.91 s; liquor's does not change.
//   T2 of grey and white matter, T1 and T2 of muscle: Stanisz et al., Magn Reson Med 54:507 (2005).
//   T1 of fat: de Bazelaire et al., Radiology 230:652 (2004). Its T2 is the long apparent one of echo trains.
//   Density of grey and white matter: their share of water, near 0.8 and 0.7 (Whittall et al., Magn Reson Med 37:34,
//     1997).
// Assumed, not taken from a table: bone, dura, choroid plexus, mucosa, and the lesion's tissues (longer than grey
// matter, rising with the field as grey matter does), and every concentration of the agent. The T2 of blood is what
// flow leaves of it: a vein is dark in a T2 image (flow void), and bright after contrast.
// Two of the diffusion coefficients are none: fat is suppressed in echo-planar imaging, and the gradients dephase
// flowing blood.
constexpr Row kRows[kTissues] = {
    {{1, 0.001}, {1, 0.001}, 0, 0, 0},                    // air
    {{0.343, 0.110}, {0.382, 0.105}, 0.75, 0, 4.0},       // fat
    {{0.5, 0.001}, {0.5, 0.001}, 0.05, 0, 0},             // bone
    {{kLiquorT1, 1.5}, {kLiquorT1, 1.5}, 1.0, 0, 3.0},    // liquor
    {{0.998, 0.095}, {1.295, 0.099}, 0.82, 0.01, 0.85},   // grey matter
    {{0.680, 0.072}, {0.887, 0.069}, 0.72, 0.005, 0.75},  // white matter
    {{1.008, 0.044}, {1.412, 0.050}, 0.78, 0.04, 1.5},    // muscle
    {{1.51, 0.050}, {1.91, 0.045}, 0.70, 0.8, 5.0},       // blood
    {{1.0, 0.060}, {1.2, 0.055}, 0.60, 0.5, 1.0},         // dura
    {{1.4, 0.150}, {1.75, 0.140}, 0.90, 0.7, 1.8},        // choroid plexus
    {{1.1, 0.120}, {1.4, 0.110}, 0.85, 0.9, 1.6},         // mucosa
    {{1.25, 0.150}, {1.60, 0.145}, 0.86, 0, 1.4},         // oedema
    {{1.35, 0.115}, {1.70, 0.110}, 0.86, 0, 1.1},         // tumour: its agent comes from the lesion
    {{1.60, 0.150}, {2.00, 0.150}, 0.90, 0, 1.8},         // core: T2 from the lesion
};

bool IsHigh(double field) { return field >= 2.25; }

}  // namespace

TissueProperties PropertiesOf(Tissue tissue, double field) {
  const Row& row = kRows[tissue];
  const AtField& times = IsHigh(field) ? row.high : row.low;
  return {times.t1, times.t2, row.density, row.agent, row.diffusion};
}

Relaxivity RelaxivityOf(double field) {
  // Rohrer et al., Invest Radiol 40:715 (2005): plasma, 37 degrees C, 1.5 T and 3 T.
  return IsHigh(field) ? Relaxivity{3.7, 5.2} : Relaxivity{4.1, 4.6};
}

}  // namespace glionode::volumes
