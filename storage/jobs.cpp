#include "storage/jobs.h"

#include "config/error.h"
#include "storage/rows.h"

#include <set>

namespace glionode::storage {
namespace {

const std::string kJobColumns = std::string("SELECT ") + JobRow::kColumns + " FROM jobs";
const std::string kResultColumns = std::string("SELECT ") + ResultRow::kColumns + " FROM results";

std::optional<JobRecord> JobById(soci::session& session, std::int64_t id) {
  return SelectFirst<JobRow>(session, kJobColumns + " WHERE id = :id", {Text(id)});
}

JobRecord RequireJob(soci::session& session, std::int64_t id) {
  auto job = JobById(session, id);
  if (!job) throw Error(ErrorCode::kNotFound, "there is no job " + Text(id) + "; its study was judged anew, perhaps");
  return *std::move(job);
}

std::optional<StudyRecord> StudyByUid(soci::session& session, const std::string& study_uid) {
  return SelectFirst<StudyRow>(
      session, std::string("SELECT ") + StudyRow::kColumns + " FROM studies WHERE study_uid = :study", {study_uid});
}

StudyRecord RequireStudy(soci::session& session, const std::string& study_uid) {
  auto study = StudyByUid(session, study_uid);
  if (!study) throw Error(ErrorCode::kNotFound, "there is no study " + study_uid);
  return *std::move(study);
}

bool IsAtWork(StudyState state) { return state == StudyState::kReady || state == StudyState::kRunning; }

/// Where a study stands whose job is in this state.
StudyState StateByJob(JobState state) {
  switch (state) {
    case JobState::kReady:
      return StudyState::kReady;
    case JobState::kRunning:
      return StudyState::kRunning;
    case JobState::kDone:
      return StudyState::kReported;
    case JobState::kFailed:
      return StudyState::kFailed;
  }
  return StudyState::kFailed;
}

void SetStudyState(soci::session& session, const std::string& study_uid, StudyState state) {
  Execute(session, "UPDATE studies SET state = :state WHERE study_uid = :study", {Word(state), study_uid});
}

void SetStudyState(soci::session& session, const std::string& study_uid, StudyState state, const std::string& why) {
  Execute(session, "UPDATE studies SET state = :state, why = :why WHERE study_uid = :study",
          {Word(state), why, study_uid});
}

/// Ready jobs whose study has got another candidate image: the watcher must judge those studies again.
void DropStaleJobs(soci::session& session) {
  const auto stale = SelectAll<CountRow>(session,
                                         "SELECT j.id FROM jobs j JOIN studies s ON s.study_uid = j.study_uid "
                                         "WHERE j.state = 'ready' AND s.changes <> s.judged_changes");
  for (const std::int64_t id : stale) {
    Execute(session,
            "UPDATE studies SET state = 'receiving' WHERE state IN ('ready', 'running') AND study_uid = "
            "(SELECT study_uid FROM jobs WHERE id = :id)",
            {Text(id)});
    Execute(session, "DELETE FROM jobs WHERE id = :id", {Text(id)});
  }
}

void InsertObjects(soci::session& session, const ResultRecord& result, const std::vector<NewObject>& objects,
                   OutboxState state, WallMs now) {
  for (const NewObject& entry : objects) {
    const ObjectRecord& object = entry.object;
    Execute(session,
            "INSERT INTO objects (result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind) VALUES "
            "(:result, :class, :uid, :series, :file, :sha256, :kind)",
            {Text(result.id), object.sop_class_uid, object.sop_instance_uid, object.series_uid, object.file,
             object.sha256, object.kind});
    const std::int64_t object_id = LastId(session);
    for (const std::string& peer : std::set<std::string>(entry.peers.begin(), entry.peers.end()))
      Execute(session,
              "INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, changed_at, "
              "last_status) VALUES (:object, :study, :peer, :state, 0, :next, :created, :changed, '')",
              {Text(object_id), result.study_uid, peer, Word(state), Text(now), Text(now), Text(now)});
  }
}

}  // namespace

Jobs::Jobs(Database& database) : database_(database) {}

std::optional<JobRecord> Jobs::Create(const JobRecord& job, std::int64_t expected_changes) {
  std::optional<JobRecord> created;
  database_.Write([&](soci::session& session) {
    const StudyRecord study = RequireStudy(session, job.study_uid);
    if (study.changes != expected_changes) return;
    const auto known = SelectFirst<JobRow>(session, kJobColumns + " WHERE study_uid = :study AND input_key = :key",
                                           {job.study_uid, job.input_key});
    if (!known &&
        !SelectAll<CountRow>(session, "SELECT id FROM jobs WHERE study_uid = :study AND state IN ('ready', 'running')",
                             {job.study_uid})
             .empty())
      return;
    Execute(session, "UPDATE studies SET judged_changes = changes WHERE study_uid = :study", {job.study_uid});
    if (known) {
      if (known->state == JobState::kFailed)
        SetStudyState(session, job.study_uid, StudyState::kFailed, known->last_error);
      else
        SetStudyState(session, job.study_uid, StateByJob(known->state));
      return;
    }
    Execute(session,
            "INSERT INTO jobs (study_uid, input_key, revision, state, attempt, owner, lease_until, last_error, "
            "created_at, inputs_json) VALUES (:study, :key, :revision, 'ready', 0, '', 0, '', :created, :inputs)",
            {job.study_uid, job.input_key, Text(study.revision + 1), Text(job.created_at), job.inputs_json});
    created = RequireJob(session, LastId(session));
    Execute(session, "UPDATE studies SET state = 'ready', accepted = 1 WHERE study_uid = :study", {job.study_uid});
  });
  return created;
}

std::optional<JobRecord> Jobs::Claim(const std::string& owner, WallMs now, WallMs lease_until,
                                     const std::vector<std::string>& resting_peers) {
  std::string not_resting;
  std::vector<std::string> parameters = {Text(now)};
  for (const std::string& peer : resting_peers) {
    not_resting += (not_resting.empty() ? "AND s.from_ae NOT IN (:p" : ", :p") +
                   Text(static_cast<std::int64_t>(parameters.size()));
    parameters.push_back(peer);
  }
  if (!not_resting.empty()) not_resting += ") ";
  std::optional<JobRecord> claimed;
  database_.Write([&](soci::session& session) {
    DropStaleJobs(session);
    const auto next =
        SelectFirst<CountRow>(session,
                              "SELECT j.id FROM jobs j JOIN studies s ON s.study_uid = j.study_uid "
                              "WHERE j.state IN ('ready', 'running') AND (j.state = 'ready' OR j.lease_until <= :now) "
                              "AND s.state IN ('ready', 'running') " +
                                  not_resting + "ORDER BY j.created_at DESC, j.id DESC LIMIT 1",
                              parameters);
    if (!next) return;
    Execute(session,
            "UPDATE jobs SET state = 'running', owner = :owner, lease_until = :lease, started_at = :now, "
            "attempt = attempt + 1 WHERE id = :id",
            {owner, Text(lease_until), Text(now), Text(*next)});
    claimed = RequireJob(session, *next);
    SetStudyState(session, claimed->study_uid, StudyState::kRunning);
  });
  return claimed;
}

std::vector<std::pair<std::string, std::int64_t>> Jobs::StartedSince(WallMs since, WallMs now) const {
  std::vector<std::pair<std::string, std::int64_t>> started;
  database_.Read([&](soci::session& session) {
    started = SelectAll<WordCountRow>(session,
                                      "SELECT s.from_ae, count(*) FROM jobs j JOIN studies s ON s.study_uid = "
                                      "j.study_uid WHERE j.started_at > :since AND j.started_at <= :now "
                                      "GROUP BY s.from_ae",
                                      {Text(since), Text(now)});
  });
  return started;
}

bool Jobs::Renew(std::int64_t job_id, const std::string& owner, WallMs lease_until) {
  bool renewed = false;
  database_.Write([&](soci::session& session) {
    renewed =
        Execute(session, "UPDATE jobs SET lease_until = :lease WHERE id = :id AND owner = :owner AND state = 'running'",
                {Text(lease_until), Text(job_id), owner}) > 0;
  });
  return renewed;
}

int Jobs::ReleaseAbandoned() {
  std::int64_t released = 0;
  database_.Write([&](soci::session& session) {
    Execute(session,
            "UPDATE studies SET state = 'ready' WHERE state = 'running' AND study_uid IN "
            "(SELECT study_uid FROM jobs WHERE state = 'running')");
    released = Execute(session, "UPDATE jobs SET state = 'ready', owner = '', lease_until = 0 WHERE state = 'running'");
  });
  return static_cast<int>(released);
}

void Jobs::Fail(std::int64_t job_id, const std::string& error, bool try_again) {
  database_.Write([&](soci::session& session) {
    const JobRecord job = RequireJob(session, job_id);
    if (job.state == JobState::kDone || job.state == JobState::kFailed) return;
    const StudyRecord study = RequireStudy(session, job.study_uid);
    Execute(session, "UPDATE jobs SET state = :state, owner = '', lease_until = 0, last_error = :error WHERE id = :id",
            {Word(try_again ? JobState::kReady : JobState::kFailed), error, Text(job_id)});
    if (!IsAtWork(study.state)) return;  // somebody parked it meanwhile
    if (try_again)
      SetStudyState(session, job.study_uid, StudyState::kReady);
    else if (study.changes == study.judged_changes)
      SetStudyState(session, job.study_uid, StudyState::kFailed, error);
    else
      SetStudyState(session, job.study_uid, StudyState::kReceiving);
  });
}

void Jobs::PutBack(std::int64_t job_id, const std::string& why) {
  database_.Write([&](soci::session& session) {
    const JobRecord job = RequireJob(session, job_id);
    if (job.state != JobState::kRunning) return;
    Execute(session,
            "UPDATE jobs SET state = 'ready', owner = '', lease_until = 0, attempt = max(attempt - 1, 0), "
            "last_error = :why WHERE id = :id",
            {why, Text(job_id)});
    if (RequireStudy(session, job.study_uid).state == StudyState::kRunning)
      SetStudyState(session, job.study_uid, StudyState::kReady);
  });
}

bool Jobs::RetryFailed(const std::string& study_uid) {
  bool retried = false;
  database_.Write([&](soci::session& session) {
    const auto study = StudyByUid(session, study_uid);
    if (!study || study->state != StudyState::kFailed || study->changes != study->judged_changes) return;
    const auto job = SelectFirst<JobRow>(
        session, kJobColumns + " WHERE study_uid = :study AND state = 'failed' ORDER BY id DESC LIMIT 1", {study_uid});
    if (!job) return;
    // Another job may have been done since: this one's answer would be the next revision.
    Execute(session, "UPDATE jobs SET state = 'ready', attempt = 0, revision = :revision WHERE id = :id",
            {Text(study->revision + 1), Text(job->id)});
    SetStudyState(session, study_uid, StudyState::kReady, "");
    retried = true;
  });
  return retried;
}

bool Jobs::ReturnParked(const std::string& study_uid, const std::string& why) {
  bool returned = false;
  database_.Write([&](soci::session& session) {
    const auto study = StudyByUid(session, study_uid);
    if (!study || study->state != StudyState::kParked || study->why.rfind(why, 0) != 0) return;
    if (SelectFirst<CountRow>(session, "SELECT id FROM outbox WHERE study_uid = :study AND state = 'parked' LIMIT 1",
                              {study_uid}))
      return;
    const auto newest =
        SelectFirst<JobRow>(session, kJobColumns + " WHERE study_uid = :study ORDER BY id DESC LIMIT 1", {study_uid});
    if (!newest || study->changes != study->judged_changes)
      SetStudyState(session, study_uid, StudyState::kReceiving, "");
    else
      SetStudyState(session, study_uid, StateByJob(newest->state),
                    newest->state == JobState::kFailed ? newest->last_error : "");
    returned = true;
  });
  return returned;
}

ResultRecord Jobs::Finish(std::int64_t job_id, const ResultRecord& result, const std::vector<NewObject>& objects,
                          WallMs now) {
  ResultRecord stored;
  database_.Write([&](soci::session& session) {
    const JobRecord job = RequireJob(session, job_id);
    if (job.state == JobState::kFailed)
      throw Error(ErrorCode::kNotAllowed, "job " + Text(job_id) + " has failed already; its late answer is not kept");
    const auto before = SelectFirst<ResultRow>(session, kResultColumns + " WHERE job_id = :id", {Text(job_id)});
    if (before) {
      stored = *before;
      return;
    }
    const StudyRecord study = RequireStudy(session, job.study_uid);
    stored = result;
    stored.job_id = job.id;
    stored.study_uid = job.study_uid;
    stored.input_key = job.input_key;
    stored.revision = job.revision;
    stored.created_at = now;
    Execute(session,
            "INSERT INTO results (job_id, study_uid, input_key, revision, decision, created_at, result_json) VALUES "
            "(:job, :study, :key, :revision, :decision, :created, :json)",
            {Text(stored.job_id), stored.study_uid, stored.input_key, Text(stored.revision), stored.decision, Text(now),
             stored.result_json});
    stored.id = LastId(session);
    // Only those that it is addressed to: a sender that was noted after the receivers had been chosen is a late one.
    std::set<std::string> receivers;
    for (const NewObject& entry : objects) receivers.insert(entry.peers.begin(), entry.peers.end());
    for (const std::string& peer : receivers)
      Execute(session,
              "UPDATE study_peers SET served_revision = :revision WHERE study_uid = :study AND peer_ae = :peer",
              {Text(stored.revision), stored.study_uid, peer});
    const bool parked = study.state == StudyState::kParked;
    InsertObjects(session, stored, objects, parked ? OutboxState::kParked : OutboxState::kPending, now);
    Execute(session, "UPDATE jobs SET state = 'done', owner = '', lease_until = 0 WHERE id = :id", {Text(job_id)});
    Execute(session, "UPDATE studies SET revision = :revision WHERE study_uid = :study",
            {Text(stored.revision), job.study_uid});
    if (IsAtWork(study.state))
      SetStudyState(session, job.study_uid,
                    study.changes == study.judged_changes ? StudyState::kReported : StudyState::kReceiving);
  });
  return stored;
}

std::optional<JobRecord> Jobs::Find(std::int64_t job_id) const {
  std::optional<JobRecord> found;
  database_.Read([&](soci::session& session) { found = JobById(session, job_id); });
  return found;
}

std::vector<JobRecord> Jobs::OfStudy(const std::string& study_uid) const {
  std::vector<JobRecord> jobs;
  database_.Read([&](soci::session& session) {
    jobs = SelectAll<JobRow>(session, kJobColumns + " WHERE study_uid = :study ORDER BY id DESC", {study_uid});
  });
  return jobs;
}

std::vector<ResultRecord> Jobs::Results(const std::string& study_uid) const {
  std::vector<ResultRecord> results;
  database_.Read([&](soci::session& session) {
    results =
        SelectAll<ResultRow>(session, kResultColumns + " WHERE study_uid = :study ORDER BY revision DESC", {study_uid});
  });
  return results;
}

std::optional<ResultRecord> Jobs::NewestResult(const std::string& study_uid) const {
  std::optional<ResultRecord> found;
  database_.Read([&](soci::session& session) {
    found = SelectFirst<ResultRow>(session, kResultColumns + " WHERE study_uid = :study ORDER BY revision DESC LIMIT 1",
                                   {study_uid});
  });
  return found;
}

std::optional<ResultRecord> Jobs::ResultByKey(const std::string& input_key) const {
  std::optional<ResultRecord> found;
  database_.Read([&](soci::session& session) {
    found = SelectFirst<ResultRow>(session, kResultColumns + " WHERE input_key = :key ORDER BY id DESC LIMIT 1",
                                   {input_key});
  });
  return found;
}

std::vector<ObjectRecord> Jobs::Objects(std::int64_t result_id) const {
  std::vector<ObjectRecord> objects;
  database_.Read([&](soci::session& session) {
    objects = SelectAll<ObjectRow>(
        session, std::string("SELECT ") + ObjectRow::kColumns + " FROM objects o WHERE o.result_id = :id ORDER BY o.id",
        {Text(result_id)});
  });
  return objects;
}

bool Jobs::IsOwnObject(const std::string& sop_instance_uid) const {
  bool own = false;
  database_.Read([&](soci::session& session) {
    own = !SelectAll<CountRow>(session, "SELECT id FROM objects WHERE sop_instance_uid = :uid", {sop_instance_uid})
               .empty();
  });
  return own;
}

std::optional<JobRecord> Jobs::JobOfResult(std::int64_t result_id) const {
  std::optional<JobRecord> found;
  database_.Read([&](soci::session& session) {
    found = SelectFirst<JobRow>(session, kJobColumns + " WHERE id = (SELECT job_id FROM results WHERE id = :id)",
                                {Text(result_id)});
  });
  return found;
}

int Jobs::CountReady() const {
  std::int64_t count = 0;
  database_.Read([&](soci::session& session) {
    count = SelectAll<CountRow>(session,
                                "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running') AND "
                                "state = 'ready'")
                .front();
  });
  return static_cast<int>(count);
}

}  // namespace glionode::storage
