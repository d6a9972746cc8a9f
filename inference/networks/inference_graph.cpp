#include "inference/networks/inference_graph.h"

#include "inference/networks/network.h"

#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

namespace glionode::networks {

namespace {
std::string List(const torch::ExpandingArray<3>& values) {
  std::string text;
  for (const auto value : *values) text.append(text.empty() ? "[" : ", ").append(std::to_string(value));
  return text + "]";
}
}  // namespace

std::string GraphWriter::Assign(const std::string& expression) {
  std::string name = "v";
  name += std::to_string(values_++);
  source_ += "  " + name + " = " + expression + "\n";
  return name;
}

std::string GraphWriter::Convolution(const std::string& input, torch::nn::Conv3d conv, torch::nn::BatchNorm3d norm) {
  torch::NoGradGuard no_grad;
  const auto scale =
      norm->weight.to(torch::kDouble) / torch::sqrt(norm->running_var.to(torch::kDouble) + norm->options.eps());
  const auto weight = conv->weight.to(torch::kDouble) * scale.view({-1, 1, 1, 1, 1});
  auto bias = norm->bias.to(torch::kDouble) - norm->running_mean.to(torch::kDouble) * scale;
  if (conv->bias.defined()) bias = bias + conv->bias.to(torch::kDouble) * scale;
  const std::string index = std::to_string(constants_.size() / 2);
  constants_.push_back(weight.to(torch::kFloat).cpu().contiguous());
  constants_.push_back(bias.to(torch::kFloat).cpu().contiguous());
  const auto& options = conv->options;
  // Found by its argument: LibTorch 1.13 has its own variant, 2.x the standard one.
  const auto padding = get<torch::ExpandingArray<3>>(options.padding());
  return Assign("torch.conv3d(" + input + ", self.weight" + index + ", self.bias" + index + ", " +
                List(options.stride()) + ", " + List(padding) + ", " + List(options.dilation()) + ", 1)");
}

std::string GraphWriter::Relu(const std::string& input) { return Assign("torch.relu(" + input + ")"); }
std::string GraphWriter::Add(const std::string& left, const std::string& right) { return Assign(left + " + " + right); }
std::string GraphWriter::MaxPool(const std::string& input, int kernel, int stride, int padding) {
  const auto cube = [](int n) {
    const std::string s = std::to_string(n);
    return "[" + s + ", " + s + ", " + s + "]";
  };
  return Assign("torch.max_pool3d(" + input + ", " + cube(kernel) + ", " + cube(stride) + ", " + cube(padding) + ")");
}
std::string GraphWriter::Channels(const std::string& input, int first, int count) {
  return Assign("torch.narrow(" + input + ", 1, " + std::to_string(first) + ", " + std::to_string(count) + ")");
}
std::string GraphWriter::Concatenate(const std::vector<std::string>& inputs) {
  std::string list;
  for (const auto& input : inputs) list += (list.empty() ? "" : ", ") + input;
  return Assign("torch.cat([" + list + "], 1)");
}

struct InferenceGraph::Impl {
  torch::jit::Module module{"inference"};
};

InferenceGraph::InferenceGraph(Network& network) : impl_(std::make_unique<Impl>()) {
  GraphWriter writer;
  const std::string result = network.Describe(writer, "x");
  torch::jit::Module module("network");
  for (std::size_t i = 0; i < writer.Constants().size(); ++i)
    module.register_parameter(std::string(i % 2 ? "bias" : "weight").append(std::to_string(i / 2)),
                              writer.Constants()[i], false);
  module.define("def forward(self, x):\n" + writer.Source() + "  return " + result + "\n");
  module.eval();
  auto frozen = torch::jit::freeze(module);  // both functions want an lvalue
  impl_->module = torch::jit::optimize_for_inference(frozen);
}
InferenceGraph::~InferenceGraph() = default;
InferenceGraph::InferenceGraph(InferenceGraph&&) noexcept = default;

torch::Tensor InferenceGraph::Features(const torch::Tensor& input) {
  // Without this, the first calls run a profiled graph and later ones an optimised one: the same input must give the
  // same bits at every call.
  torch::jit::GraphOptimizerEnabledGuard no_reoptimisation(false);
  return impl_->module.forward({input}).toTensor();
}

}  // namespace glionode::networks
