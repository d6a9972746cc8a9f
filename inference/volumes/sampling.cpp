#include "inference/volumes/sampling.h"

#include <algorithm>
#include <cmath>

namespace glionode::volumes {

Vec3 Multiply(const Mat3& m, const Vec3& v) {
  return {m[0] * v[0] + m[1] * v[1] + m[2] * v[2], m[3] * v[0] + m[4] * v[1] + m[5] * v[2],
          m[6] * v[0] + m[7] * v[1] + m[8] * v[2]};
}

Mat3 RotationMatrix(const Vec3& angles) {
  const double cx = std::cos(angles[0]), sx = std::sin(angles[0]);
  const double cy = std::cos(angles[1]), sy = std::sin(angles[1]);
  const double cz = std::cos(angles[2]), sz = std::sin(angles[2]);
  // Rx * Ry
  const Mat3 xy{cy, 0, sy, sx * sy, cx, -sx * cy, -cx * sy, sx, cx * cy};
  Mat3 r{};
  for (std::size_t j = 0; j < 3; ++j) {
    r[j] = cz * xy[j] - sz * xy[3 + j];
    r[3 + j] = sz * xy[j] + cz * xy[3 + j];
    r[6 + j] = xy[6 + j];
  }
  return r;
}

Vec3 Apply(const RigidTransform& t, const Vec3& p) {
  const Vec3 q = Multiply(RotationMatrix(t.angles), {p[0] - t.centre[0], p[1] - t.centre[1], p[2] - t.centre[2]});
  return {q[0] + t.centre[0] + t.translation[0], q[1] + t.centre[1] + t.translation[1],
          q[2] + t.centre[2] + t.translation[2]};
}

Vec3 PointOf(const Volume& v, const Vec3& index) {
  const Vec3 mm{index[0] * v.spacing[0], index[1] * v.spacing[1], index[2] * v.spacing[2]};
  const Vec3 p = Multiply(v.direction, mm);
  return {p[0] + v.origin[0], p[1] + v.origin[1], p[2] + v.origin[2]};
}

Vec3 IndexOf(const Volume& v, const Vec3& point) {
  const Vec3 d{point[0] - v.origin[0], point[1] - v.origin[1], point[2] - v.origin[2]};
  Vec3 index{};
  for (std::size_t j = 0; j < 3; ++j)  // the direction is orthonormal: its inverse is its transpose
    index[j] = (v.direction[j] * d[0] + v.direction[3 + j] * d[1] + v.direction[6 + j] * d[2]) / v.spacing[j];
  return index;
}

RigidTransform Rounded(RigidTransform t) {
  for (double& a : t.angles) a = std::round(a * 1e6) / 1e6;
  for (double& x : t.translation) x = std::round(x * 1e4) / 1e4;
  for (double& x : t.centre) x = std::round(x * 1e4) / 1e4;
  return t;
}

Volume Reduce(const Volume& in, double target_mm) {
  std::array<int, 3> factor{};
  for (std::size_t i = 0; i < 3; ++i)
    factor[i] = std::clamp(static_cast<int>(target_mm / in.spacing[i] + 0.25), 1, std::max(1, in.size[i]));
  if (factor[0] * factor[1] * factor[2] == 1) return in;
  Volume out;
  out.direction = in.direction;
  for (std::size_t i = 0; i < 3; ++i) {
    out.size[i] = in.size[i] / factor[i];
    out.spacing[i] = in.spacing[i] * factor[i];
  }
  out.origin = PointOf(in, {0.5 * (factor[0] - 1), 0.5 * (factor[1] - 1), 0.5 * (factor[2] - 1)});
  out.voxels.assign(out.Count(), 0.0F);
  const auto width = static_cast<std::size_t>(out.size[0]);
  const float scale = 1.0F / static_cast<float>(factor[0] * factor[1] * factor[2]);
  for (int z = 0; z < out.size[2] * factor[2]; ++z) {
    for (int y = 0; y < out.size[1] * factor[1]; ++y) {
      const float* from = &in.voxels[(static_cast<std::size_t>(z) * in.size[1] + y) * in.size[0]];
      float* to = &out.voxels[(static_cast<std::size_t>(z / factor[2]) * out.size[1] + y / factor[1]) * width];
      for (std::size_t x = 0; x < width; ++x) {
        float sum = 0;
        for (int i = 0; i < factor[0]; ++i) sum += *from++;
        to[x] += sum * scale;
      }
    }
  }
  return out;
}

namespace {

/// Trilinear value for a continuous index that lies in [-0.5, n - 0.5) on each axis.
inline float Trilinear(const float* voxels, const std::array<int, 3>& size, double x, double y, double z) {
  const double cx = std::clamp(x, 0.0, size[0] - 1.0), cy = std::clamp(y, 0.0, size[1] - 1.0),
               cz = std::clamp(z, 0.0, size[2] - 1.0);
  const int x0 = std::min(static_cast<int>(cx), std::max(0, size[0] - 2)),
            y0 = std::min(static_cast<int>(cy), std::max(0, size[1] - 2)),
            z0 = std::min(static_cast<int>(cz), std::max(0, size[2] - 2));
  const auto fx = static_cast<float>(cx - x0), fy = static_cast<float>(cy - y0), fz = static_cast<float>(cz - z0);
  const std::size_t dx = size[0] > 1 ? 1 : 0, dy = size[1] > 1 ? static_cast<std::size_t>(size[0]) : 0,
                    dz = size[2] > 1 ? static_cast<std::size_t>(size[0]) * size[1] : 0;
  const float* p = voxels + (static_cast<std::size_t>(z0) * size[1] + y0) * size[0] + x0;
  const float a = p[0] + fx * (p[dx] - p[0]), b = p[dy] + fx * (p[dy + dx] - p[dy]);
  const float* q = p + dz;
  const float c = q[0] + fx * (q[dx] - q[0]), d = q[dy] + fx * (q[dy + dx] - q[dy]);
  const float near = a + fy * (b - a), far = c + fy * (d - c);
  return near + fz * (far - near);
}

inline bool Inside(const std::array<int, 3>& size, double x, double y, double z) {
  return x >= -0.5 && y >= -0.5 && z >= -0.5 && x < size[0] - 0.5 && y < size[1] - 0.5 && z < size[2] - 0.5;
}

}  // namespace

bool SampleAt(const Volume& volume, const Vec3& index, float* value) {
  if (!Inside(volume.size, index[0], index[1], index[2])) return false;
  *value = Trilinear(volume.voxels.data(), volume.size, index[0], index[1], index[2]);
  return true;
}

std::vector<float> SampleLattice(const Volume& volume, const RigidTransform& transform, const std::array<int, 3>& size,
                                 const Vec3& origin, const std::array<Vec3, 3>& step,
                                 std::vector<std::uint8_t>* inside) {
  const std::size_t count = static_cast<std::size_t>(size[0]) * size[1] * size[2];
  std::vector<float> values(count, 0.0F);
  if (inside) inside->assign(count, 0);
  // Fixed point to moving index is affine: work out its origin and steps once.
  const Vec3 base = IndexOf(volume, Apply(transform, origin));
  std::array<Vec3, 3> d{};
  for (std::size_t a = 0; a < 3; ++a) {
    const Vec3 next =
        IndexOf(volume, Apply(transform, {origin[0] + step[a][0], origin[1] + step[a][1], origin[2] + step[a][2]}));
    for (std::size_t i = 0; i < 3; ++i) d[a][i] = next[i] - base[i];
  }
  std::size_t at = 0;
  for (int z = 0; z < size[2]; ++z) {
    for (int y = 0; y < size[1]; ++y) {
      const Vec3 row{base[0] + y * d[1][0] + z * d[2][0], base[1] + y * d[1][1] + z * d[2][1],
                     base[2] + y * d[1][2] + z * d[2][2]};
      for (int x = 0; x < size[0]; ++x, ++at) {
        const double i = row[0] + x * d[0][0], j = row[1] + x * d[0][1], k = row[2] + x * d[0][2];
        if (!Inside(volume.size, i, j, k)) continue;
        values[at] = Trilinear(volume.voxels.data(), volume.size, i, j, k);
        if (inside) (*inside)[at] = 1;
      }
    }
  }
  return values;
}

std::vector<float> SampleGrid(const Volume& volume, const RigidTransform& transform, const Grid& grid,
                              std::vector<std::uint8_t>* inside) {
  const double s = grid.spacing;
  return SampleLattice(volume, transform, grid.size, grid.origin, {Vec3{s, 0, 0}, Vec3{0, s, 0}, Vec3{0, 0, s}},
                       inside);
}

Grid GridAround(const Volume& volume, double spacing) {
  Vec3 low{1e9, 1e9, 1e9}, high{-1e9, -1e9, -1e9};
  for (int corner = 0; corner < 8; ++corner) {
    Vec3 index{};
    for (std::size_t i = 0; i < 3; ++i) index[i] = (corner >> i & 1) ? volume.size[i] - 0.5 : -0.5;
    const Vec3 p = PointOf(volume, index);
    for (std::size_t i = 0; i < 3; ++i) {
      low[i] = std::min(low[i], p[i]);
      high[i] = std::max(high[i], p[i]);
    }
  }
  Grid grid;
  grid.spacing = spacing;
  for (std::size_t i = 0; i < 3; ++i) {
    // At most 600 mm: a wild header cannot make this allocate without bound.
    grid.size[i] =
        std::clamp(static_cast<int>(std::ceil((high[i] - low[i]) / spacing)), 1, static_cast<int>(600 / spacing));
    grid.origin[i] = 0.5 * (low[i] + high[i]) - 0.5 * spacing * (grid.size[i] - 1);
  }
  return grid;
}

}  // namespace glionode::volumes
