#include "inference/networks/classifier.h"

#include "config/sha256.h"
#include "inference/networks/activation_map.h"
#include "inference/networks/device.h"
#include "inference/networks/domain.h"
#include "inference/networks/network.h"
#include "inference/networks/random.h"
#include "inference/networks/weights.h"

#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace glionode::networks {

namespace {
std::vector<std::string> NamesOf(const std::vector<Role>& sequences) {
  std::vector<std::string> names;
  for (const Role role : sequences)
    names.push_back(role == Role::kT1     ? "T1"
                    : role == Role::kT2   ? "T2"
                    : role == Role::kT1ce ? "contrast-enhanced T1"
                                          : std::string(ToText(role)));
  return names;
}

/// Shapes are the same for every order of the sequences and both layouts, so both files must say the same. Weights
/// without a word about it are of before such words were written.
void CheckAgreement(const BundleInfo& info, const std::map<std::string, std::string>& metadata,
                    const std::string& weights, const std::string& json) {
  const std::pair<const char*, std::string> agreed[] = {{"sequences", SequenceWords(info.network.sequences)},
                                                        {"layout", info.network.layout},
                                                        {"classes", "recurrence,necrosis"}};
  for (const auto& [key, expected] : agreed) {
    const auto said = metadata.find(key);
    if (said != metadata.end() && said->second != expected)
      throw Error(ErrorCode::kBadDataset, weights + ": " + key + ": the weights were learned with " + said->second +
                                              ", but " + json + " stands for " + expected);
  }
}
}  // namespace

class Classifier::Impl {
 public:
  Impl(const std::filesystem::path& folder, BundleFiles files, const std::string& device, int threads)
      : folder_(folder),
        info_(std::move(files.info)),
        sha256_(std::move(files.sha256)),
        device_(ChooseDevice(device)),
        threads_(threads) {
    WithTorchErrors("the network of " + folder.string() + " cannot be prepared", [&] {
      PrepareTorch(threads_);
      try {
        network_ = MakeNetwork(info_.network);
      } catch (const Error& error) {
        throw Error(ErrorCode::kBadDataset, (folder / "bundle.json").string() + ": " + error.what());
      }
      const auto weights = (folder / "weights.safetensors").string(), json = (folder / "bundle.json").string();
      CheckAgreement(info_, ParseSafetensorsMetadata(files.weights, weights), weights, json);
      auto tensors = ParseSafetensors(files.weights, weights);
      domain_ = Domain::Take(tensors, info_.domain_statistics_json, json);
      if (!domain_.Fits(network_->fc->options.in_features(), NamesOf(info_.network.sequences)))
        throw Error(ErrorCode::kBadDataset, json + ": domain_statistics: are of another network");
      LoadWeights(*network_, tensors, weights);
      network_->eval();
      if (device_.is_cpu()) {
        graph_.emplace(*network_);
      } else {
        network_->to(device_);
      }
    });
  }

  Answer Classify(const std::vector<float>& tensor) {
    const std::int64_t channels = static_cast<std::int64_t>(info_.network.sequences.size()), n = info_.shape;
    if (tensor.size() != static_cast<std::size_t>(channels * n * n * n))
      throw Error(ErrorCode::kBadDataset, "the network's input has " + std::to_string(tensor.size()) +
                                              " values; the bundle " + info_.name + " takes " +
                                              std::to_string(channels) + " x " + std::to_string(n) + "^3");
    for (std::size_t i = 0; i < tensor.size(); ++i)
      if (!std::isfinite(tensor[i]))
        throw Error(ErrorCode::kBadDataset,
                    "the network's input holds a value that is not finite at " + std::to_string(i));
    return WithTorchErrors("the network of " + folder_.string() + " failed", [&] {
      PrepareTorch(threads_);
      torch::InferenceMode guard;
      const auto input =
          torch::from_blob(const_cast<float*>(tensor.data()), {1, channels, n, n, n}, torch::kFloat).to(device_);
      const auto features = graph_ ? graph_->Features(input) : network_->Features(input);
      Answer answer = Judge(features);
      if (domain_.HasLimit()) {
        const auto verdict = domain_.Judge({PooledFeatures(features.mean({2, 3, 4})), InputStatistics(input[0].cpu())},
                                           NamesOf(info_.network.sequences));
        answer.domain_distance = verdict.distance;
        answer.domain_most = verdict.most;
      }
      return answer;
    });
  }

  std::filesystem::path folder_;
  BundleInfo info_;
  std::string sha256_;
  torch::Device device_;

