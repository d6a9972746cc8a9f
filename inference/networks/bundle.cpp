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

BundleInfo ReadBundle(const std::filesystem::path& folder) {
  const auto json_file = folder / "bundle.json", weights_file = folder / "weights.safetensors";
  BundleInfo info = ParseBundleJson(ReadWholeFile(json_file, kMaxJson), json_file.string());
  const std::string found = Sha256Hex(ReadWholeFile(weights_file, kMaxWeights));
  if (found != info.weights_sha256)
    throw Error(ErrorCode::kBadDataset, json_file.string() + ": weights_sha256: " + weights_file.string() + " has " +
                                            found + ", the bundle says " + info.weights_sha256);
  return info;
}

void WriteBundle(const std::filesystem::path& folder, const BundleInfo& info) {
  WriteFileAtomically(folder / "bundle.json", EncodeBundleJson(info));
}

std::string BundleSha256(const std::filesystem::path& folder) {
  Sha256 hash;
  hash.Update(ReadWholeFile(folder / "bundle.json", kMaxJson));
  hash.Update(ReadWholeFile(folder / "weights.safetensors", kMaxWeights));
  return hash.HexDigest();
}

std::string PatientHash(const std::string& salt, const std::string& patient) {
  return Sha256Hex(salt + "\n" + patient);
}

}  // namespace glionode::networks
