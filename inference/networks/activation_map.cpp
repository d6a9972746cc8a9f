#include "inference/networks/activation_map.h"

#include "inference/networks/network.h"

namespace glionode::networks {

torch::Tensor EvidenceMap(const torch::Tensor& features, torch::nn::Linear head, int index) {
  const auto weight = head->weight.detach().to(features.device(), torch::kDouble);
  const auto bias = head->bias.detach().to(features.device(), torch::kDouble);
  const int other = 1 - index;
  const auto difference = weight[index] - weight[other];
  const auto map = (features[0].to(torch::kDouble) * difference.view({-1, 1, 1, 1})).sum(0);
  return (map + (bias[index] - bias[other])).cpu().contiguous();
}

std::vector<float> ScaledMap(const torch::Tensor& evidence) {
  auto map = evidence.clamp_min(0);
  const double largest = map.max().item<double>();
  if (largest > 0) map = map / largest;
  map = map.to(torch::kFloat).contiguous();
  return {map.data_ptr<float>(), map.data_ptr<float>() + map.numel()};
}

}  // namespace glionode::networks
