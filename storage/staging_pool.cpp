#include "storage/staging_pool.h"

#include "config/error.h"
#include "config/log.h"
#include "storage/file_sync.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace glionode::storage {
namespace {

constexpr int kAtOnce = 8;  ///< for who finds nothing ready

}  // namespace

StagingPool::StagingPool(std::filesystem::path folder, int ready)
    : folder_(std::move(folder)), most_(static_cast<std::size_t>(ready)), thread_([this] { Run(); }) {}

StagingPool::~StagingPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
  for (const auto& file : ready_) unlink(file.c_str());
}

std::filesystem::path StagingPool::Take() {
  std::unique_lock lock(mutex_);
  if (ready_.empty()) {
    // The first one, or a flood that is faster than the thread.
    lock.unlock();
    std::deque<std::filesystem::path> made = Make(kAtOnce);
    lock.lock();
    ready_.insert(ready_.end(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
  }
  std::filesystem::path file = std::move(ready_.front());
  ready_.pop_front();
  if (ready_.size() <= most_ / 2) {
    wanted_ = true;
    wake_.notify_one();
  }
  return file;
}

void StagingPool::Run() {
  std::unique_lock lock(mutex_);
  bool told = false;
  while (true) {
    // Nothing is made before the first is taken: a node that receives nothing holds no such files.
    wake_.wait(lock, [this] { return wanted_ || stopping_; });
    if (stopping_) return;
    wanted_ = false;
    const auto missing = static_cast<int>(most_ - std::min(most_, ready_.size()));
    lock.unlock();
    std::deque<std::filesystem::path> made;
    try {
      made = Make(missing);
      told = false;
    } catch (const Error& error) {
      // Who takes one hears of it too; a full disk is one message, not many.
      if (!std::exchange(told, true)) LogError("storage", std::string("no files can be made ahead: ") + error.what());
    }
    lock.lock();
    ready_.insert(ready_.end(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
  }
}

std::deque<std::filesystem::path> StagingPool::Make(int count) {
  const std::lock_guard turn(making_);
  std::deque<std::filesystem::path> made;
  try {
    for (int i = 0; i < count; ++i) {
      const auto file = folder_ / ("in-" + std::to_string(++made_) + ".part");
      const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
      if (fd < 0) throw FileError(errno, "open", file);
      close(fd);
      made.push_back(file);
    }
    SyncPath(folder_);
  } catch (...) {
    for (const auto& file : made) unlink(file.c_str());
    throw;
  }
  return made;
}

}  // namespace glionode::storage
