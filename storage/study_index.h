#pragma once
#include "storage/database.h"
#include "storage/records.h"

#include <optional>
#include <string>
#include <vector>

namespace glionode::storage {

enum class AddResult {
  kNew,         ///< first time
  kDuplicate,   ///< same bytes under a known UID: nothing changed
  kNewVersion,  ///< other bytes under a known UID: newest is current
};

struct StudyCounts {
  std::int64_t studies = 0, instances = 0;
  std::vector<std::pair<std::string, std::int64_t>> by_state;
};

/// Instances and the life of their studies.
/// Threads: any; writes are serialised inside. Errors: as Database.
class StudyIndex {
 public:
  explicit StudyIndex(Database& database);  ///< must outlive this object

  /// Is this file (relative path) or these bytes under this UID known? Used before a file is committed, so that a
  /// resend costs nothing.
  std::optional<InstanceRecord> FindCurrent(const std::string& sop_instance_uid) const;
  bool HasFile(const std::string& file) const;

  /// Adds one instance. A candidate (kNew, kNewVersion) makes or touches its study: last_arrival, changes + 1, from_ae;
  /// a study in state reported, failed or ignored goes back to receiving with first_arrival = now. Others never touch a
  /// timer.
  AddResult Add(const InstanceRecord& instance);
  /// Many at once, in one transaction (the sweep, group commits).
  std::vector<AddResult> AddAll(const std::vector<InstanceRecord>& instances);

  std::optional<StudyRecord> Find(const std::string& study_uid) const;
  /// Studies in these states, oldest last_arrival first.
  std::vector<StudyRecord> List(const std::vector<StudyState>& states, int limit = 1000, int offset = 0) const;
  /// Newest first, all states.
  std::vector<StudyRecord> Page(int limit, int offset) const;
  /// Current instances of a study.
  std::vector<InstanceRecord> Instances(const std::string& study_uid) const;
  std::vector<InstanceRecord> Candidates(const std::string& study_uid) const;

  /// Compare-and-set on `changes`: false if an image arrived in between (nothing is written then).
  bool SetState(const std::string& study_uid, StudyState state, const std::string& why, std::int64_t expected_changes);
  /// Without condition (pipeline, administrator).
  void ForceState(const std::string& study_uid, StudyState state, const std::string& why);
  /// Roles are replaced as a whole.
  void SetRoles(const std::string& study_uid, const std::vector<SeriesRoleRecord>& roles);
  std::vector<SeriesRoleRecord> Roles(const std::string& study_uid) const;

  StudyCounts Counts() const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
