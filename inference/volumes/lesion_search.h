#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/head_mask.h"

#include <optional>
#include <vector>

namespace glionode::volumes {

/// What enhances in lumps: clearly brighter in T1ce than in T1, rings filled, 4 mm (in whole voxels) taken off all
/// around, so that sheets and tubes (dura, vessels, choroid plexus) vanish; of these lumps, those that lie in the brain
/// for the greater part and leave as much as a ball of 14 mm (0.11 ml on voxels of 2 mm, 0.27 ml on voxels of 3 mm).
struct LesionSearch {
  bool possible = false;       ///< false: too little of a head is shown to say, or voxels are wider than 4 mm
  bool lump = false;           ///< there is such a lump
  std::optional<Vec3> centre;  ///< LPS mm: middle of the largest one of which a good part enhances itself
};

/// Both series on one grid, inside `head`.
LesionSearch FindLesion(const std::vector<float>& t1, const std::vector<float>& t1ce, const Mask& head,
                        const Grid& grid);

/// `no_lesion` where nothing was found; with `needs_centre` (a cube around the lesion), where no centre was found.
std::optional<Reason> CheckLesion(const LesionSearch& search, bool needs_centre);

}  // namespace glionode::volumes
