#pragma once
#include "storage/database.h"
#include "storage/records.h"

#include <string>

namespace glionode::storage {

/// What persons have decided about parked studies. Threads: any. Errors: as Database.
class Releases {
 public:
  explicit Releases(Database& database) : database_(database) {}
  /// Keeps the decision and sends the parked study back to receiving, in one transaction. False, and nothing is
  /// written: the study is not parked, or an image has come since `study` was read.
  bool Release(const StudyRecord& study, const std::string& by, const std::string& reason, WallMs now);
  /// Has somebody released the study with exactly these images?
  bool IsReleased(const std::string& study_uid, std::int64_t changes) const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
