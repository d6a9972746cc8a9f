#pragma once
#include "config/clock.h"
#include "config/settings.h"
#include "dicom/commitment.h"
#include "storage/proofs.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace glionode::server {

/// What came out of asking, since start.
struct ConfirmationCounters {
  std::uint64_t confirmed = 0;  ///< objects that the PACS proved to keep
  std::uint64_t denied = 0;     ///< it said that it does not
  std::uint64_t timed_out = 0;  ///< no proof in time: sent again
};

/// Has peers prove that they keep what was sent to them (`confirm` of a peer). Each step asks once and writes what came
/// of it; every time is a row. Threads: all methods from any.
class Confirmation {
 public:
  struct Parts {
    storage::Proofs& proofs;
    const Clock& clock;
    std::function<dicom::CommitmentAnswer(const PeerSettings&, const std::string& transaction_uid,
                                          const std::vector<dicom::KeptObject>&)>
        ask;
    std::function<dicom::FindAnswer(const PeerSettings&, const std::string& study_uid, const std::string& series_uid)>
        find;
  };
  explicit Confirmation(Parts parts) : parts_(std::move(parts)) {}

  /// One round for one peer. Returns how many rows were worked on.
  int Step(const PeerSettings& peer);
  /// A report that a PACS brought to our port. False when the transaction is none of ours.
  bool Take(const dicom::CommitmentReport& report, const std::string& calling_ae);
  ConfirmationCounters Counters() const { return {confirmed_, denied_, timed_out_}; }

  /// Until when proof is waited for: longer with each sending, so that a peer that never proves anything is not sent
  /// the same objects every hour for ever. Pure.
  static WallMs ConfirmBy(const PeerSettings& peer, int attempts, WallMs now);

 private:
  int GiveUpWaiting(const PeerSettings& peer, WallMs now);
  void AskForCommitment(const PeerSettings& peer, const std::vector<storage::ProofRecord>& due, WallMs now);
  void Find(const PeerSettings& peer, const std::vector<storage::ProofRecord>& due, WallMs now);

  Parts parts_;
  std::atomic<std::uint64_t> confirmed_{0}, denied_{0}, timed_out_{0};
};

}  // namespace glionode::server
