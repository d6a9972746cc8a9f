#include "inference/volumes/local_agreement.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>

namespace glionode::volumes {
namespace {

constexpr double kSpacing = 2.0;  ///< mm
constexpr int kBlock = 5;         ///< voxels along each side of a cube
constexpr int kReach = 5;         ///< voxels that a cube is moved at most
constexpr int kOwnPlace = 1;      ///< voxels off that still count as its own place
constexpr int kMinBlocks = 100;
/// Share of a cube that must be head, and share of it that must be covered by both series.
constexpr double kMinHead = 0.7, kMinCovered = 0.6;

/// Both series on one grid.
struct Pair {
  std::array<int, 3> size{};
  std::vector<float> fixed, moving;
  Mask head, fixed_known, moving_known;

  std::size_t At(int x, int y, int z) const {
    return (static_cast<std::size_t>(z) * static_cast<std::size_t>(size[1]) + static_cast<std::size_t>(y)) *
               static_cast<std::size_t>(size[0]) +
           static_cast<std::size_t>(x);
  }
};

using Corner = std::array<int, 3>;

template <typename Visit>
void ForEachVoxel(const Corner& corner, Visit visit) {
  for (int z = corner[2]; z < corner[2] + kBlock; ++z)
    for (int y = corner[1]; y < corner[1] + kBlock; ++y)
      for (int x = corner[0]; x < corner[0] + kBlock; ++x) visit(x, y, z);
}

/// Squared correlation of a cube of the fixed series with the moving one `shift` voxels off; -1 where nothing can be
/// said (outside, or one of the two is flat).
double Fit(const Pair& pair, const Corner& corner, const Corner& shift) {
  for (std::size_t i = 0; i < 3; ++i)
    if (corner[i] + shift[i] < 0 || corner[i] + shift[i] + kBlock > pair.size[i]) return -1;
  const auto step =
      static_cast<std::ptrdiff_t>(pair.At(corner[0] + shift[0], corner[1] + shift[1], corner[2] + shift[2])) -
      static_cast<std::ptrdiff_t>(pair.At(corner[0], corner[1], corner[2]));
  double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
  ForEachVoxel(corner, [&](int x, int y, int z) {
    const std::size_t at = pair.At(x, y, z);
    const auto other = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(at) + step);
    if (!pair.head[at] || !pair.fixed_known[at] || !pair.moving_known[other]) return;
    const double u = pair.fixed[at], v = pair.moving[other];
    ++n, a += u, b += v, aa += u * u, bb += v * v, ab += u * v;
  });
  if (n < kMinCovered * kBlock * kBlock * kBlock) return -1;
  const double variance_a = aa - a * a / n, variance_b = bb - b * b / n, covariance = ab - a * b / n;
  if (variance_a <= 1e-9 * aa || variance_b <= 1e-9 * bb) return -1;
  return covariance * covariance / (variance_a * variance_b);
}

/// The grid that just holds the head.
Grid GridOf(const Head& head) {
  Vec3 low{1e9, 1e9, 1e9}, high{-1e9, -1e9, -1e9};
  std::size_t at = 0;
  for (int z = 0; z < head.grid.size[2]; ++z)
    for (int y = 0; y < head.grid.size[1]; ++y)
      for (int x = 0; x < head.grid.size[0]; ++x, ++at) {
        if (!head.mask[at]) continue;
        const Vec3 p = head.grid.Point(x, y, z);
        for (std::size_t i = 0; i < 3; ++i) low[i] = std::min(low[i], p[i]), high[i] = std::max(high[i], p[i]);
      }
  Grid grid;
  grid.spacing = kSpacing;
  const double margin = 0.5 * head.grid.spacing;
  for (std::size_t i = 0; i < 3; ++i) {
    grid.origin[i] = low[i] - margin;
    grid.size[i] = std::max(0, static_cast<int>((high[i] - low[i] + 2 * margin) / kSpacing) + 1);
  }
  return grid;
}

}  // namespace

double LocalAgreement(const Volume& fixed, const Volume& moving, const RigidTransform& transform, const Head& head) {
  if (head.volume_ml <= 0) return 0;
  const Grid grid = GridOf(head);
  Pair pair;
  pair.size = grid.size;
  pair.fixed = SampleGrid(fixed, RigidTransform{}, grid, &pair.fixed_known);
  pair.moving = SampleGrid(moving, transform, grid, &pair.moving_known);
  pair.head = MaskOnGrid(head, grid);
  int blocks = 0, at_home = 0;
  for (int z = 0; z + kBlock <= grid.size[2]; z += kBlock)
    for (int y = 0; y + kBlock <= grid.size[1]; y += kBlock)
      for (int x = 0; x + kBlock <= grid.size[0]; x += kBlock) {
        const Corner corner{x, y, z};
        int inside = 0;
        ForEachVoxel(corner, [&](int i, int j, int k) { inside += pair.head[pair.At(i, j, k)]; });
        if (inside < kMinHead * kBlock * kBlock * kBlock) continue;
        double best = Fit(pair, corner, {0, 0, 0});
        if (best < 0) continue;
        int off = 0;
        for (std::size_t axis = 0; axis < 3; ++axis)
          for (int step = -kReach; step <= kReach; ++step) {
            if (step == 0) continue;
            Corner shift{0, 0, 0};
            shift[axis] = step;
            if (const double fit = Fit(pair, corner, shift); fit > best) best = fit, off = std::abs(step);
          }
        ++blocks;
        at_home += off <= kOwnPlace;
      }
  return blocks < kMinBlocks ? 0 : static_cast<double>(at_home) / blocks;
}

}  // namespace glionode::volumes
