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

constexpr std::string_view kOurUids = "2.25.";  ///< so begins every UID that this node gives (dicom/uid.h)
constexpr auto kFlushAtEnd = std::chrono::seconds(10);
/// Larger objects get their place before the answer: then it costs little beside the rest, and a start after a crash
/// has little to hash.
constexpr std::int64_t kMayWait = 1 << 20;
constexpr std::size_t kFilesAtOnce = 1000, kRowsAtOnce = 500;  ///< of the sweep

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

bool HoldsDataset(const std::filesystem::path& file, const std::string& sha256) {
  try {
    return dicom::DatasetSha256(file) == sha256;
  } catch (const Error&) {
    return false;
  }
}

/// Throws where the file cannot be read: then nobody knows, and it must not go.
bool IsWhole(const std::filesystem::path& file, const storage::Seal& seal) {
  if (std::filesystem::file_size(file) != static_cast<std::uintmax_t>(seal.file_bytes)) return false;
  try {
    return dicom::DatasetSha256(file) == seal.dataset_sha256;
  } catch (const Error& error) {
    if (error.Code() != ErrorCode::kBadDataset) throw;
    return false;  // a crash left the seal without all of the content
  }
}

}  // namespace

Ingest::Ingest(storage::FileStore& files, storage::StudyIndex& index, storage::Jobs& jobs, storage::Peers& peers,
               const Clock& clock, std::string device_uid, std::function<void()> on_change)
    : files_(files),
      index_(index),
      jobs_(jobs),
      peers_(peers),
      clock_(clock),
      device_uid_(std::move(device_uid)),
      on_change_(std::move(on_change)),
      queue_(
          files_, index_, [this](const auto& rows) { return index_.AddReceived(rows); }, on_change_) {}

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
      (header.sop_instance_uid.starts_with(kOurUids) && jobs_.IsOwnObject(header.sop_instance_uid)))
    record.kind = storage::InstanceKind::kOwn;
  else if (dicom::IsCandidateImage(header))
    record.kind = storage::InstanceKind::kCandidate;
  record.takes_back = record.kind == storage::InstanceKind::kOther && !header.rejected_instances.empty();
  return record;
}

void Ingest::Store(const dicom::ReceivedInstance& instance) {
  StagedFile staged(instance.staged_file);
  storage::InstanceRecord record = Describe(instance.staged_file, &instance);
  const std::size_t stripe = std::hash<std::string>{}(record.sop_instance_uid) % by_uid_.size();
  const std::lock_guard turn(by_uid_[stripe]);
  const auto known = queue_.Newest(record.sop_instance_uid);
  const bool same = known && known->sha256 == record.sha256 && known->study_uid == record.study_uid;
  if (same && !known->removed) {
    ++resends_;  // Success, and nothing changes; only a second PACS that has the study is noted
    if (record.kind == storage::InstanceKind::kCandidate &&
        peers_.NoteSender(record.study_uid, record.from_ae, clock_.Wall())) {
      new_sender_ = true;
      on_change_();
    }
    on_stored_(record, instance.peer);
    return;
  }
  queue_.RequireWritable();
  // Versions of a UID get their places one after the other: the number in the name tells which came later.
  const bool waits = !known && record.bytes <= kMayWait;
  if (waits) {
    files_.SealInstance(instance.staged_file, record.study_uid, record.sop_instance_uid, record.sha256);
  } else {
    if (known && !queue_.Flush(kFlushAtEnd)) throw Error(ErrorCode::kBusy, "the version before has no place yet");
    record.file = files_.CommitInstance(instance.staged_file, record.study_uid, record.sop_instance_uid);
  }
  staged.Taken();
  if (known && !same) Superseded(*known, record);
  on_stored_(record, instance.peer);
  if (record.kind == storage::InstanceKind::kCandidate) {
    // Before the row: who sees the image knows that its association is open.
    const std::lock_guard lock(open_mutex_);
    open_[instance.peer.association].insert(record.study_uid);
    lost_.erase(record.study_uid);
  }
  queue_.Push(std::move(record), waits ? instance.staged_file : std::filesystem::path());
}

