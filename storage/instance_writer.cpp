#include "storage/instance_writer.h"

#include "storage/file_names.h"
#include "storage/rows.h"

namespace glionode::storage {
namespace {

const char kLookup[] =
    "SELECT id, version, current, sha256, file, study_uid, kind, removed_at, received_at FROM instances "
    "WHERE sop_instance_uid = :uid";

const char kInsert[] =
    "INSERT INTO instances (sop_instance_uid, version, current, kind, study_uid, series_uid, sop_class_uid, "
    "transfer_syntax_uid, file, sha256, bytes, from_ae, received_at, identity, header_json) VALUES (:uid, :version, "
    ":current, :kind, :study, :series, :class, :syntax, :file, :sha256, :bytes, :ae, :received, :identity, :header)";

// A new or changed candidate image. SQLite evaluates every right side with the values from before.
// - A finished, failed, parked or ignored study starts a new round.
// - A running one keeps running: the first image after its job was made is the first of the next round.
// - A ready one stays ready; Jobs::Claim drops the job that has become stale and sends the study back.
const char kTouch[] =
    "INSERT INTO studies (study_uid, state, from_ae, first_arrival, last_arrival, accepted, why, revision, changes, "
    "judged_changes) VALUES (:study, 'receiving', :ae, :first, :last, 0, '', "
    // A study that was deleted and comes again: its reports go on counting, so that no UID is used for other bytes.
    "coalesce((SELECT max(revision) FROM removals WHERE study_uid = :again), 0), 1, -1) "
    "ON CONFLICT (study_uid) DO UPDATE SET changes = changes + 1, from_ae = excluded.from_ae, "
    "last_arrival = excluded.last_arrival, "
    "first_arrival = CASE WHEN state IN ('reported', 'failed', 'parked', 'ignored') "
    "OR (state = 'running' AND changes = judged_changes) THEN excluded.first_arrival ELSE first_arrival END, "
    "why = CASE WHEN state IN ('failed', 'parked', 'ignored') THEN '' ELSE why END, "
    "state = CASE WHEN state IN ('reported', 'failed', 'parked', 'ignored') THEN 'receiving' ELSE state END";

const char kNoteSender[] =
    "INSERT INTO study_peers (study_uid, peer_ae, first_at, served_revision) VALUES (:study, :ae, :first, 0) "
    "ON CONFLICT DO NOTHING";

// A study that lost an image (a rejection note took it back, too), or whose image is no candidate any more: changed as
// well, but nobody sent it anything.
const char kTouchLoser[] =
    "UPDATE studies SET changes = changes + 1, last_arrival = :last, "
    "first_arrival = CASE WHEN state IN ('reported', 'failed', 'parked', 'ignored') "
    "OR (state = 'running' AND changes = judged_changes) THEN :first ELSE first_arrival END, "
    "state = CASE WHEN state IN ('reported', 'failed', 'parked') THEN 'receiving' ELSE state END "
    "WHERE study_uid = :study";

}  // namespace

InstanceWriter::InstanceWriter(soci::session& session, Origin origin)
    : session_(session),
      origin_(origin),
      lookup_((session.prepare << kLookup, soci::into(found_id_), soci::into(found_version_),
               soci::into(found_current_), soci::into(found_sha256_), soci::into(found_file_), soci::into(found_study_),
               soci::into(found_kind_), soci::into(found_removed_), soci::into(found_received_at_),
               soci::use(instance_.sop_instance_uid))),
      insert_((session.prepare << kInsert, soci::use(instance_.sop_instance_uid), soci::use(version_),
               soci::use(current_), soci::use(kind_), soci::use(instance_.study_uid), soci::use(instance_.series_uid),
               soci::use(instance_.sop_class_uid), soci::use(instance_.transfer_syntax_uid), soci::use(instance_.file),
               soci::use(instance_.sha256), soci::use(bytes_), soci::use(instance_.from_ae), soci::use(received_at_),
               soci::use(instance_.identity), soci::use(instance_.header_json))),
      touch_((session.prepare << kTouch, soci::use(instance_.study_uid), soci::use(instance_.from_ae),
              soci::use(received_at_), soci::use(received_at_), soci::use(instance_.study_uid))),
      note_sender_((session.prepare << kNoteSender, soci::use(instance_.study_uid), soci::use(instance_.from_ae),
                    soci::use(received_at_))) {}

InstanceWriter::Known InstanceWriter::Lookup() {
  Known known;
  lookup_.execute(false);
  while (lookup_.fetch()) {
    known.any = true;
    known.newest_version = std::max(known.newest_version, found_version_);
    known.file_known = known.file_known || (found_file_ == instance_.file && found_removed_ == 0);
    if (found_current_ == 0) continue;
    known.current_id = found_id_;
    known.current_received_at = found_received_at_;
    known.current_sha256 = found_sha256_;
    known.current_file = found_file_;
    known.current_study = found_study_;
    known.current_removed = found_removed_ != 0;
    known.current_is_candidate = found_kind_ == ToText(InstanceKind::kCandidate);
  }
  return known;
}

/// The sweep may find an older file after a newer one has its row. What a sender has just brought is the newest. The
/// file store numbers files in their order, but fills gaps: a number alone may belong to a correction that took the
/// place of a copy that was removed.
bool InstanceWriter::IsOlder(const Known& known) const {
  const auto& uid = instance_.sop_instance_uid;
  return origin_ == Origin::kFound && received_at_ <= known.current_received_at &&
         NumberInFileName(instance_.file, uid) < NumberInFileName(known.current_file, uid);
}

void InstanceWriter::Insert(long long version, bool current) {
  version_ = version;
  current_ = current ? 1 : 0;
  insert_.execute(true);
}

void InstanceWriter::TouchStudy() {
  touch_.execute(true);
  note_sender_.execute(true);
}

void InstanceWriter::TouchLoser(const std::string& study_uid) {
  Execute(session_, kTouchLoser, {Text(received_at_), Text(received_at_), study_uid});
}

AddResult InstanceWriter::Add(const InstanceRecord& instance) {
  instance_ = instance;
  kind_ = Word(instance.kind);
  bytes_ = instance.bytes;
  received_at_ = instance.received_at;
  const bool is_candidate = instance.kind == InstanceKind::kCandidate;

  const Known known = Lookup();
  if (!known.any) {
    Insert(1, true);
    if (is_candidate) TouchStudy();
    if (instance.takes_back) TouchLoser(instance.study_uid);
    return AddResult::kNew;
  }
  const bool same_study = known.current_study == instance.study_uid;
  if (known.current_removed && known.current_sha256 == instance.sha256 && same_study) {
    Execute(session_, "UPDATE instances SET file = :file, removed_at = 0 WHERE id = :id",
            {instance.file, Text(known.current_id)});
    if (is_candidate) TouchStudy();
    return AddResult::kRestored;
  }
  if (known.file_known || (known.current_sha256 == instance.sha256 && same_study)) return AddResult::kDuplicate;
  if (same_study && IsOlder(known)) {
    Insert(known.newest_version + 1, false);
    return AddResult::kSuperseded;
  }

  Execute(session_, "UPDATE instances SET current = 0 WHERE id = :id", {Text(known.current_id)});
  Insert(known.newest_version + 1, true);
  if (is_candidate) TouchStudy();
  if (instance.takes_back) TouchLoser(instance.study_uid);
  if (known.current_is_candidate && !(is_candidate && same_study)) TouchLoser(known.current_study);
  return AddResult::kNewVersion;
}

}  // namespace glionode::storage
