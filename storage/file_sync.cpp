#include "storage/file_sync.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace glionode::storage {

Error FileError(int errno_value, const std::string& what, const std::filesystem::path& path) {
  const bool full = errno_value == ENOSPC || errno_value == EDQUOT;
  return Error(full ? ErrorCode::kOutOfSpace : ErrorCode::kInternal,
               what + " failed on " + path.string() + ": " + std::generic_category().message(errno_value));
}

void SyncPath(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw FileError(errno, "open", path);
  const int failed = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (failed != 0) throw FileError(failed, "fsync", path);
}

bool RenameWithoutReplacing(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno != EINVAL && errno != ENOSYS) throw FileError(errno, "rename to " + to.string(), from);
  // A file system without RENAME_NOREPLACE (NFS, some FUSE): a hard link does not replace either. A folder cannot be
  // linked, but rename refuses a target folder that holds something.
  struct stat status {};
  if (stat(from.c_str(), &status) != 0) throw FileError(errno, "stat", from);
  const bool folder = S_ISDIR(status.st_mode);
  if ((folder ? rename(from.c_str(), to.c_str()) : link(from.c_str(), to.c_str())) != 0) {
    if (errno == EEXIST || errno == ENOTEMPTY) return false;
    throw FileError(errno, "rename to " + to.string(), from);
  }
  if (!folder) unlink(from.c_str());
  return true;
}

bool LinkWithoutReplacing(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (link(from.c_str(), to.c_str()) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) return RenameWithoutReplacing(from, to);
  throw FileError(errno, "link to " + to.string(), from);
}

void MakeFolder(const std::filesystem::path& path) {
  if (mkdir(path.c_str(), 0750) == 0) return;
  const int failed = errno;
  struct stat status {};
  if (failed == EEXIST && stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return;
  throw FileError(failed, "mkdir", path);
}

std::string RandomUuid() {
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw Error(ErrorCode::kInternal, "the system gave no random numbers");
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);  // variant of RFC 4122
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", bytes[i]);
    text += hex;
  }
  return text;
}

}  // namespace glionode::storage
