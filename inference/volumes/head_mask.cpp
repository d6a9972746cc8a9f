#include "inference/volumes/head_mask.h"

#include <algorithm>
#include <cmath>

namespace glionode::volumes {
namespace {

constexpr double kMaskSpacing = 4.0;
/// Vertex to below the chin is 220-240 mm in adults, vertex to skull base about 140 mm.
constexpr double kTopOfHead = 170.0;
/// From the vertex down to the bridge of the nose.
constexpr double kAboveFace = 95.0;

/// One 6-neighbour step; `grow` sets voxels beside set ones, else clears voxels beside cleared ones.
void Step(Mask& mask, const std::array<int, 3>& size, bool grow) {
  const Mask before = mask;
  const std::uint8_t seed = grow ? 1 : 0;
  const std::ptrdiff_t stride[3] = {1, size[0], static_cast<std::ptrdiff_t>(size[0]) * size[1]};
  std::size_t at = 0;
  for (int z = 0; z < size[2]; ++z)
    for (int y = 0; y < size[1]; ++y)
      for (int x = 0; x < size[0]; ++x, ++at) {
        if (before[at] == seed) continue;
        const int index[3] = {x, y, z};
        for (std::size_t a = 0; a < 3 && mask[at] != seed; ++a) {
          if (index[a] > 0 && before[at - static_cast<std::size_t>(stride[a])] == seed) mask[at] = seed;
          if (index[a] + 1 < size[a] && before[at + static_cast<std::size_t>(stride[a])] == seed) mask[at] = seed;
        }
      }
}

/// Bounds between which all but 0.5 % of the mask's voxels lie at each end, in voxels: a stray coil element or an ear
/// does not count.
std::array<std::array<double, 2>, 3> RobustBounds(const Mask& mask, const std::array<int, 3>& size,
                                                  int from_slice = 0) {
  std::array<std::vector<std::size_t>, 3> profile;
  for (std::size_t a = 0; a < 3; ++a) profile[a].assign(static_cast<std::size_t>(size[a]), 0);
  std::size_t total = 0, at = static_cast<std::size_t>(from_slice) * size[0] * size[1];
  for (int z = from_slice; z < size[2]; ++z)
    for (int y = 0; y < size[1]; ++y)
      for (int x = 0; x < size[0]; ++x, ++at)
        if (mask[at]) {
          ++profile[0][static_cast<std::size_t>(x)], ++profile[1][static_cast<std::size_t>(y)],
              ++profile[2][static_cast<std::size_t>(z)], ++total;
        }
  std::array<std::array<double, 2>, 3> bounds{};
  const double tail = 0.005 * static_cast<double>(total);
  for (std::size_t a = 0; a < 3; ++a) {
    double sum = 0;
    std::size_t i = 0;
    while (i < profile[a].size() && sum + static_cast<double>(profile[a][i]) <= tail)
      sum += static_cast<double>(profile[a][i++]);
    std::size_t j = profile[a].size();
    sum = 0;
    while (j > i && sum + static_cast<double>(profile[a][j - 1]) <= tail) sum += static_cast<double>(profile[a][--j]);
    bounds[a] = {static_cast<double>(i), static_cast<double>(j)};  // half open
  }
  return bounds;
}

}  // namespace

float OtsuThreshold(const std::vector<float>& values) {
  std::vector<float> positive;
  positive.reserve(values.size());
  for (float v : values)
    if (v > 0) positive.push_back(v);
  if (positive.size() < 16) return 0;
  const auto top = positive.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(positive.size()));
  std::nth_element(positive.begin(), top, positive.end());
  const float high = *top;
  constexpr int kBins = 256;
  std::array<double, kBins> histogram{};
  for (float v : positive) ++histogram[static_cast<std::size_t>(std::min(1.0F, v / high) * (kBins - 1))];
  double total = 0, weighted = 0;
  for (int i = 0; i < kBins; ++i)
    total += histogram[static_cast<std::size_t>(i)], weighted += i * histogram[static_cast<std::size_t>(i)];
  double below = 0, below_weighted = 0, best = -1;
  int best_bin = 0;
  for (int i = 0; i < kBins - 1; ++i) {
    below += histogram[static_cast<std::size_t>(i)];
    below_weighted += i * histogram[static_cast<std::size_t>(i)];
    if (below == 0 || below == total) continue;
    const double difference = below_weighted / below - (weighted - below_weighted) / (total - below);
    const double between = below * (total - below) * difference * difference;
    if (between > best) best = between, best_bin = i;
  }
  return (static_cast<float>(best_bin) + 1.0F) / kBins * high;
}

