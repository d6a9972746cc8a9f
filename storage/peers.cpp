#include "storage/peers.h"

#include "storage/rows.h"

namespace glionode::storage {
namespace {

struct LateRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(late_.study_uid));
    statement.exchange(soci::into(late_.peer_ae));
    statement.exchange(soci::into(revision_));
  }
  LateSender Take() {
    LateSender late = late_;
    late.revision = static_cast<int>(revision_);
    return late;
  }

 private:
  LateSender late_;
  long long revision_ = 0;
};

struct PausedRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(peer_));
    statement.exchange(soci::into(at_));
    statement.exchange(soci::into(why_));
  }
  std::pair<std::string, PausedPeer> Take() { return {peer_, {at_, why_}}; }

 private:
  std::string peer_, why_;
  long long at_ = 0;
};

}  // namespace

Peers::Peers(Database& database) : database_(database) {}

bool Peers::NoteSender(const std::string& study_uid, const std::string& peer_ae, WallMs now) {
  const std::vector<std::string> pair = {study_uid, peer_ae};
  bool known = false;
  // Asked first: nearly always it is known, and a reader holds nobody up.
  database_.Read([&](soci::session& session) {
    known = SelectFirst<CountRow>(
                session, "SELECT served_revision FROM study_peers WHERE study_uid = :study AND peer_ae = :peer", pair)
                .has_value();
  });
  if (known) return false;
  std::int64_t added = 0;
  database_.Write([&](soci::session& session) {
    added = Execute(session,
                    "INSERT INTO study_peers (study_uid, peer_ae, first_at, served_revision) "
                    "VALUES (:study, :peer, :now, 0) ON CONFLICT DO NOTHING",
                    {study_uid, peer_ae, Text(now)});
  });
  return added > 0;
}

std::vector<std::string> Peers::Senders(const std::string& study_uid) const {
  std::vector<std::string> senders;
  database_.Read([&](soci::session& session) {
    senders = SelectAll<WordRow>(
        session, "SELECT peer_ae FROM study_peers WHERE study_uid = :study ORDER BY first_at, peer_ae", {study_uid});
  });
  return senders;
}

std::vector<LateSender> Peers::LateSenders() const {
  std::vector<LateSender> late;
  database_.Read([&](soci::session& session) {
    late =
        SelectAll<LateRow>(session,
                           "SELECT p.study_uid, p.peer_ae, s.revision FROM study_peers p JOIN studies s ON "
                           "s.study_uid = p.study_uid WHERE s.state = 'reported' AND p.served_revision < s.revision");
  });
  return late;
}

void Peers::MarkServed(const std::string& study_uid, const std::string& peer_ae, int revision) {
  database_.Write([&](soci::session& session) {
    Execute(session, "UPDATE study_peers SET served_revision = :revision WHERE study_uid = :study AND peer_ae = :peer",
            {Text(revision), study_uid, peer_ae});
  });
}

void Peers::Pause(const std::string& peer_ae, const std::string& why, WallMs now) {
  database_.Write([&](soci::session& session) {
    Execute(session,
            "INSERT INTO paused_peers (peer_ae, paused_at, why) VALUES (:peer, :now, :why) "
            "ON CONFLICT (peer_ae) DO UPDATE SET why = excluded.why",
            {peer_ae, Text(now), why});
  });
}

bool Peers::Resume(const std::string& peer_ae) {
  std::int64_t gone = 0;
  database_.Write([&](soci::session& session) {
    gone = Execute(session, "DELETE FROM paused_peers WHERE peer_ae = :peer", {peer_ae});
  });
  return gone > 0;
}

std::map<std::string, PausedPeer> Peers::Paused() const {
  std::map<std::string, PausedPeer> paused;
  database_.Read([&](soci::session& session) {
    for (auto& row : SelectAll<PausedRow>(session, "SELECT peer_ae, paused_at, why FROM paused_peers"))
      paused.insert(std::move(row));
  });
  return paused;
}

}  // namespace glionode::storage
