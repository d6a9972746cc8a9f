#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace glionode::networks {

/// splitmix64 (Steele, Lea, Flood 2014): integers only, so that every machine and compiler draws the same.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// 0 .. n-1.
  std::uint64_t Below(std::uint64_t n) { return Next() % n; }
  /// [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  double Between(double low, double high) { return low + (high - low) * Uniform(); }

  template <typename T>
  void Shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[Below(i)]);
  }

 private:
  std::uint64_t state_;
};

/// A seed for one purpose out of a seed and numbers that name the purpose.
template <typename... Parts>
std::uint64_t DeriveSeed(std::uint64_t seed, Parts... parts) {
  ((seed = SplitMix64(seed ^ (0x632be59bd9b4e019u * (static_cast<std::uint64_t>(parts) + 1))).Next()), ...);
  return seed;
}

}  // namespace glionode::networks
