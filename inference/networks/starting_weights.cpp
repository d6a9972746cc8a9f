#include "inference/networks/starting_weights.h"

#include "config/error.h"
#include "config/sha256.h"
#include "inference/networks/file_io.h"
#include "inference/networks/network.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace glionode::networks {

namespace {
constexpr std::uint64_t kMaxFile = std::uint64_t{2} << 30;
constexpr const char* kClassOrder = "recurrence,necrosis";
constexpr const char* kOtherOrder = "necrosis,recurrence";

/// The question does not fit the file: told as wrong usage.
[[noreturn]] void Refuse(const std::filesystem::path& file, const std::string& reason) {
  throw Error(ErrorCode::kUsage, file.string() + ": " + reason);
}

/// The file is broken.
[[noreturn]] void Damaged(const std::filesystem::path& file, const std::string& name, const std::string& reason) {
  throw Error(ErrorCode::kBadDataset, file.string() + ": " + name + ": " + reason);
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const auto extent : shape) text.append(text.empty() ? "" : "x").append(std::to_string(extent));
  return text;
}

struct Source {
  std::map<std::string, SafeTensor> tensors;  ///< without prefix
  std::map<std::string, std::string> metadata;
  std::string sha256;
};

Source Read(const std::filesystem::path& file) {
  const std::string bytes = ReadWholeFile(file, kMaxFile);
  Source source;
  source.metadata = ParseSafetensorsMetadata(bytes, file.string());
  source.sha256 = Sha256Hex(bytes);
  for (auto& [name, tensor] : ParseSafetensors(bytes, file.string())) {
    const std::string plain = name.starts_with("module.") ? name.substr(7) : name;
    if (!source.tensors.emplace(plain, std::move(tensor)).second)
      Damaged(file, plain, "stands there with and without \"module.\"");
  }
  return source;
}

std::string Metadata(const Source& source, const std::string& key) {
  const auto found = source.metadata.find(key);
  return found == source.metadata.end() ? "" : found->second;
}

void CheckStructure(const std::filesystem::path& file, const NetworkSpec& spec, const Source& source,
                    const std::string& layout_word) {
  if (spec.type != "resnet10") Refuse(file, "starting weights fit resnet10 only, not " + spec.type);
  const std::string said = Metadata(source, "layout");
  if (!said.empty() && !layout_word.empty() && said != layout_word)
    Refuse(file, "its metadata says layout " + said + ", not " + layout_word);
  const std::string layout = said.empty() ? layout_word : said;
  if (layout.empty())
    Refuse(file,
           "nothing says whether its stages 3 and 4 are dilated (MedicalNet) or strided (MONAI), and the shapes "
           "are the same; name it with --init-layout, or write layout and stem_stride into the file's metadata "
           "(docs/training.md)");
  if (layout != spec.layout)
    Refuse(file, "its weights were learned with layout " + layout + ", the network to be trained is " + spec.layout +
                     "; train with --layout " + layout);
  const std::string stride = Metadata(source, "stem_stride");
  if (stride.empty() && layout_word.empty())
    Refuse(file,
           "its metadata says no stem_stride, and the shapes are the same for 1 (MONAI's default) and 2; write it into "
           "the file's metadata (docs/training.md), or name the layout with --init-layout, which stands for a stem of "
           "stride 2");
  if (!stride.empty() && stride != "2")
    Refuse(file, "its stem has stride " + stride + " (MONAI's default is 1); this network's has 2");
  if (!source.tensors.contains("conv1.weight")) Refuse(file, "holds no conv1.weight: these are no weights of a ResNet");
  for (int stage = 2; stage <= 4; ++stage) {
    const std::string shortcut = "layer" + std::to_string(stage) + ".0.downsample.0.weight";
    if (!source.tensors.contains(shortcut))
      Refuse(file, shortcut + " is not there: its shortcuts have no weights (type A); this network's have (type B)");
  }
  for (const auto& [name, tensor] : source.tensors)
    if (name.starts_with("layer1.1.") || name.starts_with("layer2.1."))
      Refuse(file, name + ": stages of more than one block; these are weights of a deeper ResNet than 10");
}

/// The stem for `channels` inputs: as it is, or one channel's spread over all so that equal inputs give the same
/// answer.
SafeTensor Stem(const std::filesystem::path& file, SafeTensor stem, std::int64_t channels) {
  if (stem.shape.size() != 5 || stem.shape[1] == channels) return stem;
  if (stem.shape[1] != 1)
    Damaged(file, "conv1.weight",
            "is for " + std::to_string(stem.shape[1]) + " sequences, the network has " + std::to_string(channels));
  const auto kernel = static_cast<std::size_t>(stem.shape[2] * stem.shape[3] * stem.shape[4]);
  SafeTensor spread;
  spread.shape = stem.shape;
  spread.shape[1] = channels;
  for (std::size_t out = 0; out < static_cast<std::size_t>(stem.shape[0]); ++out)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::size_t k = 0; k < kernel; ++k)
        spread.values.push_back(stem.values[out * kernel + k] / static_cast<float>(channels));
  return spread;
}

/// What was done to the stem, and what is presumed of it, for the list of what was loaded. Refuses a stem whose
/// channels are other sequences than the network's: they would meet the wrong images.
std::string StemNote(const std::filesystem::path& file, const NetworkSpec& spec, const Source& source) {
  const SafeTensor& stem = source.tensors.at("conv1.weight");
  const std::string words = SequenceWords(spec.sequences), said = Metadata(source, "sequences");
  const bool one_channel = stem.shape.size() == 5 && stem.shape[1] == 1;
  if (!said.empty() && said != words && !one_channel)
    Refuse(file, "its channels are " + said + ", the network's " + words +
                     ": every channel would be given another sequence than it was learned with");
  std::string note;
  if (one_channel && spec.sequences.size() > 1)
    note += ": one channel spread over " + std::to_string(spec.sequences.size());
  if (one_channel && !said.empty() && said != words) note += ": learned with " + said + ", not with " + words;
  if (Metadata(source, "stem_stride").empty()) note += ": stride 2 is presumed, as --init-layout stands for it";
  return "conv1.weight" + note;
}

