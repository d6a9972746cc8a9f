#include "inference/volumes/ring_filling.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace glionode::volumes {

void FillRings(Mask& mask, const Grid& grid) {
  const std::size_t width = static_cast<std::size_t>(grid.size[0]);
  const std::array<std::size_t, 3> stride{1, width, width * static_cast<std::size_t>(grid.size[1])};
  Mask enclosed(mask.size(), 0);  // by how many planes; two are enough
  for (std::size_t across = 0; across < 3; ++across) {
    const std::size_t a = across == 0 ? 1 : 0, b = across == 2 ? 1 : 2;
    const auto columns = static_cast<std::size_t>(grid.size[a]), rows = static_cast<std::size_t>(grid.size[b]);
    Mask open(columns * rows);
    for (std::size_t slice = 0; slice < static_cast<std::size_t>(grid.size[across]); ++slice) {
      const auto voxel = [&](std::size_t at) {
        return slice * stride[across] + at % columns * stride[a] + at / columns * stride[b];
      };
      for (std::size_t at = 0; at < open.size(); ++at) open[at] = !mask[voxel(at)];
      for (const auto& part : Components(open, {grid.size[a], grid.size[b], 1})) {
        const double area = static_cast<double>(part.size()) * grid.spacing * grid.spacing;
        const bool hole = std::none_of(part.begin(), part.end(), [&](std::size_t at) {
          const std::size_t column = at % columns, row = at / columns;
          return column == 0 || row == 0 || column + 1 == columns || row + 1 == rows;
        });
        if (!hole || area > kWidestRing) continue;
        const std::uint8_t counts = across == 2 && area <= kCertainRing ? 2 : 1;
        for (const std::size_t at : part) enclosed[voxel(at)] = static_cast<std::uint8_t>(enclosed[voxel(at)] + counts);
      }
    }
  }
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (enclosed[i] >= 2) mask[i] = 1;
}

}  // namespace glionode::volumes
