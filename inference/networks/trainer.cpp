#include "inference/networks/trainer.h"

#include "config/error.h"
#include "inference/networks/augmentation.h"
#include "inference/networks/case_order.h"
#include "inference/networks/lesion_turns.h"
#include "inference/networks/starting_weights.h"
#include "inference/networks/statistics.h"
#include "inference/networks/tensor_file.h"
#include "inference/networks/weights.h"

#include <ATen/autocast_mode.h>
#include <algorithm>
#include <cmath>
#include <numbers>

namespace glionode::networks {

namespace {
constexpr double kWeightDecay = 0.01;
constexpr double kLargestGradient = 5.0;

/// bfloat16 where Torch thinks it safe, until the end of the scope; weights and optimiser stay fp32, and its range
/// needs no scaling of the loss. Only on CUDA: CPUs without hardware for it are slower with it.
class MixedPrecision {
 public:
  explicit MixedPrecision(bool on) : on_(on) {
    if (!on_) return;
    at::autocast::set_autocast_gpu_dtype(torch::kBFloat16);
    at::autocast::set_enabled(true);
  }
  ~MixedPrecision() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_enabled(false);
  }
  MixedPrecision(const MixedPrecision&) = delete;
  MixedPrecision& operator=(const MixedPrecision&) = delete;

 private:
  bool on_;
};

int ClassOf(const TensorCase& one) { return one.label == "necrosis" ? kNecrosisIndex : kRecurrenceIndex; }
}  // namespace

Trainer::Trainer(const std::vector<TensorCase>& cases, std::vector<int> members, const BundleInfo& info,
                 const TrainingOptions& options, torch::Device device, std::uint64_t seed)
    : cases_(cases),
      members_(std::move(members)),
      channels_(static_cast<std::int64_t>(info.network.sequences.size())),
      shape_(info.shape),
      centred_on_lesion_(info.centre == "lesion"),
      options_(options),
      device_(device),
      seed_(seed) {
  torch::manual_seed(DeriveSeed(seed_, 1) >> 1);
  network_ = MakeNetwork(info.network);
  if (!options_.init.empty()) LoadStartingWeights(*network_, info.network, options_.init, options_.init_layout);
  // oneDNN's own layout is channels last: without this, every step converts activations and weights back and forth.
  for (auto& parameter : network_->parameters())
    if (parameter.dim() == 5) parameter.set_data(parameter.data().contiguous(torch::MemoryFormat::ChannelsLast3d));
  network_->to(device_);
  optimiser_ = std::make_unique<torch::optim::AdamW>(
      network_->parameters(), torch::optim::AdamWOptions(options_.learning_rate).weight_decay(kWeightDecay));
  double counts[kClasses] = {0, 0};
  for (const int index : members_) counts[ClassOf(cases_[static_cast<std::size_t>(index)])] += 1;
  if (options_.balance == "sampling") return;  // both classes are drawn equally often
  for (int c = 0; c < kClasses; ++c)
    class_weight_[c] = static_cast<double>(members_.size()) / (kClasses * std::max(1.0, counts[c]));
}

torch::Tensor Trainer::Input(int index) const {
  const auto values =
      ReadTensorFile(cases_[static_cast<std::size_t>(index)].tensor_file, channels_ * shape_ * shape_ * shape_);
  return torch::from_blob(const_cast<float*>(values.data()), {channels_, shape_, shape_, shape_}).clone();
}

void Trainer::SetLearningRate(double rate) {
  for (auto& group : optimiser_->param_groups()) static_cast<torch::optim::AdamWOptions&>(group.options()).lr(rate);
}

torch::Tensor Trainer::Loss(const torch::Tensor& logits, const torch::Tensor& target,
                            const torch::Tensor& weights) const {
  const auto log_p = torch::log_softmax(logits.to(torch::kFloat), 1).gather(1, target.unsqueeze(1)).squeeze(1);
  auto loss = -log_p * weights;
  if (options_.loss == "focal") loss = loss * (1 - log_p.exp()).pow(options_.focal_gamma);
  return loss.mean();
}

