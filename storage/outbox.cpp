#include "storage/outbox.h"

#include "config/error.h"
#include "storage/rows.h"

#include <algorithm>

namespace glionode::storage {
namespace {

const std::string kOutboxColumns =
    std::string("SELECT ") + OutboxRow::kColumns + " FROM outbox b JOIN objects o ON o.id = b.object_id";

struct PeerStateRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(peer));
    statement.exchange(soci::into(state));
    for (long long* number : {&count, &oldest, &next}) statement.exchange(soci::into(*number));
  }
  PeerStateRow Take() { return *this; }

  std::string peer, state;
  long long count = 0, oldest = 0, next = 0;
};

constexpr std::int64_t kFirstDelayMs = 5000;
constexpr std::int64_t kLongestDelayMs = 3600000;

}  // namespace

Outbox::Outbox(Database& database) : database_(database) {}

std::vector<OutboxRecord> Outbox::Due(const std::string& peer_ae, WallMs now, int limit) const {
  std::vector<OutboxRecord> due;
  database_.Read([&](soci::session& session) {
    due = SelectAll<OutboxRow>(session,
                               kOutboxColumns +
                                   " WHERE b.peer_ae = :peer AND b.state = 'pending' AND b.next_try <= :now "
                                   "ORDER BY b.id" +
                                   LimitOffset(limit, 0),
                               {peer_ae, Text(now)});
    if (static_cast<int>(due.size()) >= limit) return;
    // No delay is as long as this: the clock was ahead when the row was put off, and has been set back since.
    const auto stranded =
        SelectAll<OutboxRow>(session,
                             kOutboxColumns +
                                 " WHERE b.peer_ae = :peer AND b.state = 'pending' AND b.next_try > :longest "
                                 "ORDER BY b.id" +
                                 LimitOffset(limit - static_cast<int>(due.size()), 0),
                             {peer_ae, Text(now + kLongestDelayMs)});
    due.insert(due.end(), stranded.begin(), stranded.end());
  });
  return due;
}

std::vector<std::string> Outbox::PeersWithPending() const {
  std::vector<std::string> peers;
  database_.Read([&](soci::session& session) {
    peers = SelectAll<WordRow>(session, "SELECT DISTINCT peer_ae FROM outbox WHERE state = 'pending' ORDER BY peer_ae");
  });
  return peers;
}

std::optional<WallMs> Outbox::NextTry() const {
  std::optional<WallMs> next;
  database_.Read([&](soci::session& session) {
    next =
        SelectFirst<CountRow>(session, "SELECT next_try FROM outbox WHERE state = 'pending' ORDER BY next_try LIMIT 1");
  });
  return next;
}

void Outbox::MarkSent(std::int64_t id, const std::string& status, WallMs now, std::optional<WallMs> confirm_by) {
  database_.Write([&](soci::session& session) {
    Execute(session,
            "UPDATE outbox SET state = 'sent', attempts = attempts + 1, last_status = :status, changed_at = :now "
            "WHERE id = :id AND state <> 'confirmed'",
            {status, Text(now), Text(id)});
    if (confirm_by)
      Execute(session,
              "INSERT INTO proofs (outbox_id, peer_ae, ask_at, confirm_by, asked) SELECT id, peer_ae, :now, :by, 0 "
              "FROM outbox WHERE id = :id AND state = 'sent' "
              "ON CONFLICT (outbox_id) DO UPDATE SET ask_at = excluded.ask_at, confirm_by = excluded.confirm_by",
              {Text(now), Text(*confirm_by), Text(id)});
    Execute(
        session,
        "INSERT INTO accepted_sr_class (peer_ae, sop_class_uid, at) SELECT b.peer_ae, o.sop_class_uid, b.changed_at "
        "FROM outbox b JOIN objects o ON o.id = b.object_id WHERE b.id = :id AND o.kind = 'sr' "
        "ON CONFLICT (peer_ae) DO UPDATE SET sop_class_uid = excluded.sop_class_uid, at = excluded.at",
        {Text(id)});
  });
}

std::optional<std::string> Outbox::AcceptedSrClass(const std::string& peer_ae) const {
  std::optional<std::string> found;
  database_.Read([&](soci::session& session) {
    found =
        SelectFirst<WordRow>(session, "SELECT sop_class_uid FROM accepted_sr_class WHERE peer_ae = :peer", {peer_ae});
  });
  return found;
}