/// A convolution and the normalisation behind it, by name.
std::vector<std::pair<std::string, std::string>> Pairs() {
  std::vector<std::pair<std::string, std::string>> pairs = {{"conv1", "bn1"}};
  for (int stage = 1; stage <= 4; ++stage) {
    const std::string block = "layer" + std::to_string(stage) + ".0.";
    pairs.emplace_back(block + "conv1", block + "bn1");
    pairs.emplace_back(block + "conv2", block + "bn2");
    if (stage > 1) pairs.emplace_back(block + "downsample.0", block + "downsample.1");
  }
  return pairs;
}

/// Takes the bias of a convolution (MONAI's shortcuts have one) into the running mean behind it: (x + b) - mean =
/// x - (mean - b).
void FoldBiases(const std::filesystem::path& file, Source& source, StartingReport& report) {
  for (const auto& [convolution, norm] : Pairs()) {
    const auto bias = source.tensors.find(convolution + ".bias");
    if (bias == source.tensors.end()) continue;
    const auto mean = source.tensors.find(norm + ".running_mean");
    if (mean == source.tensors.end())
      Damaged(file, norm + ".running_mean", "is missing, and " + bias->first + " has nothing to be folded into");
    if (mean->second.shape != bias->second.shape)
      Damaged(file, bias->first,
              "shape is " + ShapeText(bias->second.shape) + ", that of " + mean->first + ", into which it is folded, " +
                  ShapeText(mean->second.shape));
    for (std::size_t i = 0; i < bias->second.values.size(); ++i) mean->second.values[i] -= bias->second.values[i];
    report.not_loaded.push_back(bias->first + ": folded into " + mean->first);
    source.tensors.erase(bias);
  }
}

bool IsOfHead(const std::string& name) { return name.starts_with("fc."); }
bool IsOfBackbone(const std::string& name) {
  return name.starts_with("conv1.") || name.starts_with("bn1.") || name.starts_with("layer");
}

/// The head, with its rows in our order; nothing if it answers another question.
std::optional<SafeTensor> Head(const Source& source, const std::string& name) {
  const std::string classes = Metadata(source, "classes");
  SafeTensor tensor = source.tensors.at(name);
  if (classes == kClassOrder) return tensor;
  if (classes != kOtherOrder || tensor.shape.empty() || tensor.shape[0] != 2) return std::nullopt;
  const std::size_t half = tensor.values.size() / 2;
  std::rotate(tensor.values.begin(), tensor.values.begin() + static_cast<std::ptrdiff_t>(half), tensor.values.end());
  return tensor;
}
}  // namespace

StartingReport LoadStartingWeights(Network& network, const NetworkSpec& spec, const std::filesystem::path& file,
                                   const std::string& layout_word) {
  Source source = Read(file);
  CheckStructure(file, spec, source, layout_word);
  StartingReport report;
  report.sha256 = source.sha256;
  FoldBiases(file, source, report);
  const std::string stem_note = StemNote(file, spec, source);
  source.tensors["conv1.weight"] =
      Stem(file, source.tensors.at("conv1.weight"), static_cast<std::int64_t>(spec.sequences.size()));
  torch::NoGradGuard no_grad;
  std::set<std::string> used;
  const auto take = [&](const std::string& name, const torch::Tensor& value) {
    if (name.ends_with("num_batches_tracked")) return;
    const auto found = source.tensors.find(name);
    if (found == source.tensors.end()) {
      if (!IsOfHead(name)) Damaged(file, name, "is missing; only the head may start at random");
      report.fresh.push_back(name);
      return;
    }
    used.insert(name);
    SafeTensor tensor = found->second;
    if (IsOfHead(name)) {
      const auto head = Head(source, name);
      if (!head) {
        report.not_loaded.push_back(name + ": the file does not say that its classes are recurrence and necrosis");
        report.fresh.push_back(name);
        return;
      }
      tensor = *head;
    }
    if (tensor.shape != value.sizes().vec())
      Damaged(file, name,
              "shape is " + ShapeText(tensor.shape) + ", the network needs " + ShapeText(value.sizes().vec()) +
                  (spec.width == 1 ? "" : " (these weights need --width 1)"));
    if (name.ends_with("running_var") && *std::min_element(tensor.values.begin(), tensor.values.end()) < 0)
      Damaged(file, name, "a variance is below zero");
    value.copy_(torch::from_blob(tensor.values.data(), tensor.shape));
    report.loaded.push_back(name == "conv1.weight" ? stem_note : name);
  };
  for (const auto& item : network.named_parameters()) take(item.key(), item.value());
  for (const auto& item : network.named_buffers()) take(item.key(), item.value());
  for (const auto& [name, tensor] : source.tensors) {
    if (used.contains(name)) continue;
    if (IsOfBackbone(name))
      Refuse(file, name + ": the network has no such tensor, and without it the others mean something else");
    report.not_loaded.push_back(name + ": the network has no such tensor");
  }
  return report;
}

StartingReport DescribeStartingWeights(const NetworkSpec& spec, const std::filesystem::path& file,
                                       const std::string& layout_word) {
  const auto network = MakeNetwork(spec);
  return LoadStartingWeights(*network, spec, file, layout_word);
}

}  // namespace glionode::networks
