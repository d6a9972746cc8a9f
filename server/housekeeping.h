#pragma once
#include "config/clock.h"
#include "config/settings.h"
#include "server/audit.h"
#include "storage/file_store.h"
#include "storage/removals.h"

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace glionode::server {

/// Removes what may go, by age and by free space, on record; and what an administrator orders.
/// Threads: RunOnce from one thread; the rest from any.
class Housekeeping {
 public:
  struct Parts {
    storage::FileStore& files;
    storage::Removals& removals;
    const Clock& clock;
    AuditTrail& audit;
    std::function<std::int64_t()> free_bytes;
    std::function<bool(const std::string& study_uid)> may_still_arrive;
  };
  Housekeeping(Parts parts, HousekeepingSettings settings, std::vector<PeerSettings> peers);

  void SetSettings(HousekeepingSettings settings, std::vector<PeerSettings> peers);
  /// What a crash left between record and files. At start, before the sweep that would take those files for new ones.
  int FinishUnfinished();
  /// Removes what may go now. Returns how many studies lost their images or records.
  int RunOnce();
  /// Removes a study whole: images, results, rows; the record of the removal stays. Error{kNotFound}; Error{kBusy}
  /// while it is evaluated or its images arrive. Returns how many files went.
  std::int64_t DeleteStudy(const std::string& study_uid, const std::string& why, const std::string& who);

 private:
  void RemoveFiles(const storage::Removal& removal);
  int RemoveImages(const storage::RemovableStudy& study, const std::string& why);

  Parts parts_;
  std::mutex mutex_;  ///< of the two below
  HousekeepingSettings settings_;
  std::vector<std::string> confirming_;  ///< peers whose results are to be confirmed
};

}  // namespace glionode::server
