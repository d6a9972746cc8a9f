#pragma once
#include "storage/database.h"
#include "storage/records.h"

#include <string>
#include <vector>

namespace glionode::storage {

/// A study whose images may go.
struct RemovableStudy {
  std::string study_uid;
  WallMs last_arrival = 0;
};

/// What was removed, or is to be: the record comes first, the files go after it.
struct Removal {
  std::int64_t id = 0;
  WallMs at = 0;
  std::string study_uid;
  std::string what;  ///< images, records (with what is left of the study), study
  std::string why;
  std::int64_t files = 0, bytes = 0;
  int revision = 0;                ///< of the study then
  bool done = false;               ///< the files are gone too
  std::vector<std::string> paths;  ///< of a new removal: the files of its instances, relative to the data folder
};

/// Taking things out of the index, on record. Order: the rows in one transaction with the record; then the caller
/// removes the files and says Finished. What a crash left between is in Unfinished.
/// Threads: any. Errors: as Database.
class Removals {
 public:
  explicit Removals(Database& database);  ///< must outlive this object

  /// Studies with images whose last one arrived before `arrived_before`, oldest first, for which nothing more is to be
  /// done: reported or ignored, no outbox row pending, dead or parked, and, for `confirming_peers`, none that is sent
  /// but not confirmed.
  std::vector<RemovableStudy> Removable(WallMs arrived_before, const std::vector<std::string>& confirming_peers,
                                        int limit) const;
  /// The images' rows stay, marked. An empty list of paths: it may not go any more (an image came in between).
  Removal RemoveImages(const RemovableStudy& study, const std::string& why, WallMs now);
  /// Studies without images whose newest result (or, without one, last image) is older.
  std::vector<std::string> OldRecords(WallMs before, int limit) const;
  /// Everything of a study: rows of instances, jobs, results, objects, outbox. Error{kNotFound}; Error{kBusy} while its
  /// job runs. `what`: "study" or "records".
  Removal RemoveStudy(const std::string& study_uid, const std::string& what, const std::string& why, WallMs now);

  void Finished(std::int64_t removal_id);
  std::vector<Removal> Unfinished() const;
  /// Newest first.
  std::vector<Removal> OfStudy(const std::string& study_uid) const;
  /// Studies of a patient: those with an instance whose identity begins with this text.
  std::vector<std::string> StudiesByIdentity(const std::string& identity_prefix) const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
