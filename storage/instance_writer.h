#pragma once
#include "storage/records.h"
#include "storage/study_index.h"

#include <soci/soci.h>

#include <string>

namespace glionode::storage {

/// Internal to storage/: what StudyIndex::Add does, with its statements prepared once for many instances. Lives inside
/// one transaction.
class InstanceWriter {
 public:
  /// Where an instance comes from: from its sender just now, or from a file that had no row.
  enum class Origin { kReceived, kFound };
  InstanceWriter(soci::session& session, Origin origin);
  AddResult Add(const InstanceRecord& instance);

 private:
  /// What the index knows under the instance's UID.
  struct Known {
    bool any = false, file_known = false;
    long long newest_version = 0;
    long long current_id = 0, current_received_at = 0;
    std::string current_sha256, current_file, current_study;
    bool current_removed = false;
    bool current_is_candidate = false;
  };
  Known Lookup();
  bool IsOlder(const Known& known) const;
  void Insert(long long version, bool current);
  void TouchStudy();
  void TouchLoser(const std::string& study_uid);

  soci::session& session_;
  const Origin origin_;
  // Targets and sources of the prepared statements: they are bound to these places.
  InstanceRecord instance_;
  std::string kind_;
  long long version_ = 0, current_ = 0, bytes_ = 0, received_at_ = 0;
  long long found_id_ = 0, found_version_ = 0, found_current_ = 0, found_removed_ = 0, found_received_at_ = 0;
  std::string found_sha256_, found_file_, found_study_, found_kind_;
  soci::statement lookup_, insert_, touch_, note_sender_;
};

}  // namespace glionode::storage