std::vector<std::vector<std::uint32_t>> Components(const Mask& mask, const std::array<int, 3>& size) {
  std::vector<std::vector<std::uint32_t>> parts;
  Mask seen(mask.size(), 0);
  std::vector<std::uint32_t> stack;
  const std::ptrdiff_t stride[3] = {1, size[0], static_cast<std::ptrdiff_t>(size[0]) * size[1]};
  for (std::size_t start = 0; start < mask.size(); ++start) {
    if (!mask[start] || seen[start]) continue;
    seen[start] = 1;
    stack.assign(1, static_cast<std::uint32_t>(start));
    std::vector<std::uint32_t> part;
    while (!stack.empty()) {
      const std::size_t at = stack.back();
      stack.pop_back();
      part.push_back(static_cast<std::uint32_t>(at));
      const int index[3] = {
          static_cast<int>(at % static_cast<std::size_t>(size[0])),
          static_cast<int>(at / static_cast<std::size_t>(size[0]) % static_cast<std::size_t>(size[1])),
          static_cast<int>(at / static_cast<std::size_t>(stride[2]))};
      for (std::size_t a = 0; a < 3; ++a)
        for (int side = -1; side <= 1; side += 2) {
          if (index[a] + side < 0 || index[a] + side >= size[a]) continue;
          const auto to = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(at) + side * stride[a]);
          if (mask[to] && !seen[to]) seen[to] = 1, stack.push_back(static_cast<std::uint32_t>(to));
        }
    }
    parts.push_back(std::move(part));
  }
  std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return parts;
}

void KeepLargestComponent(Mask& mask, const std::array<int, 3>& size) {
  const auto parts = Components(mask, size);
  std::fill(mask.begin(), mask.end(), std::uint8_t{0});
  if (parts.empty()) return;
  for (const std::uint32_t at : parts.front()) mask[at] = 1;
}

void FillHoles(Mask& mask, const std::array<int, 3>& size) {
  const std::size_t area = static_cast<std::size_t>(size[0]) * size[1];
  Mask outside(area);
  std::vector<std::uint32_t> stack;
  for (int z = 0; z < size[2]; ++z) {
    std::uint8_t* slice = mask.data() + static_cast<std::size_t>(z) * area;
    std::fill(outside.begin(), outside.end(), std::uint8_t{0});
    const auto push = [&](int x, int y) {
      const std::size_t at = static_cast<std::size_t>(y) * size[0] + x;
      if (!slice[at] && !outside[at]) outside[at] = 1, stack.push_back(static_cast<std::uint32_t>(at));
    };
    for (int x = 0; x < size[0]; ++x) push(x, 0), push(x, size[1] - 1);
    for (int y = 0; y < size[1]; ++y) push(0, y), push(size[0] - 1, y);
    while (!stack.empty()) {
      const int x = static_cast<int>(stack.back() % static_cast<std::uint32_t>(size[0]));
      const int y = static_cast<int>(stack.back() / static_cast<std::uint32_t>(size[0]));
      stack.pop_back();
      if (x > 0) push(x - 1, y);
      if (x + 1 < size[0]) push(x + 1, y);
      if (y > 0) push(x, y - 1);
      if (y + 1 < size[1]) push(x, y + 1);
    }
    for (std::size_t i = 0; i < area; ++i)
      if (!outside[i]) slice[i] = 1;
  }
}

void Dilate(Mask& mask, const std::array<int, 3>& size, int steps) {
  for (int i = 0; i < steps; ++i) Step(mask, size, true);
}

void Erode(Mask& mask, const std::array<int, 3>& size, int steps) {
  for (int i = 0; i < steps; ++i) Step(mask, size, false);
}

