#include "storage/study_index.h"

#include "storage/file_names.h"
#include "storage/instance_writer.h"
#include "storage/rows.h"

#include <cstdio>

namespace glionode::storage {
namespace {

const std::string kInstanceColumns = std::string("SELECT ") + InstanceRow::kColumns + " FROM instances";
const std::string kStudyColumns = std::string("SELECT ") + StudyRow::kColumns + " FROM studies";

/// Asks whether files have rows, with the statement prepared once for many. A file is found through its name, which
/// begins with the UID: an index over paths would cost more than all others together. "1.2.3.dcm" may be 1.2.3, or the
/// third version of 1.2.
class FileQuestion {
 public:
  explicit FileQuestion(soci::session& session)
      : statement_(
            (session.prepare << "SELECT version FROM instances WHERE sop_instance_uid IN (:longer, :shorter) AND "
                                "file = :file AND removed_at = 0 LIMIT 1",
             soci::into(version_), soci::use(longer_), soci::use(shorter_), soci::use(file_))) {}

  bool HasRow(const std::string& file) {
    file_ = file;
    longer_ = file.substr(file.find_last_of('/') + 1);
    if (longer_.size() > 4 && longer_.compare(longer_.size() - 4, 4, ".dcm") == 0) longer_.resize(longer_.size() - 4);
    shorter_ = longer_.substr(0, longer_.find_last_of('.'));
    return statement_.execute(true);
  }

