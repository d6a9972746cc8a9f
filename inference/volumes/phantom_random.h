#pragma once
#include <cmath>
#include <cstdint>

namespace glionode::volumes {

/// A random stream named by (seed, index, purpose): streams of different purposes are independent, so a further draw
/// for the scanner never changes the lesion. SplitMix64 (Steele, Lea, Flood 2014); own distributions, because those of
/// the standard library differ between implementations.
class PhantomStream {
 public:
  PhantomStream(std::uint64_t seed, int index, std::uint64_t purpose)
      : state_(Mix(Mix(Mix(seed) ^ static_cast<std::uint64_t>(index)) ^ (purpose * 0xd1342543de82ef95ULL))) {}

  std::uint64_t Bits() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return Mix(state_);
  }
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1.0p-53; }  ///< [0, 1)
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  int Choice(int n) { return static_cast<int>(Uniform() * n); }  ///< 0 .. n-1
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return radius * std::cos(6.283185307179586 * Uniform());
  }

 private:
  static std::uint64_t Mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  std::uint64_t state_;
};

/// Purposes. Only kLatent knows the class.
enum PhantomPurpose : std::uint64_t {
  kLatentStream = 1,
  kAnatomyStream,
  kLesionStream,
  kScannerStream,
  kMotionStream,
  kNoiseStream,
  kPatientStream
};

}  // namespace glionode::volumes
