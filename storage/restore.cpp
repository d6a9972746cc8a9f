#include "storage/restore.h"

#include "storage/rows.h"

namespace glionode::storage {
namespace {

/// How a row of the index before stands in the new one.
struct Standing {
  std::string state, status;
};

Standing StandingOf(const RememberedResult& remembered, const std::string& peer, const std::string& uid) {
  if (remembered.delivered.count({peer, uid})) return {"sent", "sent before the index was made anew"};
  const auto held = remembered.held.find({peer, uid});
  if (held == remembered.held.end()) return {"pending", ""};
  return {std::string(ToText(held->second)), "held back before the index was made anew"};
}

std::int64_t InsertObject(soci::session& session, std::int64_t result_id, const ObjectRecord& object) {
  Execute(session,
          "INSERT INTO objects (result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind) VALUES "
          "(:result, :class, :uid, :series, :file, :sha256, :kind)",
          {Text(result_id), object.sop_class_uid, object.sop_instance_uid, object.series_uid, object.file,
           object.sha256, object.kind});
  return LastId(session);
}

void InsertRow(soci::session& session, std::int64_t object_id, const std::string& study_uid, const std::string& peer,
               const Standing& standing, WallMs not_before, WallMs at) {
  Execute(session,
          "INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, changed_at, "
          "last_status) VALUES (:object, :study, :peer, :state, 0, :next, :created, :changed, :status)",
          {Text(object_id), study_uid, peer, standing.state, Text(not_before), Text(at), Text(at), standing.status});
}

}  // namespace

bool RestoreResult(Database& database, const RememberedResult& remembered, WallMs not_before) {
  const JobRecord& job = remembered.job;
  const ResultRecord& result = remembered.result;
  bool restored = false;
  database.Write([&](soci::session& session) {
    if (SelectFirst<CountRow>(
            session, "SELECT id FROM jobs WHERE study_uid = :study AND (input_key = :key OR revision = :revision)",
            {job.study_uid, job.input_key, Text(job.revision)}))
      return;
    Execute(session,
            "INSERT INTO studies (study_uid, state, from_ae, first_arrival, last_arrival, accepted, why, revision, "
            "changes, judged_changes) VALUES (:study, 'reported', '', :first, :last, 1, 'restored from its results', "
            ":revision, 0, 0) ON CONFLICT (study_uid) DO UPDATE SET revision = excluded.revision",
            {job.study_uid, Text(result.created_at), Text(result.created_at), Text(job.revision)});
    Execute(session,
            "INSERT INTO jobs (study_uid, input_key, revision, state, attempt, owner, lease_until, last_error, "
            "created_at, inputs_json) VALUES (:study, :key, :revision, 'done', 1, '', 0, '', :created, :inputs)",
            {job.study_uid, job.input_key, Text(job.revision), Text(job.created_at), job.inputs_json});
    const std::int64_t job_id = LastId(session);
    Execute(session,
            "INSERT INTO results (job_id, study_uid, input_key, revision, decision, created_at, result_json) VALUES "
            "(:job, :study, :key, :revision, :decision, :created, :json)",
            {Text(job_id), job.study_uid, job.input_key, Text(job.revision), result.decision, Text(result.created_at),
             result.result_json});
    const std::int64_t result_id = LastId(session);
    for (const NewObject& entry : remembered.objects) {
      const std::int64_t object_id = InsertObject(session, result_id, entry.object);
      for (const std::string& peer : std::set<std::string>(entry.peers.begin(), entry.peers.end())) {
        InsertRow(session, object_id, job.study_uid, peer, StandingOf(remembered, peer, entry.object.sop_instance_uid),
                  not_before, result.created_at);
        Execute(session,
                "INSERT INTO study_peers (study_uid, peer_ae, first_at, served_revision) VALUES (:study, :peer, :at, "
                ":served) ON CONFLICT (study_uid, peer_ae) DO UPDATE SET served_revision = excluded.served_revision",
                {job.study_uid, peer, Text(result.created_at), Text(job.revision)});
      }
    }
    if (const auto& taken = remembered.withdrawal) {
      Execute(session,
              "INSERT INTO withdrawals (study_uid, revision, reason, text, at) VALUES (:study, :revision, :reason, "
              ":text, :at)",
              {job.study_uid, Text(taken->revision), taken->reason, taken->text, Text(taken->at)});
      Execute(session,
              "UPDATE outbox SET state = 'withdrawn', last_status = 'withdrawn by hand before the index was made anew' "
              "WHERE study_uid = :study AND state IN ('pending', 'dead', 'parked')",
              {job.study_uid});
    }
    restored = true;
  });
  return restored;
}

bool RestoreNote(Database& database, const RememberedNote& note, WallMs not_before) {
  bool restored = false;
  database.Write([&](soci::session& session) {
    const auto result =
        SelectFirst<CountRow>(session, "SELECT id FROM results WHERE study_uid = :study AND revision = :revision",
                              {note.study_uid, Text(note.revision)});
    if (!result || SelectFirst<CountRow>(session, "SELECT id FROM objects WHERE sop_instance_uid = :uid",
                                         {note.object.sop_instance_uid}))
      return;
    const std::int64_t object_id = InsertObject(session, *result, note.object);
    const bool pending = note.state == OutboxState::kPending;
    InsertRow(session, object_id, note.study_uid, note.peer,
              {std::string(ToText(note.state)), pending ? "" : "so before the index was made anew"}, not_before,
              note.at);
    restored = true;
  });
  return restored;
}

}  // namespace glionode::storage