void Outbox::Postpone(std::int64_t id, const std::string& why, WallMs next_try) {
  database_.Write([&](soci::session& session) {
    Execute(session, "UPDATE outbox SET last_status = :why, next_try = :next WHERE id = :id AND state = 'pending'",
            {why, Text(next_try), Text(id)});
  });
}

void Outbox::MarkRetry(std::int64_t id, const std::string& status, WallMs next_try) {
  database_.Write([&](soci::session& session) {
    Execute(session,
            "UPDATE outbox SET attempts = attempts + 1, last_status = :status, next_try = :next "
            "WHERE id = :id AND state = 'pending'",
            {status, Text(next_try), Text(id)});
  });
}

void Outbox::MarkDead(std::int64_t id, OutboxState state, const std::string& status) {
  const bool tried = state == OutboxState::kDead || state == OutboxState::kParked;
  if (!tried && state != OutboxState::kWithdrawn)
    throw Error(ErrorCode::kInternal, "an outbox row cannot be given up as '" + Word(state) + "'");
  database_.Write([&](soci::session& session) {
    Execute(session,
            std::string("UPDATE outbox SET state = :state, last_status = :status, attempts = attempts + ") +
                (tried ? "1" : "0") + " WHERE id = :id AND state = 'pending'",
            {Word(state), status, Text(id)});
  });
}

// Both keep one attempt of those that were made: a withdrawal asks whether the peer may have the object, and the
// back-off begins nearly anew all the same.
int Outbox::RetryNow(const std::vector<std::int64_t>& ids, WallMs now) {
  std::int64_t changed = 0;
  database_.Write([&](soci::session& session) {
    for (const std::int64_t id : ids)
      changed += Execute(session,
                         "UPDATE outbox SET state = 'pending', attempts = min(attempts, 1), next_try = :next, "
                         "changed_at = :now "
                         "WHERE id = :id AND state IN ('pending', 'dead', 'parked')",
                         {Text(now), Text(now), Text(id)});
  });
  return static_cast<int>(changed);
}

int Outbox::RetryPeer(const std::string& peer_ae, WallMs now) {
  std::int64_t changed = 0;
  database_.Write([&](soci::session& session) {
    changed = Execute(session,
                      "UPDATE outbox SET state = 'pending', attempts = min(attempts, 1), next_try = :next, "
                      "changed_at = :now "
                      "WHERE peer_ae = :peer AND state IN ('pending', 'dead', 'parked')",
                      {Text(now), Text(now), peer_ae});
  });
  return static_cast<int>(changed);
}

namespace {

/// What a PACS has of a report that is taken back, or in doubt, is not sent again for want of proof.
void StopAskingForProof(soci::session& session, const std::string& study_uid) {
  Execute(session, "DELETE FROM proofs WHERE outbox_id IN (SELECT id FROM outbox WHERE study_uid = :study)",
          {study_uid});
}

}  // namespace

int Outbox::WithdrawUnsent(const std::string& study_uid, const std::string& why, WallMs now) {
  std::int64_t changed = 0;
  database_.Write([&](soci::session& session) {
    changed = Execute(session,
                      "UPDATE outbox SET state = 'withdrawn', last_status = :why, changed_at = :now "
                      "WHERE study_uid = :study AND state IN ('pending', 'dead', 'parked')",
                      {why, Text(now), study_uid});
    StopAskingForProof(session, study_uid);
  });
  return static_cast<int>(changed);
}

