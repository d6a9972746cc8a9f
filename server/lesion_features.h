#pragma once
#include "config/vocabulary.h"

#include <array>
#include <optional>
#include <vector>

namespace glionode::server {

/// The true place of a phantom's lesion.
struct LesionPlace {
  std::array<double, 3> centre{};  ///< LPS mm
  double radius = 0;               ///< mm; 0: unknown
};

/// What a person with a ruler would measure in a phantom's images who is told where the lesion is: mean normalised
/// intensity of every sequence, and of the enhancement (T1ce minus T1), in shells around the centre, and their spread
/// inside it. For the discriminant that says how much of the known ceiling the images leave. `tensor` and `roles` as
/// the network gets them, `shape`^3 voxels of `spacing_mm`, first voxel at `origin`. Empty if the lesion is not known.
std::vector<double> LesionFeatures(const std::vector<float>& tensor, const std::vector<Role>& roles, int shape,
                                   double spacing_mm, const std::array<double, 3>& origin, const LesionPlace& lesion);

/// How much of an activation map lies in the lesion.
struct MapShare {
  double share = 0;      ///< of the map's sum, within 1.5 times the lesion's radius of its middle
  double by_chance = 0;  ///< share of the head's voxels on the grid that lie there
};

/// `map` (z, y, x of `map_size`) as the network gave it for `tensor`; the rest as above. The map is interpolated to the
/// grid's voxels as the capture shows it, and counted where the head is (any channel not 0). Nothing if the lesion is
/// not known, or the map is empty or 0.
std::optional<MapShare> ShareInLesion(const std::vector<float>& map, const std::array<int, 3>& map_size,
                                      const std::vector<float>& tensor, int shape, double spacing_mm,
                                      const std::array<double, 3>& origin, const LesionPlace& lesion);

}  // namespace glionode::server
