#pragma once
#include "inference/volumes/head_mask.h"
#include "inference/volumes/phantom_scanner.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

namespace glionode::volumes::testing {

/// Moves a volume in space by rewriting its geometry: no resampling.
inline Volume Moved(Volume volume, const RigidTransform& by) {
  const Mat3 r = RotationMatrix(by.angles);
  volume.origin = Apply(by, volume.origin);
  Mat3 direction{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 3; ++k) direction[3 * i + j] += r[3 * i + k] * volume.direction[3 * k + j];
  volume.direction = direction;
  return volume;
}

/// A move of up to 15 mm and 10 degrees.
inline RigidTransform RandomMove(PhantomStream& random) {
  RigidTransform t;
  for (double& a : t.angles) a = random.Uniform(-1, 1) * 10 / std::sqrt(3.0) * std::acos(-1.0) / 180;
  for (double& x : t.translation) x = random.Uniform(-1, 1) * 15 / std::sqrt(3.0);
  return t;
}

inline double Distance(const Vec3& a, const Vec3& b) {
  return std::sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

/// The point that a transform takes to `point`.
inline Vec3 ApplyInverse(const RigidTransform& t, const Vec3& point) {
  const Mat3 r = RotationMatrix(t.angles);
  const Mat3 back{r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]};
  const Vec3 p = Multiply(back, {point[0] - t.centre[0] - t.translation[0], point[1] - t.centre[1] - t.translation[1],
                                 point[2] - t.centre[2] - t.translation[2]});
  return {p[0] + t.centre[0], p[1] + t.centre[1], p[2] + t.centre[2]};
}

/// Every `stride`-th point of the head, LPS mm.
inline std::vector<Vec3> HeadPoints(const Head& head, std::size_t stride = 1) {
  std::vector<Vec3> points;
  std::size_t at = 0;
  for (int z = 0; z < head.grid.size[2]; ++z)
    for (int y = 0; y < head.grid.size[1]; ++y)
      for (int x = 0; x < head.grid.size[0]; ++x, ++at)
        if (head.mask[at] && at % stride == 0) points.push_back(head.grid.Point(x, y, z));
  return points;
}

/// Where a point seen by the fixed series of a phantom lies for its moving series: through the head's own space.
inline Vec3 TruePoint(const Protocol& fixed, const Protocol& moving, const Vec3& point) {
  return ApplyInverse(moving.head, Apply(fixed.head, point));
}

/// One phantom with 3D T1 and T1ce and a thick-slice T2, whatever its draw of the scanner would have given.
struct Scanned {
  std::map<Role, Protocol> protocols;
  std::map<Role, Volume> volumes;
};

inline Scanned Scan3d(std::uint64_t seed, int index) {
  Scanned phantom;
  phantom.protocols = MakeProtocols(seed, index);
  for (Role role : {Role::kT1, Role::kT1ce}) {
    Protocol& p = phantom.protocols.at(role);
    if (!p.is_3d) p.tr = 11, p.te = 4, p.flip = 22;
    p.is_3d = true;
    p.size = {176, 208, 124};
    p.spacing = {1.2, 1.2, 1.2};
    p.thickness = 1.2;
  }
  PhantomStream features(seed, index, 97);
  std::vector<double> z(kLatentFeatures);
  for (double& x : z) x = features.Normal();
  const Anatomy anatomy = MakeAnatomy(seed, index, z);
  for (const auto& [role, protocol] : phantom.protocols) phantom.volumes[role] = Render(anatomy, protocol, seed, index);
  return phantom;
}

}  // namespace glionode::volumes::testing
