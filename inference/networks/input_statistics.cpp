#include "inference/networks/domain.h"

#include <cmath>

namespace glionode::networks {

namespace {
constexpr double kQuantiles[] = {0.02, 0.10, 0.25, 0.50, 0.75, 0.90, 0.98};
constexpr const char* kQuantileNames[] = {"darkest parts", "dark parts",   "lower quarter",  "middle brightness",
                                          "upper quarter", "bright parts", "brightest parts"};

/// Mean absolute step from voxel to voxel along one axis, where both lie in the head.
double Roughness(const torch::Tensor& values, const torch::Tensor& head, int axis) {
  const auto n = values.size(axis) - 1;
  const auto both = head.narrow(axis, 0, n) & head.narrow(axis, 1, n);
  const double count = both.sum().item<double>();
  if (count == 0) return 0;
  const auto step = (values.narrow(axis, 1, n) - values.narrow(axis, 0, n)).abs();
  return (step * both).sum(torch::kDouble).item<double>() / count;
}
}  // namespace

std::vector<std::string> InputStatisticNames(const std::vector<std::string>& channels) {
  std::vector<std::string> names;
  for (const auto& channel : channels) {
    for (const char* name : kQuantileNames) names.push_back(channel + ": " + name);
    names.push_back(channel + ": detail within slices");
    names.push_back(channel + ": detail across slices");
  }
  for (std::size_t a = 0; a < channels.size(); ++a)
    for (std::size_t b = a + 1; b < channels.size(); ++b)
      names.push_back(channels[a] + " and " + channels[b] + ": likeness");
  names.emplace_back("share of head in the field");
  return names;
}

std::vector<double> InputStatistics(const torch::Tensor& input) {
  torch::NoGradGuard no_grad;
  const auto head = (input != 0).any(0);
  const auto inside = input.flatten(1).index_select(1, head.flatten().nonzero().flatten());  // [channel][voxel]
  const auto voxels = inside.size(1);
  std::vector<double> statistics;
  for (std::int64_t c = 0; c < input.size(0); ++c) {
    const auto sorted = voxels ? std::get<0>(inside[c].sort()) : torch::zeros({1});
    for (const double q : kQuantiles)
      statistics.push_back(sorted[std::llround(q * static_cast<double>(sorted.size(0) - 1))].item<double>());
    statistics.push_back(Roughness(input[c], head, 1) + Roughness(input[c], head, 2));
    statistics.push_back(Roughness(input[c], head, 0));
  }
  const auto centred = inside.to(torch::kDouble) - inside.to(torch::kDouble).mean(1, true);
  for (std::int64_t a = 0; a < input.size(0); ++a)
    for (std::int64_t b = a + 1; b < input.size(0); ++b) {
      const double square =
          (centred[a] * centred[a]).sum().item<double>() * (centred[b] * centred[b]).sum().item<double>();
      statistics.push_back(voxels && square > 0 ? (centred[a] * centred[b]).sum().item<double>() / std::sqrt(square)
                                                : 0);
    }
  statistics.push_back(static_cast<double>(voxels) / static_cast<double>(head.numel()));
  return statistics;
}

}  // namespace glionode::networks
