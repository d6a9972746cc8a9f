#pragma once
#include "inference/networks/domain.h"
#include "inference/networks/network.h"
#include "inference/networks/training.h"

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <vector>

namespace glionode::networks {

/// What an epoch came to, while the network learned.
struct EpochFigures {
  double loss = 0, auc = 0, learning_rate = 0;
};

/// Trains one network on some of the cases: AdamW, learning rate rising over the first tenth of the steps and then
/// falling along a cosine, classes made to count alike. What an epoch draws depends on the seed and the epoch only,
/// so that a run continued after an epoch equals one that was never broken off.
class Trainer {
 public:
  /// `members`: indices into `cases`, which must outlive this. `seed`: of this run.
  Trainer(const std::vector<TensorCase>& cases, std::vector<int> members, const BundleInfo& info,
          const TrainingOptions& options, torch::Device device, std::uint64_t seed);
  /// `on_step` gets step (from 1), steps and loss. Throws Error{kInternal} when the loss is no longer finite.
  EpochFigures RunEpoch(int epoch, const std::function<void(int, int, double)>& on_step);
  /// Rounds the weights to what is stored; no training afterwards.
  void Finish();
  /// Logit of necrosis against recurrence of cases by index, in evaluation mode.
  std::vector<double> Logits(const std::vector<int>& members);
  /// How the same cases look to it.
  std::vector<CaseLook> Looks(const std::vector<int>& members);
  /// The same for one input on the CPU, as it is served.
  Network& Model() { return *network_; }

  void Save(torch::serialize::OutputArchive& archive) const;
  void Load(torch::serialize::InputArchive& archive);

 private:
  torch::Tensor Input(int index) const;
  void SetLearningRate(double rate);
  torch::Tensor Loss(const torch::Tensor& logits, const torch::Tensor& target, const torch::Tensor& weights) const;

  const std::vector<TensorCase>& cases_;
  std::vector<int> members_;
  std::int64_t channels_, shape_;
  bool centred_on_lesion_;
  TrainingOptions options_;
  torch::Device device_;
  std::uint64_t seed_;
  std::shared_ptr<Network> network_;
  std::unique_ptr<torch::optim::AdamW> optimiser_;
  double class_weight_[kClasses] = {1, 1};
};

}  // namespace glionode::networks