EpochFigures Trainer::RunEpoch(int epoch, const std::function<void(int, int, double)>& on_step) {
  network_->train();
  SplitMix64 random(DeriveSeed(seed_, 2, epoch));
  std::vector<bool> necrosis;
  for (const int index : members_)
    necrosis.push_back(ClassOf(cases_[static_cast<std::size_t>(index)]) == kNecrosisIndex);
  const std::vector<int> order = CaseOrder(members_, necrosis, options_.balance == "sampling", random);
  const Augmentation augmentation = AugmentationFromText(options_.augmentation);
  EpochFigures figures;
  std::vector<double> scores[kClasses];
  const auto batch = static_cast<std::size_t>(options_.batch);
  // A rest of one case has no spread for the normalisation to use; it is left out of this epoch.
  std::size_t steps = (order.size() + batch - 1) / batch;
  if (steps > 1 && order.size() % batch == 1) --steps;
  const double total = static_cast<double>(steps) * options_.epochs, rise = std::max(1.0, 0.1 * total);
  for (std::size_t step = 0; step < steps; ++step) {
    const double at = static_cast<double>(steps) * epoch + static_cast<double>(step);
    const double along = (at - rise) / std::max(1.0, total - rise);
    figures.learning_rate =
        options_.learning_rate *
        (at < rise ? (at + 1) / rise : 0.01 + 0.99 * 0.5 * (1 + std::cos(std::numbers::pi * along)));
    SetLearningRate(figures.learning_rate);
    std::vector<torch::Tensor> inputs;
    std::vector<std::int64_t> labels;
    std::vector<float> weights;
    for (std::size_t i = step * batch; i < std::min(order.size(), (step + 1) * batch); ++i) {
      const bool turns = centred_on_lesion_ && augmentation != Augmentation::kNone;
      inputs.push_back(Augment(turns ? TurnAnyWay(Input(order[i]), random) : Input(order[i]), augmentation, random));
      labels.push_back(ClassOf(cases_[static_cast<std::size_t>(order[i])]));
      weights.push_back(static_cast<float>(class_weight_[labels.back()]));
    }
    const auto input = torch::stack(inputs).contiguous(torch::MemoryFormat::ChannelsLast3d).to(device_);
    const auto target = torch::tensor(labels, torch::kLong).to(device_);
    optimiser_->zero_grad();
    torch::Tensor logits;
    {
      const MixedPrecision mixed(options_.precision == "mixed" && device_.is_cuda());
      logits = network_->forward(input);
    }
    const auto loss = Loss(logits, target, torch::tensor(weights).to(device_));
    const double value = loss.item<double>();
    if (!std::isfinite(value))
      throw Error(ErrorCode::kInternal, "training: the loss is no longer finite in epoch " + std::to_string(epoch + 1) +
                                            "; try a smaller learning rate");
    loss.backward();
    torch::nn::utils::clip_grad_norm_(network_->parameters(), kLargestGradient);
    optimiser_->step();
    const auto seen = logits.detach().to(torch::kCPU, torch::kDouble);
    for (std::size_t i = 0; i < labels.size(); ++i)
      scores[labels[i]].push_back(
          (seen[static_cast<std::int64_t>(i)][kNecrosisIndex] - seen[static_cast<std::int64_t>(i)][kRecurrenceIndex])
              .item<double>());
    figures.loss += value / static_cast<double>(steps);
    on_step(static_cast<int>(step) + 1, static_cast<int>(steps), value);
  }
  figures.auc = Auc(scores[kNecrosisIndex], scores[kRecurrenceIndex]);
  return figures;
}

void Trainer::Finish() {
  RoundToStored(*network_);
  network_->eval();
}

std::vector<double> Trainer::Logits(const std::vector<int>& members) {
  torch::NoGradGuard no_grad;
  network_->eval();
  std::vector<double> logits;
  for (const int index : members) {
    const auto input = Input(index).unsqueeze(0).contiguous(torch::MemoryFormat::ChannelsLast3d).to(device_);
    const auto output = network_->forward(input).to(torch::kCPU, torch::kDouble)[0];
    logits.push_back((output[kNecrosisIndex] - output[kRecurrenceIndex]).item<double>());
  }
  return logits;
}

std::vector<CaseLook> Trainer::Looks(const std::vector<int>& members) {
  torch::NoGradGuard no_grad;
  network_->eval();
  std::vector<CaseLook> looks;
  for (const int index : members) {
    const auto input = Input(index);
    const auto batch = input.unsqueeze(0).contiguous(torch::MemoryFormat::ChannelsLast3d).to(device_);
    looks.push_back({PooledFeatures(network_->Features(batch).mean({2, 3, 4})), InputStatistics(input)});
  }
  return looks;
}

void Trainer::Save(torch::serialize::OutputArchive& archive) const {
  torch::serialize::OutputArchive network, optimiser;
  network_->save(network);
  optimiser_->save(optimiser);
  archive.write("network", network);
  archive.write("optimiser", optimiser);
}

void Trainer::Load(torch::serialize::InputArchive& archive) {
  torch::serialize::InputArchive network, optimiser;
  archive.read("network", network);
  archive.read("optimiser", optimiser);
  network_->load(network);
  optimiser_->load(optimiser);
}

}  // namespace glionode::networks