int Outbox::Withdraw(const WithdrawalRecord& withdrawal, const std::vector<NewObject>& notes) {
  std::int64_t changed = 0;
  const std::string now = Text(withdrawal.at);
  database_.Write([&](soci::session& session) {
    changed = Execute(session,
                      "UPDATE outbox SET state = 'withdrawn', last_status = :why, changed_at = :now "
                      "WHERE study_uid = :study AND state IN ('pending', 'dead', 'parked')",
                      {"withdrawn by hand: " + withdrawal.reason, now, withdrawal.study_uid});
    StopAskingForProof(session, withdrawal.study_uid);
    for (const NewObject& note : notes) {
      const ObjectRecord& object = note.object;
      Execute(session,
              "INSERT INTO objects (result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind) VALUES "
              "(:result, :class, :uid, :series, :file, :sha256, :kind)",
              {Text(object.result_id), object.sop_class_uid, object.sop_instance_uid, object.series_uid, object.file,
               object.sha256, object.kind});
      const std::int64_t object_id = LastId(session);
      for (const std::string& peer : note.peers)
        Execute(session,
                "INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, changed_at, "
                "last_status) VALUES (:object, :study, :peer, 'pending', 0, :next, :created, :changed, '')",
                {Text(object_id), withdrawal.study_uid, peer, now, now, now});
    }
    Execute(
        session,
        "INSERT INTO withdrawals (study_uid, revision, reason, text, at) VALUES (:study, :revision, :reason, :text, "
        ":at)",
        {withdrawal.study_uid, Text(withdrawal.revision), withdrawal.reason, withdrawal.text, now});
  });
  return static_cast<int>(changed);
}

std::vector<WithdrawalRecord> Outbox::Withdrawals(const std::string& study_uid) const {
  std::vector<WithdrawalRecord> found;
  database_.Read([&](soci::session& session) {
    found = SelectAll<WithdrawalRow>(
        session,
        std::string("SELECT ") + WithdrawalRow::kColumns + " FROM withdrawals WHERE study_uid = :study ORDER BY id",
        {study_uid});
  });
  return found;
}

void Outbox::ReplaceObject(std::int64_t id, const ObjectRecord& other, WallMs now) {
  database_.Write([&](soci::session& session) {
    const auto row = SelectFirst<OutboxRow>(session, kOutboxColumns + " WHERE b.id = :id", {Text(id)});
    if (!row) throw Error(ErrorCode::kNotFound, "there is no outbox row " + Text(id));
    if (row->state != OutboxState::kPending && row->state != OutboxState::kDead && row->state != OutboxState::kParked)
      throw Error(ErrorCode::kNotAllowed, "outbox row " + Text(id) + " is " + Word(row->state) + " already");
    if (row->object.sop_instance_uid == other.sop_instance_uid)
      throw Error(ErrorCode::kInternal, "the other encoding of " + other.sop_instance_uid + " needs a UID of its own");
    Execute(session,
            "INSERT INTO objects (result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind) VALUES "
            "(:result, :class, :uid, :series, :file, :sha256, :kind) ON CONFLICT (sop_instance_uid) DO NOTHING",
            {Text(row->object.result_id), other.sop_class_uid, other.sop_instance_uid, other.series_uid, other.file,
             other.sha256, other.kind});
    // A row for this peer may be there from an earlier change of mind: it is not sent twice.
    Execute(session,
            "INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, changed_at, "
            "last_status) SELECT id, :study, :peer, 'pending', 0, :next, :created, :changed, '' FROM objects "
            "WHERE sop_instance_uid = :uid ON CONFLICT (object_id, peer_ae) DO NOTHING",
            {row->study_uid, row->peer_ae, Text(now), Text(now), Text(now), other.sop_instance_uid});
    Execute(session, "UPDATE outbox SET state = 'withdrawn', last_status = :why, changed_at = :now WHERE id = :id",
            {"replaced by " + other.sop_instance_uid, Text(now), Text(id)});
  });
}

int Outbox::AddReceiver(const std::string& study_uid, const std::string& peer_ae, WallMs now) {
  std::int64_t added = 0;
  database_.Write([&](soci::session& session) {
    const auto result = SelectFirst<CountRow>(
        session, "SELECT id FROM results WHERE study_uid = :study ORDER BY revision DESC LIMIT 1", {study_uid});
    if (!result) return;
    // What was taken back goes to nobody any more.
    if (SelectFirst<CountRow>(session,
                              "SELECT w.id FROM withdrawals w JOIN results r ON r.study_uid = w.study_uid WHERE "
                              "r.id = :result AND w.revision >= r.revision LIMIT 1",
                              {Text(*result)}))
      return;
    added = Execute(session,
                    "INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, "
                    "changed_at, last_status) SELECT o.id, :study, :peer, 'pending', 0, :next, :created, :changed, '' "
                    "FROM objects o WHERE o.result_id = :result AND o.kind IN ('sr', 'sc') AND NOT (o.kind = 'sr' AND "
                    "EXISTS (SELECT 1 FROM "
                    "objects e WHERE e.result_id = o.result_id AND e.kind = 'sr' AND e.id < o.id)) "
                    "ON CONFLICT (object_id, peer_ae) DO NOTHING",
                    {study_uid, peer_ae, Text(now), Text(now), Text(now), Text(*result)});
  });
  return static_cast<int>(added);
}

