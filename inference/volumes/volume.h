#pragma once
#include <array>
#include <cstddef>
#include <vector>

namespace glionode::volumes {

/// A scalar volume in the patient coordinate system (LPS, mm). Index order x fastest, then y, z.
struct Volume {
  std::array<int, 3> size{};                                   ///< x, y, z
  std::array<double, 3> spacing{};                             ///< mm
  std::array<double, 3> origin{};                              ///< centre of voxel (0,0,0)
  std::array<double, 9> direction{1, 0, 0, 0, 1, 0, 0, 0, 1};  ///< row-major; column j is the unit vector of axis j
  std::vector<float> voxels;

  std::size_t Count() const { return static_cast<std::size_t>(size[0]) * size[1] * size[2]; }
};

/// A rigid transform: a point p of the fixed space maps to R (p - centre) + centre + translation in the moving space
/// (ITK Euler3DTransform).
struct RigidTransform {
  std::array<double, 3> angles{};       ///< rad, rounded to 1e-6
  std::array<double, 3> translation{};  ///< mm, rounded to 1e-4
  std::array<double, 3> centre{};
};

}  // namespace glionode::volumes
