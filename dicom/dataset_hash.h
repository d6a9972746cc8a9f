#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

namespace glionode::dicom {

/// SHA-256 with the processor's instructions (OpenSSL's, not config/sha256.h: every received byte passes here).
/// Threads: one object per thread.
class DatasetHash {
 public:
  /// Throws Error{kInternal}.
  DatasetHash();
  ~DatasetHash();
  void Update(const void* data, std::size_t size);
  /// Lower-case hex of all that was given. Once, last.
  std::string HexDigest();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// SHA-256 of a stored file's data set (all behind the file meta information, PS3.10 7.1): the same value that the
/// receiver takes while the bytes arrive. Throws Error{kBadDataset} if the file has no readable meta information.
std::string DatasetSha256(const std::filesystem::path& file);

}  // namespace glionode::dicom
