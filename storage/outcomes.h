#pragma once
#include "config/clock.h"
#include "storage/database.h"

#include <cstdint>
#include <string>
#include <vector>

namespace glionode::storage {

/// What became known later about a study.
struct OutcomeRecord {
  std::int64_t id = 0;
  std::string study_uid;
  std::string label;     ///< recurrence, necrosis, mixed, neither, unknown
  std::string standard;  ///< pathology or follow-up
  std::string date;      ///< of the specimen or the follow-up, YYYY-MM-DD
  std::string recorded_by;
  WallMs recorded_at = 0;
};

/// A study that was reported, by one bundle, with its newest outcome (label empty: none).
struct ReportedStudy {
  std::string study_uid;
  std::string identity;  ///< opaque: equal for studies of one patient
  std::string bundle_sha256;
  std::string result_json;  ///< of the bundle's newest result of the study
  WallMs first_arrival = 0;
  OutcomeRecord outcome;
  bool withdrawn = false;  ///< this result was taken back, and all before it
};

/// Outcomes that people enter, for figures at this site. Threads: any. Errors: as Database.
class Outcomes {
 public:
  explicit Outcomes(Database& database);
  /// Adds one; the newest of a study counts. Error{kNotFound} for a study that the index does not know. Returns the
  /// stored row.
  OutcomeRecord Add(const OutcomeRecord& outcome);
  /// Newest first.
  std::vector<OutcomeRecord> OfStudy(const std::string& study_uid) const;
  /// Every study and bundle with a result, oldest study first; the bundle is told by result_json's bundle.sha256. Of a
  /// study that was taken back and reported anew only what came after counts; with nothing after it is `withdrawn`.
  std::vector<ReportedStudy> Reported() const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