void Ingest::Superseded(const IndexQueue::Known& before, const storage::InstanceRecord& now) {
  ++versions_;
  const std::string what =
      "other bytes under the known SOP Instance UID " + now.sop_instance_uid + " from " + now.from_ae;
  if (before.from_ae == now.from_ae) {
    LogWarning("ingest", what + ": both are kept, the newest is current");
    return;
  }
  ++conflicts_;
  LogError("ingest", what + ", the bytes before came from " + before.from_ae +
                         ": two peers disagree about one image; both are kept, the newest is current");
}

void Ingest::AssociationEnded(const dicom::AssociationEnd& end) {
  // Who hears of the end must find all images of it. While the index cannot be written, nobody judges anything.
  queue_.Flush(kFlushAtEnd);
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
  return lost_.count(study_uid) > 0 || InOpenAssociation(study_uid);
}

bool Ingest::IsArriving(const std::string& study_uid) const {
  const std::lock_guard lock(open_mutex_);
  return InOpenAssociation(study_uid);
}

bool Ingest::InOpenAssociation(const std::string& study_uid) const {
  return std::any_of(open_.begin(), open_.end(), [&](const auto& entry) { return entry.second.count(study_uid) > 0; });
}

int Ingest::RecoverStaged() {
  int recovered = 0;
  std::vector<storage::FileStore::Placed> placed;
  for (const auto& [file, seal] : files_.SealedFiles()) {
    if (!IsWhole(file, seal)) continue;  // its sender was told nothing
    // Whole and sealed: from here an error must end the start, not lose the object.
    const dicom::InstanceHeader header = dicom::ReadHeader(file);
    const auto stored = files_.InstanceFiles(header.study_uid, header.sop_instance_uid);
    const auto place = std::find_if(stored.begin(), stored.end(), [&](const std::string& other) {
      return HoldsDataset(files_.Root() / other, seal.dataset_sha256);
    });
    // A place that is there already may not be durable yet: its folder is synced before the name in staging goes.
    if (place != stored.end()) {
      placed.push_back({file, *place});
      continue;
    }
    placed.push_back({file, files_.PlaceInstance(file, header.study_uid, header.sop_instance_uid)});
    ++recovered;
  }
  files_.FinishPlaces(placed);
  return recovered;
}

int Ingest::SweepUnindexed(const std::atomic<bool>* stop) {
  struct Stopped {};
  struct Found {
    WallMs arrived;
    std::string file;
  };
  std::vector<Found> found;
  std::vector<std::string> asked;
  const auto ask = [&] {
    if (stop != nullptr && *stop) throw Stopped{};
    for (std::string& file : index_.WithoutRow(asked))
      found.push_back({ModifiedAt(files_.Root() / file), std::move(file)});
    asked.clear();
  };
  int indexed = 0;
  try {
    files_.ForEachInstance([&](const std::string& file) {
      asked.push_back(file);
      if (asked.size() >= kFilesAtOnce) ask();
    });
    ask();
    // In the order of arrival, so that the newest version of a UID becomes the current one; files of one UID that came
    // within the clock's step stay in the order of their numbers.
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.arrived < b.arrived; });
    for (std::size_t at = 0; at < found.size(); at += kRowsAtOnce) {
      if (stop != nullptr && *stop) throw Stopped{};
      std::vector<storage::InstanceRecord> records;
      for (std::size_t i = at; i < std::min(at + kRowsAtOnce, found.size()); ++i) {
        try {
          storage::InstanceRecord record = Describe(files_.Root() / found[i].file, nullptr);
          record.file = found[i].file;
          records.push_back(std::move(record));
        } catch (const Error& e) {
          LogError("ingest", found[i].file + " has no row in the index and cannot be read: " + e.what());
        }
      }
      indexed += AddFound(records);
    }
  } catch (const Stopped&) {
    LogInfo("ingest", "the search for stored instances without a row was broken off; the next start does it again");
  }
  return indexed;
}

int Ingest::AddFound(const std::vector<storage::InstanceRecord>& records) {
  const auto results = index_.AddAll(records);
  int indexed = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (results[i] != storage::AddResult::kDuplicate) {
      ++indexed;
    } else if (!index_.HasFile(records[i].file)) {
      // A resend of these bytes was stored before this file was found: one copy is enough.
      files_.RemoveInstance(records[i].file);
    }
  }
  if (indexed > 0) on_change_();
  return indexed;
}

}  // namespace glionode::server
