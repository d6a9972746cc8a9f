#include "inference/networks/file_io.h"

#include "config/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

namespace glionode::networks {

namespace {
[[noreturn]] void Fail(const std::filesystem::path& file, const char* doing) {
  const int code = errno;
  throw Error(code == ENOSPC || code == EDQUOT ? ErrorCode::kOutOfSpace : ErrorCode::kInternal,
              file.string() + ": " + doing + ": " + std::strerror(code));
}

/// Takes a half-written file away again: on a full disk it would hold the last free bytes.
struct Leftover {
  const std::filesystem::path& file;
  bool done = false;
  ~Leftover() {
    if (!done) ::unlink(file.c_str());
  }
};

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};
}  // namespace

std::string ReadWholeFile(const std::filesystem::path& file, std::uint64_t limit) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(file, failed))
    throw Error(ErrorCode::kMissingPart, file.string() + ": the file is not there");
  const auto size = std::filesystem::file_size(file, failed);
  if (failed) throw Error(ErrorCode::kBadDataset, file.string() + ": " + failed.message());
  if (size > limit)
    throw Error(ErrorCode::kBadDataset, file.string() + ": " + std::to_string(size) +
                                            " bytes, more than the limit of " + std::to_string(limit));
  std::string content(size, '\0');
  std::ifstream stream(file, std::ios::binary);
  if (!stream.read(content.data(), static_cast<std::streamsize>(size)))
    throw Error(ErrorCode::kBadDataset, file.string() + ": cannot be read");
  return content;
}

void WriteFileAtomically(const std::filesystem::path& file, std::string_view content) {
  // Always the same name: what a kill leaves behind is written over by the next one, instead of gathering.
  const std::filesystem::path temp = file.string() + ".tmp";
  Leftover leftover{temp};
  {
    Descriptor out{::open(temp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (out.fd < 0) Fail(temp, "cannot be created");
    while (!content.empty()) {
      const auto written = ::write(out.fd, content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) Fail(temp, "cannot be written");
      content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(out.fd) != 0) Fail(temp, "cannot be synced");
  }
  if (::rename(temp.c_str(), file.c_str()) != 0) Fail(file, "cannot be renamed into place");
  leftover.done = true;
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd < 0 || ::fsync(directory.fd) != 0) Fail(folder, "cannot be synced");
}

}  // namespace glionode::networks
