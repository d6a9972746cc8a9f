#pragma once
#include "config/clock.h"
#include "dicom/instance_sink.h"
#include "server/index_queue.h"
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/peers.h"
#include "storage/study_index.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace glionode::server {

/// Counters since start.
struct IngestCounters {
  std::uint64_t resends = 0;    ///< the same bytes again: nothing changed
  std::uint64_t versions = 0;   ///< other bytes under a known UID
  std::uint64_t conflicts = 0;  ///< of those, from another peer than the bytes before
};

/// Takes what the receiver got: file durable first, then the answer (promise 1); its place under images/ and its index
/// row follow in groups.
/// Threads: Store from many association threads at once; one SOP Instance UID is worked on by one thread at a time.
class Ingest : public dicom::InstanceSink {
 public:
  /// All must outlive this object. `on_change` is called (from other threads) when a study got new candidate images or
  /// an association ended.
  Ingest(storage::FileStore& files, storage::StudyIndex& index, storage::Jobs& jobs, storage::Peers& peers,
         const Clock& clock, std::string device_uid, std::function<void()> on_change);

  void Store(const dicom::ReceivedInstance& instance) override;
  void AssociationEnded(const dicom::AssociationEnd& end) override;

  /// `on_stored` is called after each instance that the peer will be told Success for. Set before the first Store.
  void SetOnStored(std::function<void(const storage::InstanceRecord&, const dicom::PeerFacts&)> on_stored) {
    on_stored_ = std::move(on_stored);
  }

  /// Is an association still open, or was one lost without a release, that brought images of this study? (early_start
  /// asks.)
  bool MayStillArrive(const std::string& study_uid) const;
  /// Is an association open that brought images of this study?
  bool IsArriving(const std::string& study_uid) const;

  /// Waits until what was stored has its rows in the index; false after `limit`.
  bool Flush(std::chrono::milliseconds limit) const { return queue_.Flush(limit); }
  IngestCounters Counters() const { return {resends_, versions_, conflicts_}; }
  /// Has a peer sent images of a study that others had sent before, since this was asked last? (Also true at first.)
  bool TakeNewSender() { return new_sender_.exchange(false); }

  /// Puts what a crash left sealed in staging to its place: its senders were told Success, or nearly. Returns how many.
  /// At start, before the first Store; SweepUnindexed gives the rows.
  int RecoverStaged();
  /// Indexes files that have no row: what a crash left between the file and its row. Returns how many. Unreadable files
  /// are said in the log and kept. May run while instances are received. Ends early when `stop` becomes true.
  int SweepUnindexed(const std::atomic<bool>* stop = nullptr);

 private:
  /// Counts and tells that a known UID came with other bytes.
  void Superseded(const IndexQueue::Known& before, const storage::InstanceRecord& now);
  /// Rows for files that the sweep found. Returns how many are new.
  int AddFound(const std::vector<storage::InstanceRecord>& records);
  storage::InstanceRecord Describe(const std::filesystem::path& file, const dicom::ReceivedInstance* received) const;

  bool InOpenAssociation(const std::string& study_uid) const;  ///< under open_mutex_

  storage::FileStore& files_;
  storage::StudyIndex& index_;
  storage::Jobs& jobs_;
  storage::Peers& peers_;
  const Clock& clock_;
  std::string device_uid_;
  std::function<void()> on_change_;
  std::function<void(const storage::InstanceRecord&, const dicom::PeerFacts&)> on_stored_ =
      [](const storage::InstanceRecord&, const dicom::PeerFacts&) {};
  std::atomic<bool> new_sender_{true};
  std::array<std::mutex, 64> by_uid_;  ///< striped: two associations that bring one UID take turns
  std::atomic<std::uint64_t> resends_{0}, versions_{0}, conflicts_{0};
  mutable std::mutex open_mutex_;
  std::map<std::uint64_t, std::set<std::string>> open_;  ///< association -> studies
  std::set<std::string> lost_;                           ///< studies whose association was not released
  IndexQueue queue_;                                     ///< last: its thread ends first
};

}  // namespace glionode::server
