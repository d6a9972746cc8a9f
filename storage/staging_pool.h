#pragma once
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace glionode::storage {

/// Empty files that wait for what is received. Making a file and its name durable costs more than writing an image into
/// it; here both happen ahead, for many files with one sync of their folder. So who has written into one of them needs
/// to sync nothing but its content.
/// Threads: any.
class StagingPool {
 public:
  /// Up to `ready` files wait in `folder`, which holds no files of another pool. Makes none yet.
  explicit StagingPool(std::filesystem::path folder, int ready = 128);
  /// Removes those that nobody took.
  ~StagingPool();
  StagingPool(const StagingPool&) = delete;
  StagingPool& operator=(const StagingPool&) = delete;

  /// An empty file whose name is durable; from now on the caller's. Throws Error with the path, kOutOfSpace for a full
  /// disk.
  std::filesystem::path Take();

 private:
  void Run();
  std::deque<std::filesystem::path> Make(int count);

  const std::filesystem::path folder_;
  const std::size_t most_;
  std::mutex making_;  ///< of made_
  std::uint64_t made_ = 0;
  std::mutex mutex_;  ///< of the three below
  std::deque<std::filesystem::path> ready_;
  bool wanted_ = false, stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;  ///< last: it uses the others
};

}  // namespace glionode::storage
