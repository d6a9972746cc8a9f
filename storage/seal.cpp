#include "storage/seal.h"

#include "config/error.h"
#include "storage/file_sync.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace glionode::storage {
namespace {

constexpr std::string_view kMagic = "GLIONODE SEAL 1";
constexpr std::size_t kPreamble = 128;  // bytes, PS3.10 7.1

}  // namespace

void SealFile(const std::filesystem::path& file, const std::string& dataset_sha256) {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) throw FileError(errno, "open", file);
  struct stat info {};
  int failed = fstat(fd, &info) == 0 ? 0 : errno;
  const std::string text =
      std::string(kMagic) + " " + std::to_string(info.st_size) + " " + dataset_sha256.substr(0, 64) + "\n";
  std::array<char, kPreamble> preamble{};
  std::memcpy(preamble.data(), text.data(), std::min(text.size(), preamble.size()));
  // The preamble and the meta information behind it lie in the first 512 bytes: a disk writes them together.
  if (failed == 0 && pwrite(fd, preamble.data(), preamble.size(), 0) != static_cast<ssize_t>(preamble.size()))
    failed = errno != 0 ? errno : EIO;
  if (failed == 0 && fdatasync(fd) != 0) failed = errno;
  close(fd);
  if (failed != 0) throw FileError(failed, "sealing", file);
}

std::optional<Seal> ReadSeal(const std::filesystem::path& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw FileError(errno, "open", file);
  std::array<char, kPreamble> preamble{};
  const ssize_t got = pread(fd, preamble.data(), preamble.size(), 0);
  const int failed = got < 0 ? errno : 0;
  close(fd);
  if (failed != 0) throw FileError(failed, "reading", file);
  if (got != static_cast<ssize_t>(preamble.size())) return std::nullopt;
  const std::string text(preamble.data(), strnlen(preamble.data(), preamble.size()));
  if (!text.starts_with(kMagic) || !text.ends_with('\n')) return std::nullopt;
  std::istringstream words(text.substr(kMagic.size()));
  Seal seal;
  if (!(words >> seal.file_bytes >> seal.dataset_sha256)) return std::nullopt;
  return seal;
}

}  // namespace glionode::storage
