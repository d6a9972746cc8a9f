#include "server/ingest.h"

#include "config/error.h"
#include "config/log.h"
#include "dicom/dataset_hash.h"
#include "dicom/header_reader.h"

#include <algorithm>
#include <sys/stat.h>
#include <utility>

namespace glionode::server {
namespace {

/// Removes the staged file unless it was taken.
class StagedFile {
 public:
  explicit StagedFile(std::filesystem::path file) : file_(std::move(file)) {}
  ~StagedFile() {
    std::error_code ignored;
    if (!taken_) std::filesystem::remove(file_, ignored);
  }
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;
  void Taken() { taken_ = true; }

 private:
  std::filesystem::path file_;
  bool taken_ = false;
};

WallMs ModifiedAt(const std::filesystem::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return 0;
  return WallMs{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1000000;
}

}  // namespace

Ingest::Ingest(storage::FileStore& files, storage::StudyIndex& index, storage::Jobs& jobs, const Clock& clock,
               std::string device_uid, std::function<void()> on_change)
    : files_(files),
      index_(index),
      jobs_(jobs),
      clock_(clock),
      device_uid_(std::move(device_uid)),
      on_change_(std::move(on_change)) {}

storage::InstanceRecord Ingest::Describe(const std::filesystem::path& file,
                                         const dicom::ReceivedInstance* received) const {
  const dicom::InstanceHeader header = dicom::ReadHeader(file);
  if (received != nullptr && header.sop_instance_uid != received->sop_instance_uid)
    throw Error(ErrorCode::kWrongSopClass,
                "the data set's SOP Instance UID differs from the command's (" + received->sop_instance_uid + ")");
  if (received != nullptr && header.sop_class_uid != received->sop_class_uid)
    throw Error(ErrorCode::kWrongSopClass,
                "the data set's SOP Class UID differs from the command's (" + received->sop_class_uid + ")");
  storage::InstanceRecord record;
  record.sop_instance_uid = header.sop_instance_uid;
  record.sop_class_uid = header.sop_class_uid;
  record.series_uid = header.series_uid;
  record.study_uid = header.study_uid;
  record.transfer_syntax_uid = header.transfer_syntax_uid;
  record.from_ae = received != nullptr ? received->peer.calling_ae : header.calling_ae;
  record.sha256 = received != nullptr ? received->sha256 : dicom::DatasetSha256(file);
  record.bytes = received != nullptr ? received->bytes : static_cast<std::int64_t>(std::filesystem::file_size(file));
  record.received_at = received != nullptr ? clock_.Wall() : ModifiedAt(file);
  record.header_json = dicom::HeaderToJson(header);
  record.identity = dicom::IdentityKey(header);
  const auto& devices = header.contributing_device_uids;
  if (std::find(devices.begin(), devices.end(), device_uid_) != devices.end() ||
      jobs_.IsOwnObject(header.sop_instance_uid))
    record.kind = storage::InstanceKind::kOwn;
  else if (dicom::IsCandidateImage(header))
    record.kind = storage::InstanceKind::kCandidate;
  return record;
}

void Ingest::Store(const dicom::ReceivedInstance& instance) {
  StagedFile staged(instance.staged_file);
  storage::InstanceRecord record = Describe(instance.staged_file, &instance);
  {
    const std::size_t stripe = std::hash<std::string>{}(record.sop_instance_uid) % by_uid_.size();
    const std::lock_guard lock(by_uid_[stripe]);
    const auto known = index_.FindCurrent(record.sop_instance_uid);
    if (known && known->sha256 == record.sha256 && known->study_uid == record.study_uid)
      return;  // a resend of the same bytes: Success, nothing changes
    record.file = files_.CommitInstance(instance.staged_file, record.study_uid, record.sop_instance_uid);
    staged.Taken();
    const storage::AddResult added = index_.Add(record);
    // Two associations brought the same bytes at once: the second file is of no use.
    if (added == storage::AddResult::kDuplicate && !index_.HasFile(record.file)) files_.RemoveInstance(record.file);
    if (added == storage::AddResult::kNewVersion)
      LogWarning("ingest", "other bytes under the known SOP Instance UID " + record.sop_instance_uid + " from " +
                               record.from_ae + ": both are kept, the newest is current");
  }
  if (record.kind == storage::InstanceKind::kCandidate) {
    const std::lock_guard lock(open_mutex_);
    open_[instance.peer.association].insert(record.study_uid);
    lost_.erase(record.study_uid);
  }
  on_change_();
}

void Ingest::AssociationEnded(const dicom::AssociationEnd& end) {
  {
    const std::lock_guard lock(open_mutex_);
    const auto found = open_.find(end.peer.association);
    if (found == open_.end()) return;
    if (!end.released) lost_.insert(found->second.begin(), found->second.end());
    open_.erase(found);
  }
  on_change_();
}

bool Ingest::MayStillArrive(const std::string& study_uid) const {
  const std::lock_guard lock(open_mutex_);
  if (lost_.count(study_uid)) return true;
  for (const auto& [association, studies] : open_)
    if (studies.count(study_uid)) return true;
  return false;
}

int Ingest::SweepUnindexed() {
  std::vector<std::string> files;
  files_.ForEachInstance([&files](const std::string& file) { files.push_back(file); });
  std::vector<storage::InstanceRecord> found;
  for (const std::string& file : index_.WithoutRow(files)) {
    try {
      storage::InstanceRecord record = Describe(files_.Root() / file, nullptr);
      record.file = file;
      found.push_back(std::move(record));
    } catch (const Error& e) {
      LogError("ingest", file + " has no row in the index and cannot be read: " + e.what());
    }
  }
  // In the order of arrival, so that the newest version of a UID becomes the current one.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.received_at < b.received_at; });
  if (!found.empty()) index_.AddAll(found);
  return static_cast<int>(found.size());
}

}  // namespace glionode::server
