#pragma once
#include "inference/volumes/head_mask.h"

namespace glionode::volumes {

/// Fills what rings enclose: holes of at most `kWidestRing` mm2 in two of the three planes of the grid, or of at most
/// `kCertainRing` mm2 in an axial one. The first asks for a shell around the hole, so that the dura, which closes a
/// ring around a whole slice of the head but no shell of that size, fills nothing. The second is for thick slices,
/// where a thin shell is open above and below. Voxels of the mask stay; what touches the edge of a plane is no hole.
void FillRings(Mask& mask, const Grid& grid);

inline constexpr double kWidestRing = 3850;  ///< mm2: 70 mm across
inline constexpr double kCertainRing = 600;  ///< mm2: 28 mm across

}  // namespace glionode::volumes
