#pragma once
#include "storage/inventory.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace glionode::server {

struct VerifyProgress {
  bool running = false, ended = false;  ///< ended: the last one went to its end
  std::int64_t checked = 0, total = 0;  ///< files
  std::int64_t bad = 0;                 ///< missing, unreadable or with other bytes
  std::vector<std::string> problems;    ///< "FILE: what", the first thousand
};

/// Reads every file that the index names and compares its hash: instances by their data set, results by the whole file.
/// Threads: any. One run at a time, in a thread of its own, without locks on the index: the node goes on.
class Verifier {
 public:
  Verifier(std::filesystem::path root, storage::Database& database);
  ~Verifier();  ///< Stop()
  /// False: one is running.
  bool Start();
  void Stop();
  VerifyProgress Progress() const;

 private:
  void Run();
  void Check(const storage::StoredFile& file, bool is_instance);

  const std::filesystem::path root_;
  storage::Inventory inventory_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  ///< of progress_
  VerifyProgress progress_;
  std::thread thread_;
};

}  // namespace glionode::server
