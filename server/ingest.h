#pragma once
#include "config/clock.h"
#include "dicom/instance_sink.h"
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/study_index.h"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace glionode::server {

/// Takes what the receiver got: file durable first, then the index row, then the answer (promise 1).
/// Threads: Store from many association threads at once; one SOP Instance UID is worked on by one thread at a time.
class Ingest : public dicom::InstanceSink {
 public:
  /// All must outlive this object. `on_change` is called (from association threads) when a study got a new candidate
  /// image or an association ended.
  Ingest(storage::FileStore& files, storage::StudyIndex& index, storage::Jobs& jobs, const Clock& clock,
         std::string device_uid, std::function<void()> on_change);

  void Store(const dicom::ReceivedInstance& instance) override;
  void AssociationEnded(const dicom::AssociationEnd& end) override;

  /// Is an association still open, or was one lost without a release, that brought images of this study? (early_start
  /// asks.)
  bool MayStillArrive(const std::string& study_uid) const;

  /// Indexes files that have no row: what a crash left between the file and its row. Returns how many. Unreadable files
  /// are said in the log and kept.
  int SweepUnindexed();

 private:
  storage::InstanceRecord Describe(const std::filesystem::path& file, const dicom::ReceivedInstance* received) const;

  storage::FileStore& files_;
  storage::StudyIndex& index_;
  storage::Jobs& jobs_;
  const Clock& clock_;
  std::string device_uid_;
  std::function<void()> on_change_;
  std::array<std::mutex, 64> by_uid_;  ///< striped: two associations that bring one UID take turns
  mutable std::mutex open_mutex_;
  std::map<std::uint64_t, std::set<std::string>> open_;  ///< association -> studies
  std::set<std::string> lost_;                           ///< studies whose association was not released
};

}  // namespace glionode::server
