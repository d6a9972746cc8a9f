#include "storage/removals.h"

#include "config/error.h"
#include "storage/rows.h"

namespace glionode::storage {
namespace {

struct RemovableRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(study_));
    statement.exchange(soci::into(last_));
  }
  RemovableStudy Take() { return {study_, last_}; }

 private:
  std::string study_;
  long long last_ = 0;
};

struct FileRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(file_));
    statement.exchange(soci::into(bytes_));
  }
  std::pair<std::string, std::int64_t> Take() { return {file_, bytes_}; }

 private:
  std::string file_;
  long long bytes_ = 0;
};

struct RemovalRow {
  static constexpr const char* kColumns = "id, at, study_uid, what, why, files, bytes, revision, done";
  void Bind(soci::statement& statement) {
    for (long long* number : {&id_, &at_}) statement.exchange(soci::into(*number));
    for (std::string* text : {&removal_.study_uid, &removal_.what, &removal_.why})
      statement.exchange(soci::into(*text));
    for (long long* number : {&files_, &bytes_, &revision_, &done_}) statement.exchange(soci::into(*number));
  }
  Removal Take() {
    Removal removal = removal_;
    removal.id = id_;
    removal.at = at_;
    removal.files = files_;
    removal.bytes = bytes_;
    removal.revision = static_cast<int>(revision_);
    removal.done = done_ != 0;
    return removal;
  }

 private:
  Removal removal_;
  long long id_ = 0, at_ = 0, files_ = 0, bytes_ = 0, revision_ = 0, done_ = 0;
};

const std::string kRemovalColumns = std::string("SELECT ") + RemovalRow::kColumns + " FROM removals";

/// Nothing more is to be sent or computed for study s. Peers that confirm are the parameters :c1, :c2 ... Only a row of
/// theirs that has a proof row waits: what was sent before they were asked to confirm is never proven.
std::string NothingOutstanding(const std::vector<std::string>& confirming_peers) {
  std::string open = "b.state IN ('pending', 'dead', 'parked')";
  if (!confirming_peers.empty()) {
    open = "(" + open + " OR (b.state = 'sent' AND b.peer_ae IN (";
    for (std::size_t i = 0; i < confirming_peers.size(); ++i) open += (i ? ", :c" : ":c") + std::to_string(i + 1);
    open += ") AND EXISTS (SELECT 1 FROM proofs p WHERE p.outbox_id = b.id)))";
  }
  return "s.state IN ('reported', 'ignored') AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.study_uid = s.study_uid AND "
         "j.state IN ('ready', 'running')) AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.study_uid = s.study_uid "
         "AND " +
         open + ")";
}

void Collect(soci::session& session, Removal& removal, const std::string& where) {
  for (auto& [file, bytes] : SelectAll<FileRow>(
           session, "SELECT file, bytes FROM instances WHERE " + where + " AND removed_at = 0", {removal.study_uid})) {
    removal.bytes += bytes;
    removal.paths.push_back(std::move(file));
  }
  removal.files = static_cast<std::int64_t>(removal.paths.size());
}

void Record(soci::session& session, Removal& removal) {
  Execute(session,
          "INSERT INTO removals (at, study_uid, what, why, files, bytes, revision, done) VALUES (:at, :study, :what, "
          ":why, :files, :bytes, :revision, 0)",
          {Text(removal.at), removal.study_uid, removal.what, removal.why, Text(removal.files), Text(removal.bytes),
           Text(removal.revision)});
  removal.id = LastId(session);
}

}  // namespace

Removals::Removals(Database& database) : database_(database) {}

std::vector<RemovableStudy> Removals::Removable(WallMs arrived_before, const std::vector<std::string>& confirming_peers,
                                                int limit) const {
  std::vector<std::string> parameters = confirming_peers;
  parameters.push_back(Text(arrived_before));
  std::vector<RemovableStudy> studies;
  database_.Read([&](soci::session& session) {
    studies = SelectAll<RemovableRow>(session,
                                      "SELECT s.study_uid, s.last_arrival FROM studies s WHERE " +
                                          NothingOutstanding(confirming_peers) +
                                          " AND s.last_arrival < :before AND EXISTS (SELECT 1 FROM instances i WHERE "
                                          "i.study_uid = s.study_uid AND i.current = 1 AND i.removed_at = 0) "
                                          "ORDER BY s.last_arrival" +
                                          LimitOffset(limit, 0),
                                      parameters);
  });
  return studies;
}