int Outbox::TakeOver(const std::string& old_ae, const std::string& new_ae, WallMs now) {
  std::int64_t moved = 0;
  database_.Write([&](soci::session& session) {
    // OR IGNORE: what the new title has a row for already stays with the old one, and is not sent twice.
    moved = Execute(session,
                    "UPDATE OR IGNORE outbox SET peer_ae = :new, next_try = :next, changed_at = :now "
                    "WHERE peer_ae = :old AND state IN ('pending', 'dead', 'parked')",
                    {new_ae, Text(now), Text(now), old_ae});
    Execute(session, "UPDATE OR IGNORE study_peers SET peer_ae = :new WHERE peer_ae = :old", {new_ae, old_ae});
    Execute(session, "UPDATE studies SET from_ae = :new WHERE from_ae = :old", {new_ae, old_ae});
  });
  return static_cast<int>(moved);
}

std::vector<PeerOutbox> Outbox::ByPeer() const {
  std::vector<PeerOutbox> peers;
  database_.Read([&](soci::session& session) {
    for (const PeerStateRow& row :
         SelectAll<PeerStateRow>(session,
                                 "SELECT peer_ae, state, count(*), min(created_at), min(next_try) FROM outbox "
                                 "GROUP BY peer_ae, state ORDER BY peer_ae, state")) {
      if (peers.empty() || peers.back().peer_ae != row.peer) peers.push_back({row.peer, {}, 0, 0, {}});
      peers.back().by_state.emplace_back(row.state, row.count);
      if (row.state != Word(OutboxState::kPending)) continue;
      peers.back().oldest_pending = row.oldest;
      peers.back().next_try = row.next;
    }
    for (PeerOutbox& peer : peers)
      if (auto status =
              SelectFirst<WordRow>(session,
                                   "SELECT last_status FROM outbox WHERE peer_ae = :peer AND attempts > 0 AND "
                                   "state IN ('pending', 'dead', 'parked') ORDER BY changed_at DESC LIMIT 1",
                                   {peer.peer_ae}))
        peer.last_status = *std::move(status);
  });
  return peers;
}

std::vector<OutboxRecord> Outbox::Page(int limit, int offset) const {
  std::vector<OutboxRecord> rows;
  database_.Read([&](soci::session& session) {
    rows = SelectAll<OutboxRow>(session, kOutboxColumns + " ORDER BY b.id DESC" + LimitOffset(limit, offset));
  });
  return rows;
}

std::vector<OutboxRecord> Outbox::OfStudy(const std::string& study_uid) const {
  std::vector<OutboxRecord> rows;
  database_.Read([&](soci::session& session) {
    rows =
        SelectAll<OutboxRow>(session, kOutboxColumns + " WHERE b.study_uid = :study ORDER BY b.id DESC", {study_uid});
  });
  return rows;
}

std::vector<std::pair<std::string, std::int64_t>> Outbox::CountsByState() const {
  std::vector<std::pair<std::string, std::int64_t>> counts;
  database_.Read([&](soci::session& session) {
    counts = SelectAll<WordCountRow>(session, "SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state");
  });
  return counts;
}

std::int64_t RetryDelayMs(int attempts, double random01) {
  // Half of the delay is fixed, half is drawn: peers that failed together do not come back together.
  const int doublings = std::clamp(attempts - 1, 0, 10);
  const std::int64_t whole = std::min(kFirstDelayMs << doublings, kLongestDelayMs);
  const double share = 0.5 + 0.5 * std::clamp(random01, 0.0, 1.0);
  return static_cast<std::int64_t>(static_cast<double>(whole) * share);
}

}  // namespace glionode::storage
