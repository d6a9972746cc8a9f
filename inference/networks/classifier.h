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
  double raw_logit = 0;                ///< before calibration: logit(necrosis) - logit(recurrence)
  std::vector<float>
      map;  ///< class activation map of the winning class [z][y][x], scaled 0..1 (exact for a pooled linear head).
            ///< Of the raw logit: calibration scales it (slope > 0) and shifts it by the intercept, which has no place
            ///< in the head, so that the winning class need not be the one that more of the map speaks for
  std::array<int, 3> map_size{};  ///< z, y, x
  std::string map_class;          ///< recurrence or necrosis
  double domain_distance = 0;     ///< from the cases that the bundle was trained on: beyond 1 is out of domain
  std::string domain_most;        ///< what differs most, in words
};

/// A loaded network. Owns the module. fp32, TF32 off. Threads: one call at a time.
class Classifier {
 public:
  /// `device`: auto, cpu, cuda, cuda:N. `threads` 0: all cores. Throws Error{kMissingPart} or Error{kBadDataset} with
  /// the reason; also where the weights' file says that it was learned with other sequences, another layout or other
  /// classes than bundle.json says: all shapes would fit.
  Classifier(const std::filesystem::path& bundle_folder, const std::string& device, int threads);
  /// The same of files that were read before from `bundle_folder`, which is named in errors only.
  Classifier(const std::filesystem::path& bundle_folder, BundleFiles files, const std::string& device, int threads);
  ~Classifier();
  Classifier(Classifier&&) noexcept;
  const BundleInfo& Info() const;
  /// Of what was loaded, BundleFiles::sha256.
  const std::string& BundleHash() const;
  std::string Device() const;
  /// `tensor`: [channel][z][y][x] in the bundle's order and shape. Throws Error{kBadDataset} on a wrong size or a value
  /// that is not finite.
  Answer Classify(const std::vector<float>& tensor);
  /// Promise 10: the reference input gives its stored answer, else Error{kBadDataset} with both numbers: the
  /// probability within 1e-3 and, where the bundle stores it, the raw logit within 5e-3 of its size (a probability near
  /// 0 or 1 would hide altered weights).
  void SelfTest();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The reference input of promise 10: integer arithmetic from a seed, [channels][shape]^3.
std::vector<float> ReferenceInput(std::uint64_t seed, int channels, int shape);

}  // namespace glionode::networks