Removal Removals::RemoveImages(const RemovableStudy& study, const std::string& why, WallMs now) {
  Removal removal;
  removal.at = now;
  removal.study_uid = study.study_uid;
  removal.what = "images";
  removal.why = why;
  database_.Write([&](soci::session& session) {
    const auto now_there = SelectFirst<CountRow>(session,
                                                 "SELECT s.revision FROM studies s WHERE s.study_uid = :study AND "
                                                 "s.last_arrival = :last AND " +
                                                     NothingOutstanding({}),
                                                 {study.study_uid, Text(study.last_arrival)});
    if (!now_there) return;
    removal.revision = static_cast<int>(*now_there);
    Collect(session, removal, "study_uid = :study");
    if (removal.paths.empty()) return;
    Execute(session, "UPDATE instances SET removed_at = :now WHERE study_uid = :study AND removed_at = 0",
            {Text(now), study.study_uid});
    Record(session, removal);
  });
  return removal;
}

std::vector<std::string> Removals::OldRecords(WallMs before, int limit) const {
  std::vector<std::string> studies;
  database_.Read([&](soci::session& session) {
    studies =
        SelectAll<WordRow>(session,
                           "SELECT s.study_uid FROM studies s WHERE " + NothingOutstanding({}) +
                               " AND s.last_arrival < :before AND NOT EXISTS (SELECT 1 FROM results r WHERE "
                               "r.study_uid = s.study_uid AND r.created_at >= :made) AND NOT EXISTS (SELECT 1 FROM "
                               "instances i WHERE i.study_uid = s.study_uid AND i.removed_at = 0)" +
                               LimitOffset(limit, 0),
                           {Text(before), Text(before)});
  });
  return studies;
}

Removal Removals::RemoveStudy(const std::string& study_uid, const std::string& what, const std::string& why,
                              WallMs now) {
  Removal removal;
  removal.at = now;
  removal.study_uid = study_uid;
  removal.what = what;
  removal.why = why;
  database_.Write([&](soci::session& session) {
    const auto study =
        SelectFirst<CountRow>(session, "SELECT revision FROM studies WHERE study_uid = :study", {study_uid});
    const auto instances =
        SelectAll<CountRow>(session, "SELECT count(*) FROM instances WHERE study_uid = :study", {study_uid});
    if (!study && instances.front() == 0) throw Error(ErrorCode::kNotFound, "there is no study " + study_uid);
    if (!SelectAll<CountRow>(session, "SELECT id FROM jobs WHERE study_uid = :study AND state = 'running'", {study_uid})
             .empty())
      throw Error(ErrorCode::kBusy, "study " + study_uid + " is being evaluated: try again when that is done");
    removal.revision = static_cast<int>(study.value_or(0));
    Collect(session, removal, "study_uid = :study");
    Record(session, removal);
    // Children before those that they name.
    for (const char* sql :
         {"DELETE FROM outbox WHERE study_uid = :study",
          "DELETE FROM objects WHERE result_id IN (SELECT id FROM results WHERE study_uid = :study)",
          "DELETE FROM results WHERE study_uid = :study", "DELETE FROM jobs WHERE study_uid = :study",
          "DELETE FROM series_role WHERE study_uid = :study", "DELETE FROM withdrawals WHERE study_uid = :study",
          "DELETE FROM study_peers WHERE study_uid = :study", "DELETE FROM studies WHERE study_uid = :study",
          "DELETE FROM instances WHERE study_uid = :study"})
      Execute(session, sql, {study_uid});
  });
  return removal;
}

void Removals::Finished(std::int64_t removal_id) {
  database_.Write([&](soci::session& session) {
    Execute(session, "UPDATE removals SET done = 1 WHERE id = :id", {Text(removal_id)});
  });
}

std::vector<Removal> Removals::Unfinished() const {
  std::vector<Removal> removals;
  database_.Read([&](soci::session& session) {
    removals = SelectAll<RemovalRow>(session, kRemovalColumns + " WHERE done = 0 ORDER BY id");
    for (Removal& removal : removals) {
      if (removal.what != "images") continue;
      for (auto& [file, bytes] : SelectAll<FileRow>(
               session, "SELECT file, bytes FROM instances WHERE study_uid = :study AND removed_at = :at",
               {removal.study_uid, Text(removal.at)}))
        removal.paths.push_back(std::move(file));
    }
  });
  return removals;
}

std::vector<Removal> Removals::OfStudy(const std::string& study_uid) const {
  std::vector<Removal> removals;
  database_.Read([&](soci::session& session) {
    removals =
        SelectAll<RemovalRow>(session, kRemovalColumns + " WHERE study_uid = :study ORDER BY id DESC", {study_uid});
  });
  return removals;
}

std::vector<std::string> Removals::StudiesByIdentity(const std::string& identity_prefix) const {
  std::vector<std::string> studies;
  database_.Read([&](soci::session& session) {
    // Compared as text from its first character: no pattern, so nothing in an ID is a wildcard.
    studies = SelectAll<WordRow>(session,
                                 "SELECT DISTINCT study_uid FROM instances WHERE instr(identity, :prefix) = 1 "
                                 "ORDER BY study_uid",
                                 {identity_prefix});
  });
  return studies;
}

}  // namespace glionode::storage
