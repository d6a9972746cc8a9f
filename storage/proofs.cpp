#include "storage/proofs.h"

#include "storage/rows.h"

namespace glionode::storage {
namespace {

const std::string kOutboxColumns = std::string("SELECT ") + OutboxRow::kColumns;
const std::string kFromProofs =
    " FROM proofs p JOIN outbox b ON b.id = p.outbox_id AND b.state = 'sent' JOIN objects o ON o.id = b.object_id ";

/// An outbox row with its proof row.
struct ProofRow {
  static std::string Columns() { return kOutboxColumns + ", p.ask_at, p.confirm_by, p.asked"; }
  void Bind(soci::statement& statement) {
    outbox_.Bind(statement);
    statement.exchange(soci::into(ask_at_));
    statement.exchange(soci::into(confirm_by_));
    statement.exchange(soci::into(asked_));
  }
  ProofRecord Take() { return {outbox_.Take(), ask_at_, confirm_by_, static_cast<int>(asked_)}; }

 private:
  OutboxRow outbox_;
  long long ask_at_ = 0, confirm_by_ = 0, asked_ = 0;
};

}  // namespace

Proofs::Proofs(Database& database) : database_(database) {}

std::vector<ProofRecord> Proofs::Due(const std::string& peer_ae, WallMs now, int limit) const {
  std::vector<ProofRecord> due;
  database_.Read([&](soci::session& session) {
    due = SelectAll<ProofRow>(
        session,
        ProofRow::Columns() + kFromProofs +
            "WHERE p.peer_ae = :peer AND p.ask_at <= :now AND p.confirm_by > :now2 ORDER BY p.outbox_id" +
            LimitOffset(limit, 0),
        {peer_ae, Text(now), Text(now)});
  });
  return due;
}

std::vector<ProofRecord> Proofs::Overdue(const std::string& peer_ae, WallMs now, int limit) const {
  std::vector<ProofRecord> overdue;
  database_.Read([&](soci::session& session) {
    overdue = SelectAll<ProofRow>(session,
                                  ProofRow::Columns() + kFromProofs +
                                      "WHERE p.peer_ae = :peer AND p.confirm_by <= :now ORDER BY p.outbox_id" +
                                      LimitOffset(limit, 0),
                                  {peer_ae, Text(now)});
  });
  return overdue;
}

void Proofs::Asking(const std::vector<std::int64_t>& outbox_ids, const std::string& transaction_uid, WallMs now,
                    WallMs ask_at) {
  database_.Write([&](soci::session& session) {
    for (const std::int64_t id : outbox_ids) {
      Execute(session, "UPDATE proofs SET ask_at = :next, asked = asked + 1 WHERE outbox_id = :id",
              {Text(ask_at), Text(id)});
      if (!transaction_uid.empty())
        Execute(session, "INSERT INTO commitments (transaction_uid, outbox_id, asked_at) VALUES (:uid, :id, :now)",
                {transaction_uid, Text(id), Text(now)});
    }
  });
}

void Proofs::AskAgain(const std::vector<std::int64_t>& outbox_ids, const std::string& status, WallMs ask_at) {
  database_.Write([&](soci::session& session) {
    for (const std::int64_t id : outbox_ids) {
      Execute(session, "UPDATE proofs SET ask_at = :next WHERE outbox_id = :id", {Text(ask_at), Text(id)});
      Execute(session, "UPDATE outbox SET last_status = :status WHERE id = :id AND state = 'sent'", {status, Text(id)});
    }
  });
}

std::vector<OutboxRecord> Proofs::OfTransaction(const std::string& transaction_uid) const {
  std::vector<OutboxRecord> rows;
  database_.Read([&](soci::session& session) {
    rows = SelectAll<OutboxRow>(session,
                                kOutboxColumns +
                                    " FROM commitments c JOIN outbox b ON b.id = c.outbox_id "
                                    "JOIN objects o ON o.id = b.object_id WHERE c.transaction_uid = :uid ORDER BY b.id",
                                {transaction_uid});
  });
  return rows;
}

int Proofs::Confirm(const std::vector<std::int64_t>& outbox_ids, const std::string& status, WallMs now) {
  std::int64_t changed = 0;
  database_.Write([&](soci::session& session) {
    changed = 0;
    for (const std::int64_t id : outbox_ids) {
      changed += Execute(session,
                         "UPDATE outbox SET state = 'confirmed', last_status = :status, changed_at = :now "
                         "WHERE id = :id AND state IN ('sent', 'pending')",
                         {status, Text(now), Text(id)});
      Execute(session, "DELETE FROM proofs WHERE outbox_id = :id", {Text(id)});
    }
  });
  return static_cast<int>(changed);
}

int Proofs::SendAgain(const std::vector<std::int64_t>& outbox_ids, const std::string& status, WallMs now,
                      WallMs next_try) {
  std::int64_t changed = 0;
  database_.Write([&](soci::session& session) {
    changed = 0;
    for (const std::int64_t id : outbox_ids) {
      const std::int64_t back =
          Execute(session,
                  "UPDATE outbox SET state = 'pending', last_status = :status, next_try = :next, changed_at = :now "
                  "WHERE id = :id AND state = 'sent'",
                  {status, Text(next_try), Text(now), Text(id)});
      if (back > 0) Execute(session, "DELETE FROM proofs WHERE outbox_id = :id", {Text(id)});
      changed += back;
    }
  });
  return static_cast<int>(changed);
}

std::int64_t Proofs::CountWaiting() const {
  std::int64_t count = 0;
  database_.Read([&](soci::session& session) {
    count = SelectFirst<CountRow>(session, "SELECT count(*)" + kFromProofs).value_or(0);
  });
  return count;
}

}  // namespace glionode::storage
