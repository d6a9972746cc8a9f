#include "storage/rows.h"

#include "config/error.h"

#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>

namespace glionode::storage {
namespace {

/// The schema's CHECKs keep other words out: one that is not known comes from a damaged index.
template <typename E>
E Known(const std::optional<E>& value, const std::string& word) {
  if (!value) throw Error(ErrorCode::kInternal, "the index holds the unknown word '" + word + "'");
  return *value;
}

template <typename... Targets>
void BindAll(soci::statement& statement, Targets&... targets) {
  (statement.exchange(soci::into(targets)), ...);
}

}  // namespace

bool SaysDamage(const soci::soci_error& error) {
  const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  const int code = sqlite ? sqlite->result() & 0xff : SQLITE_OK;
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

const char InstanceRow::kColumns[] =
    "sop_instance_uid, sop_class_uid, series_uid, study_uid, transfer_syntax_uid, file, sha256, bytes, from_ae, "
    "received_at, kind, header_json, identity, current, removed_at";

void InstanceRow::Bind(soci::statement& statement) {
  BindAll(statement, record_.sop_instance_uid, record_.sop_class_uid, record_.series_uid, record_.study_uid,
          record_.transfer_syntax_uid, record_.file, record_.sha256, bytes_, record_.from_ae, received_at_, kind_,
          record_.header_json, record_.identity, current_, removed_);
}

InstanceRecord InstanceRow::Take() {
  InstanceRecord record = record_;
  record.bytes = bytes_;
  record.received_at = received_at_;
  record.kind = Known(InstanceKindFromText(kind_), kind_);
  record.current = current_ != 0;
  record.removed_at = removed_;
  return record;
}

const char StudyRow::kColumns[] =
    "study_uid, state, from_ae, first_arrival, last_arrival, accepted, why, revision, changes, judged_changes";

void StudyRow::Bind(soci::statement& statement) {
  BindAll(statement, record_.study_uid, state_, record_.from_ae, first_, last_, accepted_, record_.why, revision_,
          changes_, judged_);
}

StudyRecord StudyRow::Take() {
  StudyRecord record = record_;
  record.state = Known(StudyStateFromText(state_), state_);
  record.first_arrival = first_;
  record.last_arrival = last_;
  record.accepted = accepted_ != 0;
  record.revision = static_cast<int>(revision_);
  record.changes = changes_;
  record.judged_changes = judged_;
  return record;
}

const char SeriesRoleRow::kColumns[] = "study_uid, series_uid, role, why, rule, description, score, chosen";

void SeriesRoleRow::Bind(soci::statement& statement) {
  BindAll(statement, record_.study_uid, record_.series_uid, record_.role, record_.why, record_.rule,
          record_.description, record_.score, chosen_);
}

SeriesRoleRecord SeriesRoleRow::Take() {
  SeriesRoleRecord record = record_;
  record.chosen = chosen_ != 0;
  return record;
}

const char JobRow::kColumns[] =
    "id, study_uid, input_key, revision, state, attempt, owner, lease_until, inputs_json, last_error, created_at";

void JobRow::Bind(soci::statement& statement) {
  BindAll(statement, id_, record_.study_uid, record_.input_key, revision_, state_, attempt_, record_.owner, lease_,
          record_.inputs_json, record_.last_error, created_);
}

JobRecord JobRow::Take() {
  JobRecord record = record_;
  record.id = id_;
  record.revision = static_cast<int>(revision_);
  record.state = Known(JobStateFromText(state_), state_);
  record.attempt = static_cast<int>(attempt_);
  record.lease_until = lease_;
  record.created_at = created_;
  return record;
}

const char ResultRow::kColumns[] = "id, job_id, study_uid, input_key, revision, decision, result_json, created_at";

void ResultRow::Bind(soci::statement& statement) {
  BindAll(statement, id_, job_id_, record_.study_uid, record_.input_key, revision_, record_.decision,
          record_.result_json, created_);
}

ResultRecord ResultRow::Take() {
  ResultRecord record = record_;
  record.id = id_;
  record.job_id = job_id_;
  record.revision = static_cast<int>(revision_);
  record.created_at = created_;
  return record;
}

const char ObjectRow::kColumns[] =
    "o.id, o.result_id, o.sop_class_uid, o.sop_instance_uid, o.series_uid, o.file, o.sha256, o.kind";

void ObjectRow::Bind(soci::statement& statement) {
  BindAll(statement, id_, result_id_, record_.sop_class_uid, record_.sop_instance_uid, record_.series_uid, record_.file,
          record_.sha256, record_.kind);
}

ObjectRecord ObjectRow::Take() {
  ObjectRecord record = record_;
  record.id = id_;
  record.result_id = result_id_;
  return record;
}

const char WithdrawalRow::kColumns[] = "study_uid, revision, reason, text, at";

void WithdrawalRow::Bind(soci::statement& statement) {
  statement.exchange(soci::into(record_.study_uid));
  statement.exchange(soci::into(revision_));
  statement.exchange(soci::into(record_.reason));
  statement.exchange(soci::into(record_.text));
  statement.exchange(soci::into(at_));
}

WithdrawalRecord WithdrawalRow::Take() {
  record_.revision = static_cast<int>(revision_);
  record_.at = at_;
  return record_;
}

const char OutboxRow::kColumns[] =
    "o.id, o.result_id, o.sop_class_uid, o.sop_instance_uid, o.series_uid, o.file, o.sha256, o.kind, "
    "b.id, b.object_id, b.study_uid, b.peer_ae, b.state, b.attempts, b.next_try, b.created_at, b.last_status";

void OutboxRow::Bind(soci::statement& statement) {
  object_.Bind(statement);
  BindAll(statement, id_, object_id_, record_.study_uid, record_.peer_ae, state_, attempts_, next_try_, created_,
          record_.last_status);
}

OutboxRecord OutboxRow::Take() {
  OutboxRecord record = record_;
  record.id = id_;
  record.object_id = object_id_;
  record.state = Known(OutboxStateFromText(state_), state_);
  record.attempts = static_cast<int>(attempts_);
  record.next_try = next_try_;
  record.created_at = created_;
  record.object = object_.Take();
  return record;
}

std::int64_t Execute(soci::session& session, const std::string& sql, const std::vector<std::string>& parameters) {
  soci::statement statement(session);
  for (const std::string& parameter : parameters) statement.exchange(soci::use(parameter));
  statement.alloc();
  statement.prepare(sql);
  statement.define_and_bind();
  statement.execute(true);
  return statement.get_affected_rows();
}

std::int64_t LastId(soci::session& session) {
  long long id = 0;
  session << "SELECT last_insert_rowid()", soci::into(id);
  return id;
}

std::string LimitOffset(int limit, int offset) {
  return " LIMIT " + std::to_string(std::max(0, limit)) + " OFFSET " + std::to_string(std::max(0, offset));
}

}  // namespace glionode::storage
