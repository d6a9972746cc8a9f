#pragma once
#include "inference/networks/bundle.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace glionode::networks {

/// One preprocessed case on disk: raw little endian float32, or half precision as WriteTensorFile() writes it,
/// [channel][shape]^3; told apart by the file's size.
struct TensorCase {
  std::filesystem::path tensor_file;
  std::string study, patient, label;                   ///< recurrence or necrosis
  std::map<std::string, std::string> attributes = {};  ///< columns of the cohort, for the report's subgroups
};

struct TrainingOptions {
  int epochs = 20;
  std::uint64_t seed = 0;
  double learning_rate = 1e-3;
  int batch = 4;
  int threads = 0;
  int folds = 0;  ///< 0: no cross-validation; calibration then from a patient-grouped hold-back part
  std::string device = "auto";
  bool resume = false;                 ///< go on from `out`/training-checkpoint.pt where it is there
  int repeats = 1;                     ///< of the cross-validation, each with its own folds
  std::string loss = "cross-entropy";  ///< or focal (Lin et al. 2017), which turns to the hard cases
  double focal_gamma = 2;
  std::string balance = "weights";     ///< classes count alike by weights in the loss, or by sampling
  std::string augmentation = "light";  ///< none, light or full (augmentation.h)
  std::string precision = "fp32";      ///< or mixed: bfloat16 where it is safe, on CUDA only
  std::filesystem::path init;          ///< starting weights (starting_weights.h); empty: random
  std::string init_layout;             ///< dilated or strided, where the file does not say it
  std::filesystem::path record;        ///< folder for curves and the report out of the folds; empty: none
  std::string record_note;             ///< a sentence at the top of that report, such as what it leaves out
  std::string cohort;                  ///< name of the cohort file, for the bundle's "training"
  std::string command;                 ///< command line, for the bundle's "training"
};

struct TrainingProgress {
  int epoch = 0, epochs = 0;         ///< of this network
  int step = 0, steps = 0;           ///< of this epoch; steps = 0 while held-out cases are judged
  std::int64_t done = 0, total = 0;  ///< cases learned from, over all networks and epochs
  double loss = 0;
  double auc = 0;     ///< of the epoch before, while learning; NaN in the first
  std::string phase;  ///< fold 1 of 5, calibration, final
};

/// Writes a case as half precision (atomically). Throws Error{kBadDataset} for values that half cannot hold.
void WriteTensorFile(const std::filesystem::path& file, const std::vector<float>& tensor);

/// Everything that can be wrong with options and labels, before anything that takes long; no tensor file is looked at.
/// Throws Error{kUsage}.
void CheckTraining(const std::vector<TensorCase>& cases, const BundleInfo& info, const TrainingOptions& options);

/// Trains, rounds the weights to half precision, calibrates after that, writes the reference answer and the bundle into
/// `out` (weights first, bundle.json last). `info` carries name, network, preprocessing; it is returned completed.
/// Deterministic for a seed at equal thread count. After every epoch a checkpoint is written; it is removed at the end.
/// An exception thrown by `progress` ends the training and leaves the last checkpoint. Throws Error{kUsage} for options
/// or a cohort that cannot be trained on, and for a checkpoint of another training.
BundleInfo Train(const std::vector<TensorCase>& cases, BundleInfo info, const TrainingOptions& options,
                 const std::filesystem::path& out, const std::function<void(const TrainingProgress&)>& progress);

}  // namespace glionode::networks
