#pragma once
#include "inference/networks/bundle.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace glionode::networks {

/// One preprocessed case on disk: raw float32 little endian, [channel][shape]^3.
struct TensorCase {
  std::filesystem::path tensor_file;
  std::string study, patient, label;  ///< recurrence or necrosis
};

struct TrainingOptions {
  int epochs = 20;
  std::uint64_t seed = 0;
  double learning_rate = 1e-3;
  int batch = 4;
  int threads = 0;
  int folds = 0;  ///< 0: no cross-validation; calibration then from a patient-grouped hold-back part
  std::string device = "auto";
  bool resume = false;
};

struct TrainingProgress {
  int epoch = 0, epochs = 0;
  int step = 0, steps = 0;
  double loss = 0;
  std::string phase;  ///< fold 1 of 5, calibration, final
};

/// Trains, rounds the weights to half precision, calibrates after that, writes the reference answer and the bundle into
/// `out` (weights first, bundle.json last). `info` carries name, network, preprocessing; it is returned completed.
/// Deterministic for a seed at equal thread count.
BundleInfo Train(const std::vector<TensorCase>& cases, BundleInfo info, const TrainingOptions& options,
                 const std::filesystem::path& out, const std::function<void(const TrainingProgress&)>& progress);

}  // namespace glionode::networks
