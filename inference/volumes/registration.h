#pragma once
#include "inference/volumes/volume.h"

namespace glionode::volumes {

struct Registration {
  RigidTransform transform;
  double metric_before = 0, metric_after = 0;  ///< Mattes mutual information (lower is better, as in ITK)
  bool kept = false;      ///< false: the scanner's own coordinates were at least as good; transform is identity
  double agreement = 0;   ///< LocalAgreement of the two under `transform`, 0 to 1
  bool plausible = true;  ///< movement, overlap, metric and agreement are believable
};

/// Rigid, Mattes mutual information, multi-resolution, starting from scanner coordinates. Deterministic:
/// single-threaded, transform rounded (promise 4). Threads: any number at once.
Registration RegisterRigid(const Volume& fixed, const Volume& moving);

}  // namespace glionode::volumes
