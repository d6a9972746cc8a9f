#pragma once
#include "inference/volumes/head_mask.h"
#include "inference/volumes/volume.h"

namespace glionode::volumes {

/// Do two aligned series show the same head? Block matching (after Ourselin et al. 2000, "Block matching: a general
/// framework to improve robustness of rigid registration"): the head is cut into cubes of 10 mm, each is compared with
/// the other series at its own place and up to 10 mm off along L, P and S by the squared correlation coefficient, which
/// asks for no particular contrast. Returned is the share of the cubes (0 to 1) that fit best within 2 mm of their own
/// place. The outline of a head and the place of its ventricles can be aligned for any two people; gyri, sulci and
/// vessels fall into place only in their own head. 0 if fewer than 100 cubes lie in both series.
/// Both series about 2 mm in plane (Reduce). Threads: any.
double LocalAgreement(const Volume& fixed, const Volume& moving, const RigidTransform& transform, const Head& head);

/// From here on the two are taken for one head. Measured (docs/operating.md, "Do the series fit together"): 0.48 and
/// more on 224 own pairs, 0.43 and less on all but one of 141 pairs of two phantoms.
constexpr double kSameHead = 0.45;

}  // namespace glionode::volumes
