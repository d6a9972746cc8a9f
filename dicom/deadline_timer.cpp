#include "dicom/transport.h"

#include <algorithm>
#include <sys/socket.h>

namespace glionode::dicom {
namespace {

// A-ABORT (PS3.8 9.3.8): type 07, four bytes follow: source 2 (service provider), reason 0 (not specified).
constexpr unsigned char kAbort[] = {0x07, 0, 0, 0, 0, 0x04, 0, 0, 0x02, 0};

}  // namespace

DeadlineTimer::DeadlineTimer() : thread_([this] { Run(); }) {}

DeadlineTimer::~DeadlineTimer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

DeadlineTimer::Id DeadlineTimer::Add(int fd) {
  const std::lock_guard lock(mutex_);
  entries_[next_id_].fd = fd;
  if (cut_all_) shutdown(fd, SHUT_RDWR);
  return next_id_++;
}

void DeadlineTimer::Arm(Id id, std::chrono::milliseconds from_now, bool abort) {
  bool earlier = false;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) return;
    entry->second.deadline = std::chrono::steady_clock::now() + from_now;
    entry->second.abort = abort;
    earlier = entry->second.deadline < sleeping_until_;
  }
  if (earlier) wake_.notify_all();
}

void DeadlineTimer::Disarm(Id id) {
  const std::lock_guard lock(mutex_);
  if (const auto entry = entries_.find(id); entry != entries_.end()) entry->second.deadline = Time::max();
}

bool DeadlineTimer::Expired(Id id) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  return entry != entries_.end() && entry->second.expired;
}

void DeadlineTimer::Cut(Id id) {
  const std::lock_guard lock(mutex_);
  if (const auto entry = entries_.find(id); entry != entries_.end()) shutdown(entry->second.fd, SHUT_RDWR);
}

void DeadlineTimer::CutAll() {
  const std::lock_guard lock(mutex_);
  cut_all_ = true;
  for (const auto& [id, entry] : entries_) shutdown(entry.fd, SHUT_RDWR);
}

void DeadlineTimer::Remove(Id id) {
  const std::lock_guard lock(mutex_);
  entries_.erase(id);
}

void DeadlineTimer::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const Time now = std::chrono::steady_clock::now();
    Time next = Time::max();
    for (auto& [id, entry] : entries_) {
      if (entry.deadline <= now) {
        entry.deadline = Time::max();
        entry.expired = true;
        if (entry.abort) send(entry.fd, kAbort, sizeof kAbort, MSG_DONTWAIT | MSG_NOSIGNAL);
        shutdown(entry.fd, SHUT_RDWR);
      }
      next = std::min(next, entry.deadline);
    }
    sleeping_until_ = next;
    if (next == Time::max())
      wake_.wait(lock);
    else
      wake_.wait_until(lock, next);
  }
}

}  // namespace glionode::dicom
