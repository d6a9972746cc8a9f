#include "inference/volumes/ring_filling.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace glionode::volumes {
namespace {

/// One plane of a grid: where its first voxel lies, and how far it is to the next along each of its two edges.
struct Plane {
  std::size_t start = 0;
  std::array<std::size_t, 2> stride{};
  std::array<int, 2> size{};
};

/// Collects one 4-connected part of what is not in the mask after the other.
class Holes {
 public:
  Holes(const Mask& mask, const Plane& plane) : mask_(mask), plane_(plane), seen_(Count(), 0) {}

  /// Calls `take(voxels)` with the indices in the grid of each part that does not touch the plane's edge.
  template <typename Take>
  void ForEach(const Take& take) {
    for (int v = 0; v < plane_.size[1]; ++v)
      for (int u = 0; u < plane_.size[0]; ++u) {
        part_.clear();
        if (Push(u, v) && !Grow()) take(part_);
      }
  }

 private:
  std::size_t Count() const {
    return static_cast<std::size_t>(plane_.size[0]) * static_cast<std::size_t>(plane_.size[1]);
  }
  bool Push(int u, int v) {
    const auto at =
        static_cast<std::size_t>(v) * static_cast<std::size_t>(plane_.size[0]) + static_cast<std::size_t>(u);
    if (seen_[at]) return false;
    seen_[at] = 1;
    const std::size_t voxel =
        plane_.start + static_cast<std::size_t>(u) * plane_.stride[0] + static_cast<std::size_t>(v) * plane_.stride[1];
    if (mask_[voxel]) return false;
    open_.push_back({u, v});
    part_.push_back(voxel);
    return true;
  }
  /// To the whole part; true if it touches the edge.
  bool Grow() {
    bool edge = false;
    while (!open_.empty()) {
      const auto [u, v] = open_.back();
      open_.pop_back();
      edge = edge || u == 0 || v == 0 || u + 1 == plane_.size[0] || v + 1 == plane_.size[1];
      if (u > 0) Push(u - 1, v);
      if (u + 1 < plane_.size[0]) Push(u + 1, v);
      if (v > 0) Push(u, v - 1);
      if (v + 1 < plane_.size[1]) Push(u, v + 1);
    }
    return edge;
  }

  const Mask& mask_;
  Plane plane_;
  std::vector<std::uint8_t> seen_;
  std::vector<std::array<int, 2>> open_;
  std::vector<std::size_t> part_;
};

}  // namespace

void FillRings(Mask& mask, const Grid& grid) {
  const auto x = static_cast<std::size_t>(grid.size[0]), xy = x * static_cast<std::size_t>(grid.size[1]);
  const std::array<std::size_t, 3> stride{1, x, xy};
  const double voxel = grid.spacing * grid.spacing;
  Mask enclosed(mask.size(), 0);  // by how many planes; two are enough
  for (std::size_t across = 0; across < 3; ++across) {
    const std::size_t a = across == 0 ? 1 : 0, b = across == 2 ? 1 : 2;
    for (int slice = 0; slice < grid.size[across]; ++slice) {
      const Plane plane{
          static_cast<std::size_t>(slice) * stride[across], {stride[a], stride[b]}, {grid.size[a], grid.size[b]}};
      Holes(mask, plane).ForEach([&](const std::vector<std::size_t>& hole) {
        const double area = static_cast<double>(hole.size()) * voxel;
        if (area > kWidestRing) return;
        const std::uint8_t counts = across == 2 && area <= kCertainRing ? 2 : 1;
        for (const std::size_t at : hole) enclosed[at] = static_cast<std::uint8_t>(enclosed[at] + counts);
      });
    }
  }
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (enclosed[i] >= 2) mask[i] = 1;
}

}  // namespace glionode::volumes
