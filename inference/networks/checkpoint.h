#pragma once
#include "inference/networks/held_out.h"
#include "inference/networks/trainer.h"
#include "inference/networks/training_curves.h"

#include <filesystem>
#include <string>
#include <vector>

namespace glionode::networks {

/// Where a training stands: runs finished, epochs of the next run done, and what finished runs said about the cases
/// that they had not seen.
struct TrainingState {
  std::string fingerprint;  ///< hash of cases and options: a checkpoint of another training is refused
  int run = 0, epoch = 0;
  std::vector<HeldOut> held_out;
  std::vector<CurvePoint> curve;  ///< of all epochs done
};

/// Writes state and trainer to `file` at once: on a failure the former checkpoint stays as it was.
void SaveCheckpoint(const std::filesystem::path& file, const TrainingState& state, const Trainer& trainer);

/// A checkpoint that was read. Throws Error{kBadDataset} if it cannot be read.
class Checkpoint {
 public:
  explicit Checkpoint(const std::filesystem::path& file);
  const TrainingState& State() const { return state_; }
  void Restore(Trainer& trainer);

 private:
  std::filesystem::path file_;
  torch::serialize::InputArchive archive_;
  TrainingState state_;
};

}  // namespace glionode::networks
