#pragma once
#include "inference/networks/bundle.h"
#include "inference/networks/inference_graph.h"

#include <torch/torch.h>

#include <memory>

namespace glionode::networks {

/// Index of a class in the network's output, and in every table of this folder.
inline constexpr int kRecurrenceIndex = 0;
inline constexpr int kNecrosisIndex = 1;
inline constexpr int kClasses = 2;

/// A network with a pooled linear head: logits = fc(mean over voxels of the last feature map). The class activation map
/// is exact because of that shape, so every network of this project has it. Threads: one call at a time.
class Network : public torch::nn::Module {
 public:
  /// Last feature map [n][k][z][y][x], after its ReLU, of an input [n][channel][z][y][x].
  virtual torch::Tensor Features(const torch::Tensor& input) = 0;
  /// The same computation as Features() in eval mode, with the normalisation folded into the convolutions, for the fast
  /// CPU path. Returns the name of the value that holds the feature map.
  virtual std::string Describe(GraphWriter& writer, const std::string& input) = 0;
  /// Logits [n][2]: recurrence, necrosis.
  torch::Tensor forward(const torch::Tensor& input) { return Head(Features(input)); }
  torch::Tensor Head(const torch::Tensor& features) { return fc->forward(features.mean({2, 3, 4})); }

  torch::nn::Linear fc{nullptr};
};

/// The network that `spec` describes, freshly initialised from Torch's generator. Throws Error{kUsage} for an unknown
/// type, a layout or a width that it cannot have.
std::shared_ptr<Network> MakeNetwork(const NetworkSpec& spec);

/// Number of trained values.
std::int64_t ParameterCount(const Network& network);

}  // namespace glionode::networks