 private:
  std::string file_, longer_, shorter_;
  long long version_ = 0;
  soci::statement statement_;
};

std::string Number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

/// `accepted` follows the decision that a state stands for: ignored is not accepted, receiving said by somebody is.
/// (A study that arrives is receiving and not yet accepted: only Add makes that.)
const char kAccepted[] = "accepted = CASE :state2 WHEN 'ignored' THEN 0 WHEN 'receiving' THEN 1 ELSE accepted END";

}  // namespace

StudyIndex::StudyIndex(Database& database) : database_(database) {}

std::optional<InstanceRecord> StudyIndex::FindCurrent(const std::string& sop_instance_uid) const {
  std::optional<InstanceRecord> found;
  database_.Read([&](soci::session& session) {
    found = SelectFirst<InstanceRow>(session, kInstanceColumns + " WHERE sop_instance_uid = :uid AND current = 1",
                                     {sop_instance_uid});
  });
  return found;
}

std::optional<VersionRecord> StudyIndex::FindVersion(const std::string& sop_instance_uid) const {
  std::optional<VersionRecord> found;
  database_.Read([&](soci::session& session) {
    VersionRecord version;
    long long removed_at = 0;
    session
        << "SELECT sha256, study_uid, from_ae, removed_at FROM instances WHERE sop_instance_uid = :uid AND current = 1",
        soci::use(sop_instance_uid), soci::into(version.sha256), soci::into(version.study_uid),
        soci::into(version.from_ae), soci::into(removed_at);
    version.removed = removed_at != 0;
    if (session.got_data()) found = std::move(version);
  });
  return found;
}

bool StudyIndex::HasFile(const std::string& file) const {
  bool has = false;
  database_.Read([&](soci::session& session) { has = FileQuestion(session).HasRow(file); });
  return has;
}

std::vector<std::string> StudyIndex::WithoutRow(const std::vector<std::string>& files) const {
  std::vector<std::string> without;
  database_.Read([&](soci::session& session) {
    FileQuestion question(session);
    for (const std::string& file : files)
      if (!question.HasRow(file)) without.push_back(file);
  });
  return without;
}

AddResult StudyIndex::Add(const InstanceRecord& instance) { return AddAll({instance}).front(); }

std::vector<AddResult> StudyIndex::AddAll(const std::vector<InstanceRecord>& instances) {
  std::vector<AddResult> results;
  if (instances.empty()) return results;
  results.reserve(instances.size());
  database_.Write([&](soci::session& session) {
    InstanceWriter writer(session, InstanceWriter::Origin::kFound);
    for (const InstanceRecord& instance : instances) results.push_back(writer.Add(instance));
  });
  return results;
}

std::vector<AddResult> StudyIndex::AddReceived(const std::vector<InstanceRecord>& instances) {
  std::vector<AddResult> results;
  if (instances.empty()) return results;
  database_.WriteSoon([&](soci::session& session) {
    InstanceWriter writer(session, InstanceWriter::Origin::kReceived);
    for (const InstanceRecord& instance : instances) results.push_back(writer.Add(instance));
  });
  return results;
}

std::optional<StudyRecord> StudyIndex::Find(const std::string& study_uid) const {
  std::optional<StudyRecord> found;
  database_.Read([&](soci::session& session) {
    found = SelectFirst<StudyRow>(session, kStudyColumns + " WHERE study_uid = :study", {study_uid});
  });
  return found;
}

std::vector<StudyRecord> StudyIndex::List(const std::vector<StudyState>& states, int limit, int offset) const {
  std::vector<StudyRecord> studies;
  if (states.empty()) return studies;
  std::string words;
  for (const StudyState state : states) words += (words.empty() ? "'" : ", '") + Word(state) + "'";
  database_.Read([&](soci::session& session) {
    studies = SelectAll<StudyRow>(session, kStudyColumns + " WHERE state IN (" + words +
                                               ") ORDER BY last_arrival, study_uid" + LimitOffset(limit, offset));
  });
  return studies;
}

std::vector<StudyRecord> StudyIndex::Page(int limit, int offset) const {
  std::vector<StudyRecord> studies;
  database_.Read([&](soci::session& session) {
    studies = SelectAll<StudyRow>(
        session, kStudyColumns + " ORDER BY last_arrival DESC, study_uid DESC" + LimitOffset(limit, offset));
  });
  return studies;
}

std::vector<InstanceRecord> StudyIndex::Instances(const std::string& study_uid) const {
  std::vector<InstanceRecord> instances;
  database_.Read([&](soci::session& session) {
    instances = SelectAll<InstanceRow>(
        session, kInstanceColumns + " WHERE study_uid = :study AND current = 1 ORDER BY sop_instance_uid", {study_uid});
  });
  return instances;
}

std::vector<InstanceRecord> StudyIndex::Versions(const std::string& study_uid) const {
  std::vector<InstanceRecord> instances;
  database_.Read([&](soci::session& session) {
    instances = SelectAll<InstanceRow>(session,
                                       kInstanceColumns +
                                           " WHERE sop_instance_uid IN (SELECT sop_instance_uid FROM instances WHERE "
                                           "study_uid = :study AND current = 1 AND version > 1) "
                                           "ORDER BY sop_instance_uid, version",
                                       {study_uid});
  });
  return instances;
}

std::vector<InstanceRecord> StudyIndex::Candidates(const std::string& study_uid) const {
  std::vector<InstanceRecord> instances;
  database_.Read([&](soci::session& session) {
    instances = SelectAll<InstanceRow>(session,
                                       kInstanceColumns +
                                           " WHERE study_uid = :study AND kind = 'candidate' AND current = 1 "
                                           "ORDER BY sop_instance_uid",
                                       {study_uid});
  });
  return instances;
}

std::vector<InstanceRecord> StudyIndex::Others(const std::string& study_uid, const std::string& sop_class_uid) const {
  std::vector<InstanceRecord> instances;
  database_.Read([&](soci::session& session) {
    instances = SelectAll<InstanceRow>(session,
                                       kInstanceColumns +
                                           " WHERE study_uid = :study AND kind = 'other' AND current = 1 AND "
                                           "sop_class_uid = :class ORDER BY sop_instance_uid",
                                       {study_uid, sop_class_uid});
  });
  return instances;
}

std::vector<std::string> StudyIndex::Identities(const std::string& study_uid) const {
  std::vector<std::string> identities;
  database_.Read([&](soci::session& session) {
    identities = SelectAll<WordRow>(session,
                                    "SELECT DISTINCT identity FROM instances WHERE study_uid = :study AND "
                                    "kind = 'candidate' AND current = 1 ORDER BY identity",
                                    {study_uid});
  });
  return identities;
}

bool StudyIndex::SetState(const std::string& study_uid, StudyState state, const std::string& why,
                          std::int64_t expected_changes) {
  bool written = false;
  database_.Write([&](soci::session& session) {
    // Only a decision about the images as they are counts as judged; `receiving` is going on waiting.
    written = Execute(session,
                      std::string("UPDATE studies SET state = :state, why = :why, ") + kAccepted +
                          ", judged_changes = CASE :state3 WHEN 'receiving' THEN judged_changes ELSE changes END "
                          "WHERE study_uid = :study AND changes = :changes",
                      {Word(state), why, Word(state), Word(state), study_uid, Text(expected_changes)}) > 0;
  });
  return written;
}

void StudyIndex::ForceState(const std::string& study_uid, StudyState state, const std::string& why) {
  database_.Write([&](soci::session& session) {
    Execute(session,
            std::string("UPDATE studies SET state = :state, why = :why, ") + kAccepted + " WHERE study_uid = :study",
            {Word(state), why, Word(state), study_uid});
  });
}

void StudyIndex::SetRoles(const std::string& study_uid, const std::vector<SeriesRoleRecord>& roles) {
  database_.Write([&](soci::session& session) {
    Execute(session, "DELETE FROM series_role WHERE study_uid = :study", {study_uid});
    for (const SeriesRoleRecord& role : roles)
      Execute(session,
              "INSERT INTO series_role (study_uid, series_uid, role, score, chosen, rule, why, description) VALUES "
              "(:study, :series, :role, :score, :chosen, :rule, :why, :description)",
              {study_uid, role.series_uid, role.role, Number(role.score), role.chosen ? "1" : "0", role.rule, role.why,
               role.description});
  });
}

std::vector<SeriesRoleRecord> StudyIndex::Roles(const std::string& study_uid) const {
  std::vector<SeriesRoleRecord> roles;
  database_.Read([&](soci::session& session) {
    roles = SelectAll<SeriesRoleRow>(session,
                                     std::string("SELECT ") + SeriesRoleRow::kColumns +
                                         " FROM series_role WHERE study_uid = :study ORDER BY series_uid",
                                     {study_uid});
  });
  return roles;
}

StudyCounts StudyIndex::Counts() const {
  StudyCounts counts;
  database_.Read([&](soci::session& session) {
    counts.instances = SelectAll<CountRow>(session, "SELECT count(*) FROM instances").front();
    counts.by_state =
        SelectAll<WordCountRow>(session, "SELECT state, count(*) FROM studies GROUP BY state ORDER BY state");
  });
  for (const auto& [state, count] : counts.by_state) counts.studies += count;
  return counts;
}

}  // namespace glionode::storage
