#pragma once
#include "storage/database.h"
#include "storage/records.h"

#include <optional>
#include <string>
#include <vector>

namespace glionode::storage {

/// An object row to be written with its result, and the peers it goes to.
struct NewObject {
  ObjectRecord object;
  std::vector<std::string> peers;  ///< empty: delivered to nobody (deliver = "none")
};

/// Jobs and results.
/// Threads: any. Errors: as Database.
class Jobs {
 public:
  explicit Jobs(Database& database);

  /// Makes the job row `ready` and moves the study to ready, in one transaction, if `changes` of the study is still the
  /// expected one and the input key is new. Of `job` it takes study_uid, input_key, inputs_json and created_at; the
  /// revision is the study's + 1. judged_changes = expected_changes, and the study counts as accepted. Empty, and no
  /// job made:
  /// - an image arrived in between, or the study has an unfinished job under another key: nothing is written;
  /// - the key is known: the study goes to what became of that job (reported without a new revision; failed; or ready
  ///   or running, when it is not finished), and judged_changes is set.
  /// Error{kNotFound} for a study that does not exist.
  std::optional<JobRecord> Create(const JobRecord& job, std::int64_t expected_changes);

  /// Takes the newest ready job, or one whose lease is over (lease_until <= now): running, owner, lease, attempt + 1.
  /// Study goes to running. Ready jobs whose study got another candidate image since are dropped first, and the study
  /// goes back to receiving: no report on fewer images than there are. Jobs of a study that somebody parked, ignored or
  /// failed by hand are left alone.
  /// Jobs of studies that came last from one of `resting_peers` wait.
  std::optional<JobRecord> Claim(const std::string& owner, WallMs now, WallMs lease_until,
                                 const std::vector<std::string>& resting_peers = {});
  /// How many jobs of each peer's studies were taken since then (each counts once, when it was taken last). One that
  /// was taken after `now` does not count: the clock has been set back since.
  std::vector<std::pair<std::string, std::int64_t>> StartedSince(WallMs since, WallMs now) const;
  /// False: the job is not this owner's any more.
  bool Renew(std::int64_t job_id, const std::string& owner, WallMs lease_until);
  /// At start: running jobs of a process that is gone become ready again (attempt stays counted). The data folder's
  /// lock says that nobody else runs.
  int ReleaseAbandoned();

  /// The part broke: ready again (attempts left) or failed with the study (`why` = error; receiving instead, if images
  /// arrived meanwhile). Nothing happens to a job that is finished. Error{kNotFound} for a job that does not exist.
  void Fail(std::int64_t job_id, const std::string& error, bool try_again);
  /// The node could not do it (full disk, index out of reach), whatever the study is: ready again, and the attempt does
  /// not count. Nothing happens to a job that is not running.
  void PutBack(std::int64_t job_id, const std::string& why);
  /// By hand: the failed job of a failed study becomes ready again with attempt 0, and the study with it. False if
  /// there is none, or images arrived since (the watcher judges those).
  bool RetryFailed(const std::string& study_uid);

  /// A study that is parked for a reason that begins with `why`, and of which no outbox row is parked any more, goes
  /// back to what its newest job says; to receiving, where images came that no job knows. False: nothing has changed.
  bool ReturnParked(const std::string& study_uid, const std::string& why);

  /// Result, objects and outbox rows, job done, study reported, in one transaction. The study goes back to receiving
  /// instead if images arrived meanwhile (`changes` differs from judged_changes). Ids, job_id, study_uid, input_key and
  /// revision of the result come from the job, created_at from `now`. The job may have lost its lease, its answer
  /// counts all the same; a second Finish of one job changes nothing and returns the stored result. A study that
  /// somebody parked meanwhile stays parked, and the outbox rows are parked with it. Of the study's senders, those that
  /// get an object count as served; the others are among Peers::LateSenders until they are. Error{kNotFound} for a job
  /// that does not exist (dropped), Error{kNotAllowed} for one that has failed.
  ResultRecord Finish(std::int64_t job_id, const ResultRecord& result, const std::vector<NewObject>& objects,
                      WallMs now);

  std::optional<JobRecord> Find(std::int64_t job_id) const;
  /// Newest first.
  std::vector<JobRecord> OfStudy(const std::string& study_uid) const;
  /// Newest first.
  std::vector<ResultRecord> Results(const std::string& study_uid) const;
  std::optional<ResultRecord> NewestResult(const std::string& study_uid) const;
  std::optional<ResultRecord> ResultByKey(const std::string& input_key) const;
  /// In the order in which they were given to Finish.
  std::vector<ObjectRecord> Objects(std::int64_t result_id) const;
  /// Is this one of our own SOP Instance UIDs?
  bool IsOwnObject(const std::string& sop_instance_uid) const;
  /// The identity-bearing inputs of a result: those of its job.
  std::optional<JobRecord> JobOfResult(std::int64_t result_id) const;
  int CountReady() const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
