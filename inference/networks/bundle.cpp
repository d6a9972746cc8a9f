#include "inference/networks/bundle.h"

#include "config/error.h"
#include "config/sha256.h"
#include "inference/networks/bundle_json.h"
#include "inference/networks/file_io.h"

namespace glionode::networks {

namespace {
constexpr std::uint64_t kMaxJson = 64u << 20;
constexpr std::uint64_t kMaxWeights = std::uint64_t{2} << 30;
}  // namespace

BundleFiles ReadBundleFiles(const std::filesystem::path& folder) {
  const auto json_file = folder / "bundle.json", weights_file = folder / "weights.safetensors";
  const std::string json = ReadWholeFile(json_file, kMaxJson);
  BundleFiles files;
  files.info = ParseBundleJson(json, json_file.string());
  files.weights = ReadWholeFile(weights_file, kMaxWeights);
  const std::string found = Sha256Hex(files.weights);
  if (found != files.info.weights_sha256)
    throw Error(ErrorCode::kBadDataset, json_file.string() + ": weights_sha256: " + weights_file.string() + " has " +
                                            found + ", the bundle says " + files.info.weights_sha256);
  Sha256 hash;
  hash.Update(json);
  hash.Update(files.weights);
  files.sha256 = hash.HexDigest();
  return files;
}

BundleInfo ReadBundle(const std::filesystem::path& folder) { return ReadBundleFiles(folder).info; }

void WriteBundle(const std::filesystem::path& folder, const BundleInfo& info) {
  WriteFileAtomically(folder / "bundle.json", EncodeBundleJson(info));
}

std::string SequenceWords(const std::vector<Role>& sequences) {
  std::string text;
  for (const Role role : sequences) text.append(text.empty() ? "" : ",").append(ToText(role));
  return text;
}

void CheckShape(const NetworkSpec& network, int shape) {
  // The ResNets round up where they halve and always have a voxel left; VGG16 rounds down, five times.
  constexpr int kLeastVgg16 = 32;
  if (network.type == "vgg16" && shape < kLeastVgg16)
    throw Error(ErrorCode::kUsage, "vgg16 halves its input five times: an edge of " + std::to_string(shape) +
                                       " voxels leaves nothing, it needs " + std::to_string(kLeastVgg16) + " or more");
}

std::string PatientHash(const std::string& salt, const std::string& patient) {
  return Sha256Hex(salt + "\n" + patient);
}

}  // namespace glionode::networks
