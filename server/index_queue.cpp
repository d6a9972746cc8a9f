#include "server/index_queue.h"

#include "config/error.h"
#include "config/log.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace glionode::server {
namespace {

constexpr std::size_t kMostWaiting = 1000;  ///< rows; a row with its header is some kilobytes
constexpr std::size_t kMostInGroup = 256;   ///< bounds how long other writers of the index wait
constexpr auto kRetry = std::chrono::seconds(1);

}  // namespace

IndexQueue::IndexQueue(storage::FileStore& files, const storage::StudyIndex& index, WriteRows write,
                       std::function<void()> on_written)
    : files_(files), index_(index), write_(std::move(write)), on_written_(std::move(on_written)), thread_([this] {
        Run();
      }) {}

IndexQueue::~IndexQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void IndexQueue::RequireWritable() const {
  const std::lock_guard lock(mutex_);
  if (problem_) std::rethrow_exception(problem_);
}

std::optional<IndexQueue::Known> IndexQueue::Newest(const std::string& sop_instance_uid) const {
  {
    const std::lock_guard lock(mutex_);
    const auto found = newest_.find(sop_instance_uid);
    if (found != newest_.end()) return found->second.known;
  }
  // Asked second: what has left the queue in between is in the index.
  const auto record = index_.FindCurrent(sop_instance_uid);
  if (!record) return std::nullopt;
  return Known{record->sha256, record->study_uid, record->from_ae};
}

void IndexQueue::Push(storage::InstanceRecord record) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.size() < kMostWaiting || problem_ || stopping_; });
  ++pushed_;
  newest_[record.sop_instance_uid] = {{record.sha256, record.study_uid, record.from_ae}, pushed_};
  waiting_.push_back(std::move(record));
  changed_.notify_all();
}

bool IndexQueue::Flush(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  const std::uint64_t until = pushed_;
  return changed_.wait_for(lock, limit, [&] { return written_ >= until; });
}

void IndexQueue::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMostInGroup));
    const std::vector<storage::InstanceRecord> group(waiting_.begin(), waiting_.begin() + count);
    lock.unlock();
    const bool written = Write(group);
    lock.lock();
    if (!written) {
      if (stopping_) return;  // the sweep of the next start finds the files
      changed_.wait_for(lock, kRetry, [this] { return stopping_; });
      continue;
    }
    problem_ = nullptr;
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    written_ += group.size();
    for (const auto& record : group) {
      // Another version of the UID may have come meanwhile: that one stays.
      const auto newest = newest_.find(record.sop_instance_uid);
      if (newest != newest_.end() && newest->second.number <= written_) newest_.erase(newest);
    }
    changed_.notify_all();
  }
}

bool IndexQueue::Write(const std::vector<storage::InstanceRecord>& group) {
  try {
    const auto results = write_(group);
    bool candidates = false;
    for (std::size_t i = 0; i < group.size(); ++i) {
      candidates |= group[i].kind == storage::InstanceKind::kCandidate;
      // The sweep was faster with these bytes under another file name: this one is of no use.
      if (results[i] == storage::AddResult::kDuplicate && !index_.HasFile(group[i].file))
        files_.RemoveInstance(group[i].file);
    }
    if (candidates) on_written_();
    return true;
  } catch (const std::exception& error) {
    LogError("ingest",
             std::to_string(group.size()) + " stored instances wait for their rows in the index: " + error.what());
    const std::lock_guard lock(mutex_);
    problem_ = std::current_exception();
    changed_.notify_all();
    return false;
  }
}

}  // namespace glionode::server
