#include "storage/restore.h"

#include "storage/rows.h"

namespace glionode::storage {

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
      const ObjectRecord& object = entry.object;
      Execute(session,
              "INSERT INTO objects (result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind) VALUES "
              "(:result, :class, :uid, :series, :file, :sha256, :kind)",
              {Text(result_id), object.sop_class_uid, object.sop_instance_uid, object.series_uid, object.file,
               object.sha256, object.kind});
      const std::int64_t object_id = LastId(session);
      for (const std::string& peer : std::set<std::string>(entry.peers.begin(), entry.peers.end())) {
        const bool sent = remembered.delivered.count({peer, object.sop_instance_uid}) > 0;
        Execute(session,
                "INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, changed_at, "
                "last_status) VALUES (:object, :study, :peer, :state, 0, :next, :created, :changed, :status)",
                {Text(object_id), job.study_uid, peer, sent ? "sent" : "pending", Text(not_before),
                 Text(result.created_at), Text(result.created_at), sent ? "sent before the index was made anew" : ""});
        Execute(session,
                "INSERT INTO study_peers (study_uid, peer_ae, first_at, served_revision) VALUES (:study, :peer, :at, "
                ":served) ON CONFLICT (study_uid, peer_ae) DO UPDATE SET served_revision = excluded.served_revision",
                {job.study_uid, peer, Text(result.created_at), Text(job.revision)});
      }
    }
    restored = true;
  });
  return restored;
}

}  // namespace glionode::storage
