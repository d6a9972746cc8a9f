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
  /// expected one and the input key is new. Empty: an image arrived in between, or the key is known (the study then
  /// goes back to reported without a new revision).
  std::optional<JobRecord> Create(const JobRecord& job, std::int64_t expected_changes);

  /// Takes the newest ready job, or one whose lease is over: running, owner, lease, attempt + 1. Study goes to running.
  std::optional<JobRecord> Claim(const std::string& owner, WallMs now, WallMs lease_until);
  void Renew(std::int64_t job_id, const std::string& owner, WallMs lease_until);
  /// At start: running jobs of a process that is gone become ready again (attempt stays counted).
  int ReleaseAbandoned();

  /// The part broke: ready again (attempts left) or failed with the study.
  void Fail(std::int64_t job_id, const std::string& error, bool try_again);

  /// Result, objects and outbox rows, job done, study reported, in one transaction. The study goes back to receiving
  /// instead if images arrived meanwhile (`changes` differs).
  ResultRecord Finish(std::int64_t job_id, const ResultRecord& result, const std::vector<NewObject>& objects,
                      WallMs now);

  std::optional<JobRecord> Find(std::int64_t job_id) const;
  std::vector<JobRecord> OfStudy(const std::string& study_uid) const;
  std::optional<ResultRecord> NewestResult(const std::string& study_uid) const;
  std::optional<ResultRecord> ResultByKey(const std::string& input_key) const;
  std::vector<ObjectRecord> Objects(std::int64_t result_id) const;
  /// Is this one of our own SOP Instance UIDs?
  bool IsOwnObject(const std::string& sop_instance_uid) const;
  int CountReady() const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
