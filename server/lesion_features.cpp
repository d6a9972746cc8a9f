#include "server/lesion_features.h"

#include "inference/volumes/preprocess.h"
#include "inference/volumes/sampling.h"

#include <algorithm>
#include <cmath>

namespace glionode::server {
namespace {

/// Outer limits of the shells in units of the radius: core, middle, margin, around, oedema near and far.
constexpr std::array<double, 6> kShells = {0.35, 0.7, 1.0, 1.3, 1.8, 2.4};
constexpr std::size_t kInside = 3;  ///< shells that belong to the lesion

struct Sums {
  double n = 0, sum = 0, squares = 0;
  void Add(double value) { ++n, sum += value, squares += value * value; }
  double Mean() const { return n > 0 ? sum / n : 0; }
  double Spread() const { return n > 1 ? std::sqrt(std::max(0.0, squares / n - Mean() * Mean())) : 0; }
};

/// Means in all shells, then the spread inside the lesion.
template <typename ValueAt>
void Measure(int shape, double spacing, const std::array<double, 3>& middle, double radius, ValueAt value_at,
             std::vector<double>& features) {
  std::array<Sums, kShells.size()> shells;
  Sums inside;
  std::array<int, 3> low{}, high{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double reach = kShells.back() * radius / spacing;
    low[axis] = std::max(0, static_cast<int>(std::floor(middle[axis] - reach)));
    high[axis] = std::min(shape - 1, static_cast<int>(std::ceil(middle[axis] + reach)));
  }
  for (int z = low[2]; z <= high[2]; ++z)
    for (int y = low[1]; y <= high[1]; ++y)
      for (int x = low[0]; x <= high[0]; ++x) {
        const double distance = spacing / radius * std::hypot(x - middle[0], y - middle[1], z - middle[2]);
        const auto shell =
            static_cast<std::size_t>(std::lower_bound(kShells.begin(), kShells.end(), distance) - kShells.begin());
        if (shell >= kShells.size()) continue;
        const double value = value_at((static_cast<std::size_t>(z) * shape + y) * shape + x);
        shells[shell].Add(value);
        if (shell < kInside) inside.Add(value);
      }
  for (const Sums& shell : shells) features.push_back(shell.Mean());
  features.push_back(inside.Spread());
}

}  // namespace

std::vector<double> LesionFeatures(const std::vector<float>& tensor, const std::vector<Role>& roles, int shape,
                                   double spacing_mm, const std::array<double, 3>& origin, const LesionPlace& lesion) {
  const auto voxels = static_cast<std::size_t>(shape) * shape * shape;
  if (!(lesion.radius > 0) || tensor.size() != voxels * roles.size()) return {};
  std::array<double, 3> middle{};
  for (std::size_t axis = 0; axis < 3; ++axis) middle[axis] = (lesion.centre[axis] - origin[axis]) / spacing_mm;
  std::vector<double> features;
  std::size_t t1 = roles.size(), t1ce = roles.size();
  for (std::size_t c = 0; c < roles.size(); ++c) {
    if (roles[c] == Role::kT1) t1 = c;
    if (roles[c] == Role::kT1ce) t1ce = c;
    Measure(
        shape, spacing_mm, middle, lesion.radius, [&](std::size_t i) { return tensor[c * voxels + i]; }, features);
  }
  if (t1 < roles.size() && t1ce < roles.size())
    Measure(
        shape, spacing_mm, middle, lesion.radius,
        [&](std::size_t i) { return tensor[t1ce * voxels + i] - tensor[t1 * voxels + i]; }, features);
  return features;
}

std::optional<MapShare> ShareInLesion(const std::vector<float>& map, const std::array<int, 3>& map_size,
                                      const std::vector<float>& tensor, int shape, double spacing_mm,
                                      const std::array<double, 3>& origin, const LesionPlace& lesion) {
  if (!(lesion.radius > 0) || map.empty()) return std::nullopt;
  const auto voxels = static_cast<std::size_t>(shape) * shape * shape;
  volumes::NetworkInput input;
  input.shape = shape;
  input.spacing_mm = spacing_mm;
  input.grid_origin = origin;
  const volumes::Volume volume = volumes::MapAsVolume(map, map_size, input);
  constexpr double kReach = 1.5;
  double sum = 0, inside = 0;
  std::size_t head = 0, in_lesion = 0, at = 0;
  for (int z = 0; z < shape; ++z)
    for (int y = 0; y < shape; ++y)
      for (int x = 0; x < shape; ++x, ++at) {
        bool is_head = false;
        for (std::size_t c = at; c < tensor.size(); c += voxels) is_head |= tensor[c] != 0;
        if (!is_head) continue;
        const std::array<double, 3> point{origin[0] + x * spacing_mm, origin[1] + y * spacing_mm,
                                          origin[2] + z * spacing_mm};
        float value = 0;
        volumes::SampleAt(volume, volumes::IndexOf(volume, point), &value);
        const bool near = std::hypot(point[0] - lesion.centre[0], point[1] - lesion.centre[1],
                                     point[2] - lesion.centre[2]) <= kReach * lesion.radius;
        sum += value, inside += near ? value : 0;
        ++head, in_lesion += near;
      }
  if (!(sum > 0) || head == 0) return std::nullopt;
  return MapShare{inside / sum, static_cast<double>(in_lesion) / static_cast<double>(head)};
}

}  // namespace glionode::server
