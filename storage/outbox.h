#pragma once
#include "storage/database.h"
#include "storage/jobs.h"
#include "storage/records.h"

#include <optional>
#include <string>
#include <vector>

namespace glionode::storage {

/// How it stands with one peer.
struct PeerOutbox {
  std::string peer_ae;
  std::vector<std::pair<std::string, std::int64_t>> by_state;
  WallMs oldest_pending = 0;  ///< when the oldest row that is not sent yet was made; 0: none
  WallMs next_try = 0;        ///< of the pending rows; 0: none
  std::string last_status;    ///< of the pending or dead row that was tried last
};

/// What is to be sent, to whom, and how it went. Threads: any. Errors: as Database.
class Outbox {
 public:
  explicit Outbox(Database& database);
  /// Pending rows of one peer that are due, oldest first; behind them those that are put off for longer than any delay
  /// lasts, because the wall clock was set back.
  std::vector<OutboxRecord> Due(const std::string& peer_ae, WallMs now, int limit) const;
  std::vector<std::string> PeersWithPending() const;
  std::optional<WallMs> NextTry() const;
  /// The peer answered Success (attempts + 1). The class of a report is remembered as the one that the peer takes. Said
  /// of any row, a withdrawn one too: it is what happened. With `confirm_by`, proof is wanted until then
  /// (storage/proofs.h), and the peer is asked for it at once.
  void MarkSent(std::int64_t id, const std::string& status, WallMs now, std::optional<WallMs> confirm_by = {});
  /// Transient: attempts + 1, tried again at `next_try`. Only a pending row changes.
  void MarkRetry(std::int64_t id, const std::string& status, WallMs next_try);
  /// kDead, kParked or kWithdrawn (attempts + 1 for the first two). Only a pending row changes; Error{kInternal} for
  /// another state.
  void MarkDead(std::int64_t id, OutboxState state, const std::string& status);
  /// By hand: dead, parked or pending rows become due now, with attempts back to 1 (0: never tried). How many; 0 for
  /// ids that do not exist or are sent or withdrawn.
  int RetryNow(const std::vector<std::int64_t>& ids, WallMs now);
  int RetryPeer(const std::string& peer_ae, WallMs now);
  /// What has not been sent of a study (pending, dead, parked) will never be, and what has been is not sent again for
  /// want of proof. How many rows.
  int WithdrawUnsent(const std::string& study_uid, const std::string& why, WallMs now);
  /// The report is taken back, in one transaction: what has not been sent of the study never will be, each of `notes`
  /// (with the result_id that it belongs to) becomes an object with a pending row, and the withdrawal is on record.
  /// Returns how many rows will not be sent.
  int Withdraw(const WithdrawalRecord& withdrawal, const std::vector<NewObject>& notes);
  /// Oldest first.
  std::vector<WithdrawalRecord> Withdrawals(const std::string& study_uid) const;
  /// Puts a pending row off without counting an attempt.
  void Postpone(std::int64_t id, const std::string& why, WallMs next_try);
  /// The class of the last report that the peer took; empty: none yet.
  std::optional<std::string> AcceptedSrClass(const std::string& peer_ae) const;
  /// The peer offers no context for the SR's class: one transaction adds the other encoding as a new object with a
  /// pending row and withdraws this one. The new object belongs to the same result, whatever `other` says; one that
  /// exists under its SOP Instance UID already (made for another peer) is used as it is. Error{kNotFound} for an
  /// unknown id, Error{kNotAllowed} when the row is sent or withdrawn.
  void ReplaceObject(std::int64_t id, const ObjectRecord& other, WallMs now);
  /// The newest result of a study also goes to a peer that sent the study later: pending rows for its objects (of
  /// several encodings of the report, the first). How many.
  int AddReceiver(const std::string& study_uid, const std::string& peer_ae, WallMs now);
  /// A peer has a new AE title: what was not sent to the old one goes to the new one. How many rows.
  int TakeOver(const std::string& old_ae, const std::string& new_ae, WallMs now);
  std::vector<PeerOutbox> ByPeer() const;
  /// Newest first.
  std::vector<OutboxRecord> Page(int limit, int offset) const;
  std::vector<OutboxRecord> OfStudy(const std::string& study_uid) const;
  std::vector<std::pair<std::string, std::int64_t>> CountsByState() const;

 private:
  Database& database_;
};

/// Delay before attempt `attempts` + 1: 5 s doubling to 1 h, with jitter from `random01` in [0,1). Pure.
std::int64_t RetryDelayMs(int attempts, double random01);

}  // namespace glionode::storage
