#pragma once
#include "storage/file_store.h"
#include "storage/records.h"
#include "storage/study_index.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace glionode::server {

/// Gives received instances that are durable already their places and their index rows, in groups, by a thread of its
/// own: a sender need not wait for either, because the next start does it too. A group is one sync of each folder and
/// one transaction; it gathers for some milliseconds, unless somebody waits in Flush. Threads: all methods from any
/// thread.
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

  /// The row of a committed file (FileStore::CommitInstance), or of a sealed one: then `staged` names it, and it gets
  /// its place, and record.file, with its group. Waits while very many wait.
  void Push(storage::InstanceRecord record, std::filesystem::path staged = {});
  /// Waits until all that was pushed before has its place and its row; false after `limit`.
  bool Flush(std::chrono::milliseconds limit) const;

 private:
  void Run();
  struct Waiting {
    storage::InstanceRecord record;
    std::filesystem::path staged;
  };
  /// One group: its files' places, then its rows. True when it is written; else what has its place already has it in
  /// record.file.
  bool Write(std::vector<Waiting>& group);
  void Place(std::vector<Waiting>& group);

  storage::FileStore& files_;
  const storage::StudyIndex& index_;
  const WriteRows write_;
  const std::function<void()> on_written_;
  mutable std::mutex mutex_;              ///< of all that follows
  mutable std::condition_variable wake_;  ///< the thread waits here
  mutable std::condition_variable done_;  ///< all others do
  mutable int flushing_ = 0;
  std::deque<Waiting> waiting_;
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
