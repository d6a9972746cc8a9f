#include "inference/networks/weights.h"

#include "config/error.h"
#include "inference/networks/domain.h"

namespace glionode::networks {

namespace {
bool Stored(const std::string& name) { return !name.ends_with("num_batches_tracked"); }

template <typename Visit>
void ForEachTensor(const Network& network, Visit visit) {
  for (const auto& item : network.named_parameters()) visit(item.key(), item.value());
  for (const auto& item : network.named_buffers())
    if (Stored(item.key())) visit(item.key(), item.value());
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const auto extent : shape) text.append(text.empty() ? "" : "x").append(std::to_string(extent));
  return text.empty() ? "scalar" : text;
}
}  // namespace

std::map<std::string, SafeTensor> WeightsOf(const Network& network) {
  std::map<std::string, SafeTensor> tensors;
  ForEachTensor(network, [&](const std::string& name, const torch::Tensor& value) {
    const auto dense = value.detach().to(torch::kCPU, torch::kFloat).contiguous();
    SafeTensor& tensor = tensors[name];
    tensor.shape = dense.sizes().vec();
    tensor.half = dense.dim() >= 2;
    tensor.values.assign(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  });
  return tensors;
}

void RoundToStored(Network& network) {
  torch::NoGradGuard no_grad;
  ForEachTensor(network, [](const std::string&, const torch::Tensor& value) {
    if (value.dim() >= 2) value.copy_(value.to(torch::kHalf).to(torch::kFloat));
  });
}

void LoadWeights(Network& network, const std::map<std::string, SafeTensor>& tensors, const std::string& file) {
  torch::NoGradGuard no_grad;
  std::size_t used = 0;
  std::map<std::string, bool> known;
  ForEachTensor(network, [&](const std::string& name, const torch::Tensor& value) {
    known[name] = true;
    const auto found = tensors.find(name);
    if (found == tensors.end())
      throw Error(ErrorCode::kBadDataset, file + ": " + name + ": this tensor of the network is missing");
    if (found->second.shape != value.sizes().vec())
      throw Error(ErrorCode::kBadDataset, file + ": " + name + ": shape is " + ShapeText(found->second.shape) +
                                              ", the network needs " + ShapeText(value.sizes().vec()));
    value.copy_(torch::from_blob(const_cast<float*>(found->second.values.data()), found->second.shape));
    if (name.ends_with("running_var") && value.min().item<float>() < 0)
      throw Error(ErrorCode::kBadDataset, file + ": " + name + ": a variance is below zero");
    ++used;
  });
  if (used == tensors.size()) return;
  for (const auto& [name, tensor] : tensors)
    if (!known.contains(name) && !name.starts_with(Domain::kTensorPrefix))
      throw Error(ErrorCode::kBadDataset, file + ": " + name + ": the network has no such tensor");
}

}  // namespace glionode::networks