 private:
  Answer Judge(const torch::Tensor& features) {
    const auto evidence = EvidenceMap(features, network_->fc, kNecrosisIndex);
    const double raw = evidence.mean().item<double>();  // the logit difference: the map is exact
    if (!std::isfinite(raw)) throw Error(ErrorCode::kInternal, "the network gave a value that is not finite");
    Answer answer;
    answer.raw_logit = raw;
    answer.logit = info_.calibration_slope * raw + info_.calibration_intercept;
    answer.probability_of_necrosis = 1.0 / (1.0 + std::exp(-answer.logit));
    const bool necrosis = answer.probability_of_necrosis >= 0.5;
    answer.map = ScaledMap(necrosis ? evidence : -evidence);
    answer.map_class = necrosis ? "necrosis" : "recurrence";
    for (int i = 0; i < 3; ++i) answer.map_size[i] = static_cast<int>(evidence.size(i));
    return answer;
  }

  int threads_;
  std::shared_ptr<Network> network_;
  std::optional<InferenceGraph> graph_;
  Domain domain_;
};

Classifier::Classifier(const std::filesystem::path& bundle_folder, const std::string& device, int threads)
    : Classifier(bundle_folder, ReadBundleFiles(bundle_folder), device, threads) {}
Classifier::Classifier(const std::filesystem::path& bundle_folder, BundleFiles files, const std::string& device,
                       int threads)
    : impl_(std::make_unique<Impl>(bundle_folder, std::move(files), device, threads)) {}
Classifier::~Classifier() = default;
Classifier::Classifier(Classifier&&) noexcept = default;

const BundleInfo& Classifier::Info() const { return impl_->info_; }
const std::string& Classifier::BundleHash() const { return impl_->sha256_; }
std::string Classifier::Device() const { return impl_->device_.str(); }
Answer Classifier::Classify(const std::vector<float>& tensor) { return impl_->Classify(tensor); }

void Classifier::SelfTest() {
  const BundleInfo& info = impl_->info_;
  const auto input = ReferenceInput(info.reference_seed, static_cast<int>(info.network.sequences.size()), info.shape);
  Sha256 hash;
  hash.Update(input.data(), input.size() * sizeof(float));
  const std::string name = (impl_->folder_ / "bundle.json").string() + ": reference: ";
  if (hash.HexDigest() != info.reference_input_sha256)
    throw Error(ErrorCode::kBadDataset, name + "input_sha256: the input made from the seed is another one");
  const Answer answer = Classify(input);
  const auto compare = [&](const char* key, double found, double stored, double tolerance) {
    if (!(std::abs(found - stored) <= tolerance))
      throw Error(ErrorCode::kBadDataset, name + key + ": the reference input gives " + std::to_string(found) +
                                              ", the bundle says " + std::to_string(stored));
  };
  compare("probability_of_necrosis", answer.probability_of_necrosis, info.reference_probability_of_necrosis, 1e-3);
  if (!std::isnan(info.reference_logit))
    compare("logit", answer.raw_logit, info.reference_logit, 5e-3 * (1 + std::abs(info.reference_logit)));
}

std::vector<float> ReferenceInput(std::uint64_t seed, int channels, int shape) {
  // Head-like, so that the answer is not saturated as it would be on white noise: zero outside a ball, inside it coarse
  // blocks with a little grain. All values are multiples of 1/256 within +-3: exact in float.
  SplitMix64 random(seed);
  constexpr int kBlocks = 8;
  std::vector<float> input;
  input.reserve(static_cast<std::size_t>(channels) * shape * shape * shape);
  std::vector<int> blocks(kBlocks * kBlocks * kBlocks);
  const auto squared = [&](int i) { return (2 * i + 1 - shape) * (2 * i + 1 - shape); };
  for (int c = 0; c < channels; ++c) {
    for (int& block : blocks) block = static_cast<int>(random.Below(1025)) - 512;
    for (int z = 0; z < shape; ++z)
      for (int y = 0; y < shape; ++y)
        for (int x = 0; x < shape; ++x) {
          const int grain = static_cast<int>(random.Below(257)) - 128;
          const int block = (z * kBlocks / shape * kBlocks + y * kBlocks / shape) * kBlocks + x * kBlocks / shape;
          const bool inside = 25 * (squared(z) + squared(y) + squared(x)) < 16 * shape * shape;
          input.push_back(inside ? static_cast<float>(blocks[static_cast<std::size_t>(block)] + grain) / 256.0f : 0.0f);
        }
  }
  return input;
}

}  // namespace glionode::networks
