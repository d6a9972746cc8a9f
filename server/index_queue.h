#pragma once
#include "storage/file_store.h"
#include "storage/records.h"
#include "storage/study_index.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace glionode::server {

/// Writes the index rows of instances whose files are durable already, in groups, by a thread of its own: a sender need
/// not wait for the index, because a file without a row gets one at the next start. A group is one transaction; it
/// gathers for some milliseconds, unless somebody waits in Flush.
/// Threads: all methods from any thread.
class IndexQueue {
 public:
  /// Writes a group whole, or throws: StudyIndex::AddReceived.
  using WriteRows = std::function<std::vector<storage::AddResult>(const std::vector<storage::InstanceRecord>&)>;
  /// All must outlive this object. `on_written` is called (from the queue's thread) after a group with a candidate.
  IndexQueue(storage::FileStore& files, const storage::StudyIndex& index, WriteRows write,
             std::function<void()> on_written);
  /// Writes what still waits, once.
  ~IndexQueue();
  IndexQueue(const IndexQueue&) = delete;
  IndexQueue& operator=(const IndexQueue&) = delete;

  /// Throws the index's error while it cannot be written: nothing more is taken then (the sender tries again later)
  /// until what waits has its rows.
  void RequireWritable() const;

  /// What a UID stands for at the moment.
  struct Known {
    std::string sha256, study_uid, from_ae;
    bool removed = false;  ///< housekeeping has removed its file
  };
  /// The newest version of a UID, waiting or written.
  std::optional<Known> Newest(const std::string& sop_instance_uid) const;

  /// The row of a committed file. Waits while very many wait.
  void Push(storage::InstanceRecord record);
  /// Waits until all that was pushed before has its row; false after `limit`.
  bool Flush(std::chrono::milliseconds limit) const;

 private:
  void Run();
  /// One group; true when it is written.
  bool Write(const std::vector<storage::InstanceRecord>& group);

  storage::FileStore& files_;
  const storage::StudyIndex& index_;
  const WriteRows write_;
  const std::function<void()> on_written_;
  mutable std::mutex mutex_;              ///< of all that follows
  mutable std::condition_variable wake_;  ///< the thread waits here
  mutable std::condition_variable done_;  ///< all others do
  mutable int flushing_ = 0;
  std::deque<storage::InstanceRecord> waiting_;
  struct Newcomer {
    Known known;
    std::uint64_t number;  ///< value of pushed_ with it
  };
  std::map<std::string, Newcomer> newest_;  ///< of the UIDs that wait
  std::uint64_t pushed_ = 0, written_ = 0;
  std::exception_ptr problem_;  ///< why the last group was not written
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace glionode::server
