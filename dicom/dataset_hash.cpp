#include "dicom/dataset_hash.h"

#include "config/error.h"

#include <array>
#include <cstring>
#include <fstream>
#include <openssl/evp.h>
#include <vector>

namespace glionode::dicom {

struct DatasetHash::Impl {
  Impl() : context(EVP_MD_CTX_new()) {
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1)
      throw Error(ErrorCode::kInternal, "OpenSSL gives no SHA-256");
  }
  ~Impl() { EVP_MD_CTX_free(context); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  EVP_MD_CTX* context;
};

DatasetHash::DatasetHash() : impl_(std::make_unique<Impl>()) {}
DatasetHash::~DatasetHash() = default;

void DatasetHash::Update(const void* data, std::size_t size) { EVP_DigestUpdate(impl_->context, data, size); }

std::string DatasetHash::HexDigest() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_DigestFinal_ex(impl_->context, digest.data(), &size);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

std::string DatasetSha256(const std::filesystem::path& file) {
  // Preamble, "DICM", then (0002,0000) UL: the length of the rest of the group, always explicit little endian
  // (PS3.10 7.1).
  constexpr std::size_t kPrefix = 128 + 4 + 12;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(ErrorCode::kInternal, file.string() + ": cannot be read");
  std::array<unsigned char, kPrefix> prefix{};
  in.read(reinterpret_cast<char*>(prefix.data()), prefix.size());
  const unsigned char group_length_tag[] = {0x02, 0x00, 0x00, 0x00, 'U', 'L', 4, 0};
  if (!in || std::memcmp(&prefix[128], "DICM", 4) != 0 ||
      std::memcmp(&prefix[132], group_length_tag, sizeof group_length_tag) != 0)
    throw Error(ErrorCode::kBadDataset, file.string() + ": no DICOM file meta information");
  const std::uint32_t rest = prefix[140] | std::uint32_t{prefix[141]} << 8 | std::uint32_t{prefix[142]} << 16 |
                             std::uint32_t{prefix[143]} << 24;
  in.seekg(rest, std::ios::cur);
  DatasetHash hash;
  std::vector<char> buffer(1 << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hash.Update(buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof()) throw Error(ErrorCode::kInternal, file.string() + ": cannot be read");
  return hash.HexDigest();
}

}  // namespace glionode::dicom
