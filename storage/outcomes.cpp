#include "storage/outcomes.h"

#include "config/error.h"
#include "storage/rows.h"

namespace glionode::storage {
namespace {

struct OutcomeRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(id_));
    for (std::string* text :
         {&record_.study_uid, &record_.label, &record_.standard, &record_.date, &record_.recorded_by})
      statement.exchange(soci::into(*text));
    statement.exchange(soci::into(at_));
  }
  OutcomeRecord Take() {
    record_.id = id_;
    record_.recorded_at = at_;
    return record_;
  }

 private:
  OutcomeRecord record_;
  long long id_ = 0, at_ = 0;
};

struct ReportedRow {
  void Bind(soci::statement& statement) {
    for (std::string* text : {&record_.study_uid, &record_.identity, &record_.bundle_sha256, &record_.result_json})
      statement.exchange(soci::into(*text));
    statement.exchange(soci::into(first_));
    for (std::string* text :
         {&record_.outcome.label, &record_.outcome.standard, &record_.outcome.date, &record_.outcome.recorded_by})
      statement.exchange(soci::into(*text));
    statement.exchange(soci::into(at_));
    statement.exchange(soci::into(withdrawn_));
  }
  ReportedStudy Take() {
    record_.first_arrival = first_;
    record_.withdrawn = withdrawn_ != 0;
    record_.outcome.study_uid = record_.study_uid;
    record_.outcome.recorded_at = at_;
    return record_;
  }

 private:
  ReportedStudy record_;
  long long first_ = 0, at_ = 0, withdrawn_ = 0;
};

constexpr const char* kColumns = "id, study_uid, label, standard, date, recorded_by, recorded_at";

}  // namespace

Outcomes::Outcomes(Database& database) : database_(database) {}

OutcomeRecord Outcomes::Add(const OutcomeRecord& outcome) {
  OutcomeRecord stored;
  database_.Write([&](soci::session& session) {
    if (!SelectFirst<WordRow>(session, "SELECT study_uid FROM studies WHERE study_uid = :uid", {outcome.study_uid}))
      throw Error(ErrorCode::kNotFound, "no such study: " + outcome.study_uid);
    Execute(session,
            "INSERT INTO outcomes (study_uid, label, standard, date, recorded_by, recorded_at) "
            "VALUES (:uid, :label, :standard, :date, :by, :at)",
            {outcome.study_uid, outcome.label, outcome.standard, outcome.date, outcome.recorded_by,
             Text(outcome.recorded_at)});
    stored = *SelectFirst<OutcomeRow>(
        session, std::string("SELECT ") + kColumns + " FROM outcomes WHERE study_uid = :uid ORDER BY id DESC LIMIT 1",
        {outcome.study_uid});
  });
  return stored;
}

std::vector<OutcomeRecord> Outcomes::OfStudy(const std::string& study_uid) const {
  std::vector<OutcomeRecord> found;
  database_.Read([&](soci::session& session) {
    found = SelectAll<OutcomeRow>(
        session, std::string("SELECT ") + kColumns + " FROM outcomes WHERE study_uid = :uid ORDER BY id DESC",
        {study_uid});
  });
  return found;
}

std::vector<ReportedStudy> Outcomes::Reported() const {
  std::vector<ReportedStudy> found;
  database_.Read([&](soci::session& session) {
    found = SelectAll<ReportedRow>(
        session,
        "WITH by_bundle AS (SELECT study_uid, json_extract(result_json, '$.bundle.sha256') AS sha, "
        "MAX(revision) AS revision FROM results GROUP BY study_uid, sha) "
        "SELECT r.study_uid, "
        "COALESCE((SELECT i.identity FROM instances i WHERE i.study_uid = r.study_uid AND i.kind = 'candidate' "
        "AND i.current = 1 LIMIT 1), ''), "
        "COALESCE(b.sha, ''), r.result_json, s.first_arrival, COALESCE(o.label, ''), COALESCE(o.standard, ''), "
        "COALESCE(o.date, ''), COALESCE(o.recorded_by, ''), COALESCE(o.recorded_at, 0), "
        "(SELECT COUNT(*) FROM withdrawals w WHERE w.study_uid = r.study_uid AND w.revision >= r.revision) "
        "FROM by_bundle b JOIN results r ON r.study_uid = b.study_uid AND r.revision = b.revision "
        "JOIN studies s ON s.study_uid = r.study_uid "
        "LEFT JOIN outcomes o ON o.id = (SELECT MAX(id) FROM outcomes WHERE study_uid = r.study_uid) "
        "ORDER BY s.first_arrival, r.study_uid");
  });
  return found;
}

}  // namespace glionode::storage
