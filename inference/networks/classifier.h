#pragma once
#include "inference/networks/bundle.h"

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace glionode::networks {

struct Answer {
  double probability_of_necrosis = 0;  ///< calibrated
  double logit = 0;                    ///< calibrated log odds of necrosis
  std::vector<float>
      map;  ///< class activation map of the winning class [z][y][x], scaled 0..1 (exact for a pooled linear head)
  std::array<int, 3> map_size{};  ///< z, y, x
  std::string map_class;          ///< recurrence or necrosis
  double domain_distance = 0;     ///< from the cases that the bundle was trained on: beyond 1 is out of domain
  std::string domain_most;        ///< what differs most, in words
};

/// A loaded network. Owns the module. fp32, TF32 off. Threads: one call at a time.
class Classifier {
 public:
  /// `device`: auto, cpu, cuda, cuda:N. `threads` 0: all cores. Throws Error{kMissingPart} or Error{kBadDataset} with
  /// the reason.
  Classifier(const std::filesystem::path& bundle_folder, const std::string& device, int threads);
  ~Classifier();
  Classifier(Classifier&&) noexcept;
  const BundleInfo& Info() const;
  std::string Device() const;
  /// `tensor`: [channel][z][y][x] in the bundle's order and shape. Throws Error{kBadDataset} on a wrong size or a value
  /// that is not finite.
  Answer Classify(const std::vector<float>& tensor);
  /// Promise 10: the reference input gives its stored answer within 1e-3, else Error{kBadDataset} with both numbers.
  void SelfTest();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The reference input of promise 10: integer arithmetic from a seed, [channels][shape]^3.
std::vector<float> ReferenceInput(std::uint64_t seed, int channels, int shape);

}  // namespace glionode::networks
