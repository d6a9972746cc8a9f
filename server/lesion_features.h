#pragma once
#include "config/vocabulary.h"

#include <array>
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

}  // namespace glionode::server
