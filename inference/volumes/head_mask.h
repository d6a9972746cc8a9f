#pragma once
#include "inference/volumes/sampling.h"

#include <array>
#include <cstdint>
#include <vector>

namespace glionode::volumes {

using Mask = std::vector<std::uint8_t>;  ///< 0 or 1 a voxel, x fastest

/// Otsu's threshold over the values above zero, with the brightest 1 % clipped (fat and vessels would pull it up).
float OtsuThreshold(const std::vector<float>& values);

/// The 6-connected components, the largest first: indices of their voxels.
std::vector<std::vector<std::uint32_t>> Components(const Mask& mask, const std::array<int, 3>& size);

/// Keeps the largest of these.
void KeepLargestComponent(Mask& mask, const std::array<int, 3>& size);

/// Fills what is enclosed within an axial slice (airways and sinuses are open to the front in 3D only).
void FillHoles(Mask& mask, const std::array<int, 3>& size);

/// Grows or shrinks by `steps` 6-neighbour steps. What lies outside the grid counts as part of the mask when shrinking,
/// so that a head cut by the field of view is not eaten from there.
void Dilate(Mask& mask, const std::array<int, 3>& size, int steps);
void Erode(Mask& mask, const std::array<int, 3>& size, int steps);

/// The head as seen in one volume.
struct Head {
  Grid grid;      ///< 4 mm
  Mask mask;      ///< on `grid`
  Vec3 centre{};  ///< LPS mm, middle of the mask's bounding box (see FindHead)
  Vec3 extent{};  ///< mm along L, P, S of the robust bounding box
  double volume_ml = 0;
  double fill = 0;            ///< volume over bounding box: an ellipsoid has 0.52, a cylinder 0.79, a box 1
  double variation = 0;       ///< standard deviation over mean in the inner part (15 mm from the surface)
  double upper_quartile = 0;  ///< of the same inner part, in units of its median
  double upper_tail = 0;      ///< its 95 % quantile, in the same units
  double air = 0;             ///< share of the inner part that is darker than half the threshold
  float threshold = 0;        ///< intensity that separates head from air
};

/// Finds the head: threshold, largest component, closing, hole filling on a 4 mm grid. Only the top 170 mm are used:
/// that holds a head, and a head-and-neck field of view would pull the centre down. An empty mask has volume 0.
Head FindHead(const Volume& volume);

/// The head's mask on another grid (linear interpolation, half).
Mask MaskOnGrid(const Head& head, const Grid& grid);

}  // namespace glionode::volumes
