#include "server/index_queue.h"

#include "config/error.h"
#include "config/log.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

namespace glionode::server {
namespace {

constexpr std::size_t kMostWaiting = 1000;  ///< rows; a row with its header is some kilobytes
constexpr std::size_t kMostInGroup = 256;   ///< bounds how long other writers of the index wait
constexpr auto kRetry = std::chrono::seconds(1);
// A sender brings an image a millisecond: a transaction for each would cost as much as all the rest.
constexpr auto kGather = std::chrono::milliseconds(20);

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
    wake_.notify_all();
    done_.notify_all();
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
  auto version = index_.FindVersion(sop_instance_uid);
  if (!version) return std::nullopt;
  return Known{std::move(version->sha256), std::move(version->study_uid), std::move(version->from_ae),
               version->removed};
}

void IndexQueue::Push(storage::InstanceRecord record, std::filesystem::path staged) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return waiting_.size() < kMostWaiting || problem_ || stopping_; });
  ++pushed_;
  newest_[record.sop_instance_uid] = {{record.sha256, record.study_uid, record.from_ae, false}, pushed_};
  waiting_.push_back({std::move(record), std::move(staged)});
  if (waiting_.size() == 1 || waiting_.size() >= kMostInGroup) wake_.notify_one();
}

bool IndexQueue::Flush(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  const std::uint64_t until = pushed_;
  if (written_ >= until) return true;
  ++flushing_;
  wake_.notify_one();
  const bool written = done_.wait_for(lock, limit, [&] { return written_ >= until; });
  --flushing_;
  return written;
}

void IndexQueue::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    wake_.wait_for(lock, kGather, [this] { return stopping_ || flushing_ > 0 || waiting_.size() >= kMostInGroup; });
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMostInGroup));
    // Their shells stay, so that Push counts them.
    std::vector<Waiting> group(std::make_move_iterator(waiting_.begin()),
                               std::make_move_iterator(waiting_.begin() + count));
    lock.unlock();
    const bool written = Write(group);
    lock.lock();
    if (!written) {
      if (stopping_) return;  // the next start finds the files
      std::move(group.begin(), group.end(), waiting_.begin());
      wake_.wait_for(lock, kRetry, [this] { return stopping_; });
      continue;
    }
    problem_ = nullptr;
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    written_ += group.size();
    for (const auto& [record, staged] : group) {
      // Another version of the UID may have come meanwhile: that one stays.
      const auto newest = newest_.find(record.sop_instance_uid);
      if (newest != newest_.end() && newest->second.number <= written_) newest_.erase(newest);
    }
    done_.notify_all();
  }
}

void IndexQueue::Place(std::vector<Waiting>& group) {
  std::vector<storage::FileStore::Placed> placed;
  for (auto& [record, staged] : group) {
    if (staged.empty()) continue;
    if (record.file.empty()) record.file = files_.PlaceInstance(staged, record.study_uid, record.sop_instance_uid);
    placed.push_back({staged, record.file});
  }
  files_.FinishPlaces(placed);
}

bool IndexQueue::Write(std::vector<Waiting>& group) {
  try {
    Place(group);
    std::vector<storage::InstanceRecord> rows;
    rows.reserve(group.size());
    for (const Waiting& waiting : group) rows.push_back(waiting.record);
    const auto results = write_(rows);
    bool candidates = false;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      candidates |= rows[i].kind == storage::InstanceKind::kCandidate;
      // The sweep was faster with these bytes under another file name: this one is of no use.
      if (results[i] == storage::AddResult::kDuplicate && !index_.HasFile(rows[i].file))
        files_.RemoveInstance(rows[i].file);
    }
    if (candidates) on_written_();
    return true;
  } catch (const std::exception& error) {
    LogError("ingest",
             std::to_string(group.size()) + " stored instances wait for their places and rows: " + error.what());
    const std::lock_guard lock(mutex_);
    problem_ = std::current_exception();
    done_.notify_all();
    return false;
  }
}

}  // namespace glionode::server
