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
  kRestored,    ///< same bytes again, whose file housekeeping had removed: it is there again
  kSuperseded,  ///< an older file of the UID that the sweep found after a newer one: kept, not current, nothing touched
};

struct StudyCounts {
  std::int64_t studies = 0, instances = 0;  ///< instances: all versions, as there are files
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
  /// The same, as much of it as tells a resend.
  std::optional<VersionRecord> FindVersion(const std::string& sop_instance_uid) const;
  bool HasFile(const std::string& file) const;
  /// Those of many files (relative paths) that have no row: the sweep's question.
  std::vector<std::string> WithoutRow(const std::vector<std::string>& files) const;

  /// Adds one instance. A candidate (kNew, kNewVersion) makes or touches its study: changes + 1, from_ae, last_arrival
  /// = received_at. What becomes of the study:
  /// - reported, failed, parked or ignored: back to receiving, first_arrival = received_at (a new round; `accepted` is
  ///   kept, the watcher judges anew);
  /// - running: stays running, the job is not disturbed; Finish sees that `changes` moved on. The first such image
  ///   starts the next round (first_arrival);
  /// - ready: stays ready; Jobs::Claim drops the stale job and sends the study back to receiving;
  /// - receiving: goes on.
  /// Other kinds never make or touch a study, but a rejection note (takes_back) changes the one that it belongs to, if
  /// it is there: changes + 1, back to receiving unless it is ignored. An image that comes again under another study,
  /// or turns from candidate into something else, changes the study that it left too (changes + 1, but `ignored` stays
  /// ignored). Only the bytes of the current version count as a duplicate: older bytes that come again are the newest
  /// version. After kDuplicate with a file of its own, the file is of no use if HasFile says no
  /// (FileStore::RemoveInstance).
  AddResult Add(const InstanceRecord& instance);
  /// Many files that were found without a row, at once, in one transaction: all or, if it throws, none. One that came
  /// before the current version, by time and number, is kSuperseded.
  std::vector<AddResult> AddAll(const std::vector<InstanceRecord>& instances);
  /// What senders have just brought, in order; later ones of one UID are newer, all are newer than what is there. Their
  /// files are durable: the rows need not be, the sweep makes them again (Database::WriteSoon).
  std::vector<AddResult> AddReceived(const std::vector<InstanceRecord>& instances);

  std::optional<StudyRecord> Find(const std::string& study_uid) const;
  /// Studies in these states, oldest last_arrival first.
  std::vector<StudyRecord> List(const std::vector<StudyState>& states, int limit = 1000, int offset = 0) const;
  /// Newest first, all states.
  std::vector<StudyRecord> Page(int limit, int offset) const;
  /// Current instances of a study, by SOP Instance UID.
  std::vector<InstanceRecord> Instances(const std::string& study_uid) const;
  /// All versions of the current instances that have come with more than one content, oldest first.
  std::vector<InstanceRecord> Versions(const std::string& study_uid) const;
  std::vector<InstanceRecord> Candidates(const std::string& study_uid) const;
  /// Current objects of one SOP class in a study that are neither candidates nor ours.
  std::vector<InstanceRecord> Others(const std::string& study_uid, const std::string& sop_class_uid) const;

  /// The distinct identities of a study's current candidate images.
  std::vector<std::string> Identities(const std::string& study_uid) const;

  /// A judgement of the watcher. Compare-and-set on `changes`: false if an image arrived in between or the study does
  /// not exist (nothing is written then). `why` replaces the old one. kReceiving means accepted (`accepted` is set) and
  /// waiting, kIgnored clears `accepted`; every state but kReceiving sets judged_changes.
  bool SetState(const std::string& study_uid, StudyState state, const std::string& why, std::int64_t expected_changes);
  /// Without condition (pipeline, administrator); judged_changes stays as it is. Sets `accepted` like SetState.
  void ForceState(const std::string& study_uid, StudyState state, const std::string& why);
  /// Roles are replaced as a whole.
  void SetRoles(const std::string& study_uid, const std::vector<SeriesRoleRecord>& roles);
  std::vector<SeriesRoleRecord> Roles(const std::string& study_uid) const;

  StudyCounts Counts() const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