Head FindHead(const Volume& volume) {
  Head head;
  head.grid = GridAround(volume, kMaskSpacing);
  Mask inside;
  const auto values = SampleGrid(Reduce(volume, kMaskSpacing), RigidTransform{}, head.grid, &inside);
  // Half of Otsu's threshold: Otsu separates air + bone + liquor from soft tissue, the half separates air from head
  // also where the coil is weak. Noise stays well below (Rayleigh noise at SNR 10 is under a tenth of the tissue).
  head.threshold = 0.5F * OtsuThreshold(values);
  head.mask.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) head.mask[i] = values[i] > head.threshold;
  const auto& size = head.grid.size;
  KeepLargestComponent(head.mask, size);
  // Closing: scalp and brain belong together although bone lies between, and a thin scalp may have gaps.
  Dilate(head.mask, size, 3);
  FillHoles(head.mask, size);
  Erode(head.mask, size, 3);
  for (std::size_t i = 0; i < head.mask.size(); ++i) head.mask[i] = head.mask[i] && inside[i];
  FillHoles(head.mask, size);

  // Vertex: first slice from above with at least 5 cm2 of head.
  const std::size_t area = static_cast<std::size_t>(size[0]) * size[1];
  int top = size[2] - 1;
  for (; top >= 0; --top) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < area; ++i) count += head.mask[static_cast<std::size_t>(top) * area + i];
    if (static_cast<double>(count) * kMaskSpacing * kMaskSpacing >= 500) break;
  }
  const int lowest = top - static_cast<int>(kTopOfHead / kMaskSpacing);
  for (int z = 0; z <= lowest; ++z)
    std::fill_n(head.mask.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(z) * area), area,
                std::uint8_t{0});

  std::size_t count = 0;
  for (auto m : head.mask) count += m;
  if (count == 0) return head;
  const double voxel_ml = kMaskSpacing * kMaskSpacing * kMaskSpacing / 1000;
  head.volume_ml = static_cast<double>(count) * voxel_ml;
  const auto bounds = RobustBounds(head.mask, size);
  const auto upper = RobustBounds(head.mask, size, std::max(0, top - static_cast<int>(kAboveFace / kMaskSpacing)));
  double box = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    head.extent[a] = (bounds[a][1] - bounds[a][0]) * kMaskSpacing;
    box *= head.extent[a];
    // The middle of the bounding box, not the centroid: a cube that must hold the head has its room spread evenly. Nose
    // and chin do not count, else they would push the back of the head out of the cube.
    const auto& box_side = a == 2 ? bounds[a] : upper[a];
    head.centre[a] = head.grid.origin[a] + (0.5 * (box_side[0] + box_side[1]) - 0.5) * kMaskSpacing;
  }
  head.fill = box > 0 ? head.volume_ml * 1000 / box : 0;

  Mask inner = head.mask;
  Erode(inner, size, 4);
  double sum = 0, squares = 0;
  std::vector<float> inside_values;
  for (std::size_t i = 0; i < inner.size(); ++i)
    if (inner[i]) {
      sum += values[i], squares += static_cast<double>(values[i]) * values[i];
      inside_values.push_back(values[i]);
    }
  const auto n = static_cast<double>(inside_values.size());
  if (n > 0 && sum > 0) {
    const double mean = sum / n;
    head.variation = std::sqrt(std::max(0.0, squares / n - mean * mean)) / mean;
    std::sort(inside_values.begin(), inside_values.end());
    head.air = static_cast<double>(std::lower_bound(inside_values.begin(), inside_values.end(), 0.5F * head.threshold) -
                                   inside_values.begin()) /
               n;
    const auto quantile = [&](double q) { return inside_values[static_cast<std::size_t>(q * (n - 1))]; };
    if (const float median = quantile(0.5); median > 0)
      head.upper_quartile = quantile(0.75) / median, head.upper_tail = quantile(0.95) / median;
  }
  return head;
}

Mask MaskOnGrid(const Head& head, const Grid& grid) {
  Volume soft;
  soft.size = head.grid.size;
  soft.spacing = {head.grid.spacing, head.grid.spacing, head.grid.spacing};
  soft.origin = head.grid.origin;
  soft.voxels.assign(head.mask.begin(), head.mask.end());
  const auto values = SampleGrid(soft, RigidTransform{}, grid);
  Mask mask(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) mask[i] = values[i] >= 0.5F;
  return mask;
}

}  // namespace glionode::volumes
