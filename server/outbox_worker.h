#pragma once
#include "config/clock.h"
#include "config/settings.h"
#include "dicom/sender.h"
#include "server/audit_message.h"
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/outbox.h"
#include "storage/peers.h"
#include "storage/study_index.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace glionode::server {

/// Sends what is in the outbox. Every peer has its own thread: a slow or dead one never holds up another.
/// Threads: all methods from any.
class OutboxWorker {
 public:
  using Send =
      std::function<std::vector<dicom::SendResult>(const PeerSettings&, const std::vector<dicom::OutgoingObject>&)>;
  struct Parts {
    storage::FileStore& files;
    storage::StudyIndex& index;
    storage::Jobs& jobs;
    storage::Outbox& outbox;
    storage::Peers& peers;
    const Clock& clock;
    Send send;
    std::function<bool()> may_send;                        ///< false while the model has not proven itself
    std::function<int(const PeerSettings&)> confirm = {};  ///< a round of asking for proof (Confirmation::Step)
    std::function<void(AuditEvent)> audit = [](AuditEvent) {};
  };
  OutboxWorker(Parts parts, std::vector<PeerSettings> peers);
  ~OutboxWorker();  ///< Stop()

  /// Rows that wait for an AE title that a peer had before go over to its new one.
  void SetPeers(std::vector<PeerSettings> peers);
  /// The newest result of studies that a peer with deliver = "all" sent after it was made (a second PACS with the same
  /// study) goes to that peer too. How many rows were added.
  int ServeLateSenders();
  /// Something new may be due.
  void Wake();
  /// Lets running associations end, starts nothing more.
  void Stop();
  /// One round for one peer: what is due goes over one association. Returns how many rows were worked on.
  int SendDue(const PeerSettings& peer);
  /// Runs `work` while nothing of the study is being sent, and nothing of it starts to be. Throws Error{kBusy} when
  /// some of it is on its way just now.
  void WithoutSending(const std::string& study_uid, const std::function<void()>& work);

 private:
  void Run(const std::string& peer_ae);
  void SendRows(const PeerSettings& peer, const std::vector<storage::OutboxRecord>& rows);
  void Record(const storage::OutboxRecord& row, const dicom::SendResult& result, const PeerSettings& peer);
  /// What of these rows may go out under the identity that the study has now; the others are withdrawn or put off.
  std::vector<storage::OutboxRecord> UnderPresentIdentity(std::vector<storage::OutboxRecord> rows);
  void Audit(AuditKind kind, const PeerSettings& peer, const std::vector<storage::OutboxRecord>& rows,
             const std::vector<dicom::SendResult>& results);
  bool FallBack(const storage::OutboxRecord& row, const PeerSettings& peer);

  Parts parts_;
  std::mutex mutex_;  ///< of everything below
  std::condition_variable wake_;
  bool stopping_ = false;
  std::uint64_t wakes_ = 0;
  std::map<std::string, PeerSettings> peers_;
  std::map<std::string, std::thread> threads_;
  std::multiset<std::string> sending_;  ///< studies of which something is on its way
};

}  // namespace glionode::server
