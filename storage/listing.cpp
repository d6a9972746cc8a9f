#include "storage/listing.h"

#include "storage/rows.h"

#include <map>

namespace glionode::storage {
namespace {

/// " WHERE a = :p0 AND ...", and its values in order.
class Conditions {
 public:
  void Add(const std::string& value, const std::string& before, const std::string& behind = "") {
    if (value.empty()) return;
    text_ += (text_.empty() ? " WHERE " : " AND ") + before + ":p" + std::to_string(values_.size()) + behind;
    values_.push_back(value);
  }
  const std::string& Sql() const { return text_; }
  const std::vector<std::string>& Values() const { return values_; }

 private:
  std::string text_;
  std::vector<std::string> values_;
};

Conditions Of(const StudyFilter& filter) {
  Conditions conditions;
  conditions.Add(filter.state, "state = ");
  conditions.Add(filter.from_ae, "from_ae = ");
  conditions.Add(filter.uid_part, "instr(study_uid, ", ") > 0");
  conditions.Add(filter.decision,
                 "EXISTS (SELECT 1 FROM results r WHERE r.study_uid = studies.study_uid AND r.revision = "
                 "studies.revision AND r.decision = ",
                 ")");
  return conditions;
}

Conditions Of(const OutboxFilter& filter) {
  Conditions conditions;
  conditions.Add(filter.state, "b.state = ");
  conditions.Add(filter.peer_ae, "b.peer_ae = ");
  conditions.Add(filter.study_uid, "b.study_uid = ");
  return conditions;
}

/// AE title and a number.
using AeNumbers = std::vector<std::pair<std::string, std::int64_t>>;

}  // namespace

std::vector<StudyRecord> Listing::Studies(const StudyFilter& filter, int limit, int offset) const {
  const Conditions conditions = Of(filter);
  std::vector<StudyRecord> studies;
  database_.Read([&](soci::session& session) {
    studies = SelectAll<StudyRow>(session,
                                  std::string("SELECT ") + StudyRow::kColumns + " FROM studies" + conditions.Sql() +
                                      " ORDER BY last_arrival DESC, study_uid DESC" + LimitOffset(limit, offset),
                                  conditions.Values());
  });
  return studies;
}

std::int64_t Listing::CountStudies(const StudyFilter& filter) const {
  const Conditions conditions = Of(filter);
  std::int64_t count = 0;
  database_.Read([&](soci::session& session) {
    count =
        SelectAll<CountRow>(session, "SELECT count(*) FROM studies" + conditions.Sql(), conditions.Values()).front();
  });
  return count;
}

std::vector<OutboxRecord> Listing::Outbox(const OutboxFilter& filter, int limit, int offset) const {
  const Conditions conditions = Of(filter);
  std::vector<OutboxRecord> rows;
  database_.Read([&](soci::session& session) {
    rows = SelectAll<OutboxRow>(session,
                                std::string("SELECT ") + OutboxRow::kColumns +
                                    " FROM outbox b JOIN objects o ON o.id = b.object_id" + conditions.Sql() +
                                    " ORDER BY b.id DESC" + LimitOffset(limit, offset),
                                conditions.Values());
  });
  return rows;
}

std::int64_t Listing::CountOutbox(const OutboxFilter& filter) const {
  const Conditions conditions = Of(filter);
  std::int64_t count = 0;
  database_.Read([&](soci::session& session) {
    count =
        SelectAll<CountRow>(session, "SELECT count(*) FROM outbox b" + conditions.Sql(), conditions.Values()).front();
  });
  return count;
}

std::vector<PeerContact> Listing::Contacts() const {
  std::map<std::string, PeerContact> contacts;
  const auto fill = [&](const AeNumbers& numbers, const auto& set) {
    for (const auto& [ae_title, number] : numbers) set(contacts[ae_title], number);
  };
  database_.Read([&](soci::session& session) {
    const auto ask = [&](const char* sql) { return SelectAll<WordCountRow>(session, sql); };
    fill(ask("SELECT from_ae, max(last_arrival) FROM studies GROUP BY from_ae"),
         [](PeerContact& c, std::int64_t n) { c.last_received = n; });
    fill(ask("SELECT peer_ae, max(changed_at) FROM outbox WHERE state IN ('sent', 'confirmed') GROUP BY peer_ae"),
         [](PeerContact& c, std::int64_t n) { c.last_sent = n; });
    fill(ask("SELECT peer_ae, count(*) FROM outbox WHERE state = 'pending' GROUP BY peer_ae"),
         [](PeerContact& c, std::int64_t n) { c.pending = n; });
    fill(ask("SELECT peer_ae, count(*) FROM outbox WHERE state = 'dead' GROUP BY peer_ae"),
         [](PeerContact& c, std::int64_t n) { c.dead = n; });
    fill(ask("SELECT peer_ae, count(*) FROM outbox WHERE state = 'parked' GROUP BY peer_ae"),
         [](PeerContact& c, std::int64_t n) { c.parked = n; });
    fill(ask("SELECT peer_ae, min(created_at) FROM outbox WHERE state = 'pending' GROUP BY peer_ae"),
         [](PeerContact& c, std::int64_t n) { c.oldest_waiting = n; });
  });
  std::vector<PeerContact> out;
  for (auto& [ae_title, contact] : contacts) {
    contact.ae_title = ae_title;
    out.push_back(std::move(contact));
  }
  return out;
}

WallMs Listing::OldestReadyJob() const {
  WallMs oldest = 0;
  database_.Read([&](soci::session& session) {
    const auto found =
        SelectAll<CountRow>(session, "SELECT created_at FROM jobs WHERE state = 'ready' ORDER BY created_at LIMIT 1");
    if (!found.empty()) oldest = found.front();
  });
  return oldest;
}

std::vector<ResultRecord> Listing::NewestResults(const std::vector<StudyRecord>& studies) const {
  std::vector<ResultRecord> results;
  database_.Read([&](soci::session& session) {
    for (const StudyRecord& study : studies) {
      if (study.revision == 0) continue;
      auto found = SelectFirst<ResultRow>(session,
                                          std::string("SELECT ") + ResultRow::kColumns +
                                              " FROM results WHERE study_uid = :study ORDER BY revision DESC LIMIT 1",
                                          {study.study_uid});
      if (found) results.push_back(*std::move(found));
    }
  });
  return results;
}

}  // namespace glionode::storage
