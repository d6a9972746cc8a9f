#include "inference/volumes/inner_head.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace glionode::volumes {
namespace {

// Off the surface: scalp fat moves, and is suppressed in one series and not in the other.
constexpr double kOffSurfaceMm = 12;
constexpr std::size_t kFewVoxels = 1000;

}  // namespace

int Steps(double mm, const Grid& grid) { return std::max(1, static_cast<int>(std::lround(mm / grid.spacing))); }

float Quantile(std::vector<float>& values, double share) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::optional<InnerHead> FindInnerHead(const std::vector<float>& t1, const std::vector<float>& t1ce, const Mask& head,
                                       const Grid& grid) {
  InnerHead inner{head, 0, 0};
  Erode(inner.mask, grid.size, Steps(kOffSurfaceMm, grid));
  std::vector<float> a, b;
  for (std::size_t i = 0; i < head.size(); ++i) {
    inner.mask[i] = inner.mask[i] && t1[i] > 0 && t1ce[i] > 0;
    if (inner.mask[i]) a.push_back(t1[i]), b.push_back(t1ce[i]);
  }
  if (a.size() < kFewVoxels) return std::nullopt;
  inner.t1 = Quantile(a, 0.5);
  inner.t1ce = Quantile(b, 0.5);
  return inner;
}

}  // namespace glionode::volumes
