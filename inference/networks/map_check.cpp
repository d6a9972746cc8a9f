#include "inference/networks/map_check.h"

#include "inference/networks/activation_map.h"
#include "inference/networks/bundle.h"
#include "inference/networks/device.h"
#include "inference/networks/network.h"
#include "inference/networks/tensor_file.h"
#include "inference/networks/weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
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

/// Replaces the last parameters of the network (the head is last) by those of another initialisation.
void Randomise(Network& network, const NetworkSpec& spec, Redrawn part) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(kSeed);
  const auto other = MakeNetwork(spec);
  const auto mine = network.parameters(), fresh = other->parameters();
  const std::size_t first = part == Redrawn::kAll ? 0 : part == Redrawn::kLaterHalf ? mine.size() / 2 : mine.size();
  for (std::size_t i = first; i < mine.size(); ++i) mine[i].copy_(fresh[i]);
  network.fc->weight.copy_(other->fc->weight);
  network.fc->bias.copy_(other->fc->bias);
  if (part != Redrawn::kAll) return;
  // Running means and variances are learned too.
  const auto learned = network.buffers(), initial = other->buffers();
  for (std::size_t i = 0; i < learned.size(); ++i) learned[i].copy_(initial[i]);
}

bool Varies(const std::vector<double>& map) {
  return std::any_of(map.begin(), map.end(), [&](double value) { return value != map.front(); });
}

MapCheck::Level Compare(const char* part, const std::vector<std::vector<double>>& shown,
                        const std::vector<std::vector<double>>& redrawn) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  double sum = 0, sizes = 0;
  int compared = 0;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const double correlation = RankCorrelation(shown[i], redrawn[i]);
    if (!std::isfinite(correlation)) continue;
    sum += correlation, sizes += std::abs(correlation);
    ++compared;
  }
  return {part, compared ? sum / compared : kNan, compared ? sizes / compared : kNan};
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
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<std::vector<double>> EvidenceMaps(const std::filesystem::path& bundle,
                                              const std::vector<std::filesystem::path>& tensor_files, Redrawn part,
                                              int threads) {
  return WithTorchErrors("the check of the activation map", [&] {
    PrepareTorch(threads);
    torch::NoGradGuard no_grad;
    const BundleInfo info = ReadBundle(bundle);
    const auto channels = static_cast<std::int64_t>(info.network.sequences.size()),
               n = static_cast<std::int64_t>(info.shape);
    const auto network = MakeNetwork(info.network);
    LoadWeights(*network, ReadSafetensors(bundle / "weights.safetensors"), bundle.string());
    if (part != Redrawn::kNothing) Randomise(*network, info.network, part);
    network->eval();
    std::vector<std::vector<double>> maps;
    maps.reserve(tensor_files.size());
    for (const auto& file : tensor_files) {
      auto values = ReadTensorFile(file, channels * n * n * n);
      maps.push_back(MapOf(*network, torch::from_blob(values.data(), {1, channels, n, n, n})));
    }
    return maps;
  });
}

MapCheck CheckMap(const std::filesystem::path& bundle, const std::vector<std::filesystem::path>& tensor_files,
                  int threads) {
  MapCheck check;
  if (tensor_files.empty()) return check;
  const auto shown = EvidenceMaps(bundle, tensor_files, Redrawn::kNothing, threads);
  check.cases = static_cast<int>(shown.size());
  for (const auto& map : shown) check.constant += !Varies(map);
  struct Level {
    const char* text;
    Redrawn part;
  };
  constexpr Level kLevels[] = {{"the head", Redrawn::kHead},
                               {"the head and the later half of the layers", Redrawn::kLaterHalf},
                               {"all", Redrawn::kAll}};
  for (const Level& level : kLevels)
    check.levels.push_back(Compare(level.text, shown, EvidenceMaps(bundle, tensor_files, level.part, threads)));
  return check;
}

}  // namespace glionode::networks
