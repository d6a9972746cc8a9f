#pragma once
#include "inference/volumes/volume.h"

#include <array>
#include <cstdint>
#include <vector>

namespace glionode::volumes {

using Vec3 = std::array<double, 3>;
using Mat3 = std::array<double, 9>;  ///< row-major

/// A regular grid with axes along L, P and S (LPS mm).
struct Grid {
  std::array<int, 3> size{};
  Vec3 origin{};  ///< centre of voxel (0,0,0)
  double spacing = 0;
  std::size_t Count() const { return static_cast<std::size_t>(size[0]) * size[1] * size[2]; }
  Vec3 Point(double x, double y, double z) const {
    return {origin[0] + x * spacing, origin[1] + y * spacing, origin[2] + z * spacing};
  }
};

Vec3 Multiply(const Mat3& matrix, const Vec3& v);

/// Rz * Rx * Ry, as ITK's Euler3DTransform without ComputeZYX.
Mat3 RotationMatrix(const Vec3& angles);

/// Where a point of the fixed space lies in the moving space.
Vec3 Apply(const RigidTransform& transform, const Vec3& point);

/// LPS point of a continuous voxel index.
Vec3 PointOf(const Volume& volume, const Vec3& index);
/// Continuous voxel index of an LPS point.
Vec3 IndexOf(const Volume& volume, const Vec3& point);

/// Rounds to the digits that RigidTransform promises.
RigidTransform Rounded(RigidTransform transform);

/// Averages whole blocks of voxels along every axis that is finer than `target_mm`, so that later linear sampling at
/// about that spacing does not alias. The field of view keeps its place (a remainder at the far edge is dropped).
Volume Reduce(const Volume& volume, double target_mm);

/// Linear interpolation at continuous index; the outermost half voxel repeats the edge. False outside.
bool SampleAt(const Volume& volume, const Vec3& index, float* value);

/// Values of `volume` on a lattice of `size` points: point (x,y,z) is origin + x*step[0] + y*step[1] + z*step[2] in the
/// fixed space, taken through `transform`. Zero outside; `inside`, if given, says where the volume was hit.
std::vector<float> SampleLattice(const Volume& volume, const RigidTransform& transform, const std::array<int, 3>& size,
                                 const Vec3& origin, const std::array<Vec3, 3>& step,
                                 std::vector<std::uint8_t>* inside = nullptr);

std::vector<float> SampleGrid(const Volume& volume, const RigidTransform& transform, const Grid& grid,
                              std::vector<std::uint8_t>* inside = nullptr);

/// The smallest grid of that spacing that holds the whole volume.
Grid GridAround(const Volume& volume, double spacing);

}  // namespace glionode::volumes
