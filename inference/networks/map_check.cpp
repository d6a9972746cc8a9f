#include "inference/networks/map_check.h"

#include "inference/networks/activation_map.h"
#include "inference/networks/bundle.h"
#include "inference/networks/device.h"
#include "inference/networks/network.h"
#include "inference/networks/tensor_file.h"
#include "inference/networks/weights.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace glionode::networks {

namespace {
constexpr std::uint64_t kSeed = 4711;

std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (std::size_t k = i; k < end; ++k) ranks[order[k]] = 0.5 * static_cast<double>(i + end - 1);
    i = end;
  }
  return ranks;
}

std::vector<double> MapOf(Network& network, const torch::Tensor& input) {
  const auto map = EvidenceMap(network.Features(input), network.fc, kNecrosisIndex).contiguous();
  return {map.data_ptr<double>(), map.data_ptr<double>() + map.numel()};
}

/// Replaces the last `share` of the network's parameters (the head is last) by those of another initialisation.
void Randomise(Network& network, const NetworkSpec& spec, double share) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(kSeed);
  const auto other = MakeNetwork(spec);
  const auto mine = network.parameters(), fresh = other->parameters();
  const auto first = static_cast<std::size_t>(std::floor(static_cast<double>(mine.size()) * (1 - share)));
  for (std::size_t i = first; i < mine.size(); ++i) mine[i].copy_(fresh[i]);
  network.fc->weight.copy_(other->fc->weight);
  network.fc->bias.copy_(other->fc->bias);
}
}  // namespace

double RankCorrelation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto x = Ranks(a), y = Ranks(b);
  const double mean = 0.5 * (static_cast<double>(a.size()) - 1);
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

MapCheck CheckMap(const std::filesystem::path& bundle, const std::vector<std::filesystem::path>& tensor_files,
                  int threads) {
  MapCheck check;
  if (tensor_files.empty()) return check;
  return WithTorchErrors("the check of the activation map", [&] {
    PrepareTorch(threads);
    torch::NoGradGuard no_grad;
    const BundleInfo info = ReadBundle(bundle);
    const auto weights = ReadSafetensors(bundle / "weights.safetensors");
    const auto channels = static_cast<std::int64_t>(info.network.sequences.size()),
               n = static_cast<std::int64_t>(info.shape);
    struct Level {
      const char* text;
      double share;
    };
    constexpr Level kLevels[] = {{"the head", 0}, {"the head and the later half of the layers", 0.5}, {"all", 1}};
    std::vector<std::vector<double>> shown;
    std::vector<torch::Tensor> inputs;
    const auto network = [&](double share, bool randomise) {
      auto made = MakeNetwork(info.network);
      LoadWeights(*made, weights, bundle.string());
      if (randomise) Randomise(*made, info.network, share);
      made->eval();
      return made;
    };
    const auto trained = network(0, false);
    for (const auto& file : tensor_files) {
      auto values = ReadTensorFile(file, channels * n * n * n);
      inputs.push_back(torch::from_blob(values.data(), {1, channels, n, n, n}).clone());
      shown.push_back(MapOf(*trained, inputs.back()));
    }
    check.cases = static_cast<int>(inputs.size());
    for (const Level& level : kLevels) {
      const auto random = network(level.share, true);
      double sum = 0;
      for (std::size_t i = 0; i < inputs.size(); ++i) sum += RankCorrelation(shown[i], MapOf(*random, inputs[i]));
      check.levels.push_back({level.text, sum / static_cast<double>(inputs.size())});
    }
    return check;
  });
}

}  // namespace glionode::networks
