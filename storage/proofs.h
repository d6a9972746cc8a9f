#pragma once
#include "storage/database.h"
#include "storage/records.h"

#include <optional>
#include <string>
#include <vector>

namespace glionode::storage {

/// Which sent objects a PACS has still to prove it keeps, and how often it was asked. Threads: any. Errors: as
/// Database.
class Proofs {
 public:
  explicit Proofs(Database& database);
  /// Sent rows of one peer about which it is to be asked now, oldest first. Rows that are over their time are not
  /// among them.
  std::vector<ProofRecord> Due(const std::string& peer_ae, WallMs now, int limit) const;
  /// Sent rows of one peer without proof in their time.
  std::vector<ProofRecord> Overdue(const std::string& peer_ae, WallMs now, int limit) const;
  /// The peer is about to be asked under this transaction (empty: by C-FIND). Written before it is, because the answer
  /// can be quicker than we. Not before `ask_at` it is asked again.
  void Asking(const std::vector<std::int64_t>& outbox_ids, const std::string& transaction_uid, WallMs now,
              WallMs ask_at);
  void AskAgain(const std::vector<std::int64_t>& outbox_ids, const std::string& status, WallMs ask_at);
  /// The rows of a transaction of ours, of any age; empty: it is none. Several transactions may have asked for one row.
  std::vector<OutboxRecord> OfTransaction(const std::string& transaction_uid) const;
  /// Proven: `sent` becomes `confirmed`, and so does `pending` when the object was waiting to be sent again. How many.
  int Confirm(const std::vector<std::int64_t>& outbox_ids, const std::string& status, WallMs now);
  /// Not proven, or denied: `sent` becomes `pending` again, the same object is sent at `next_try`. How many.
  int SendAgain(const std::vector<std::int64_t>& outbox_ids, const std::string& status, WallMs now, WallMs next_try);
  std::int64_t CountWaiting() const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
