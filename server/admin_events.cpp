#include "server/admin_events.h"

#include "config/log.h"

namespace glionode::server {

using nlohmann::json;

EventHub::EventHub(std::function<json()> state, std::chrono::milliseconds period, std::chrono::seconds keep_alive)
    : state_(std::move(state)), period_(period), keep_alive_(keep_alive), thread_([this] { Run(); }) {}

EventHub::~EventHub() { Stop(); }

void EventHub::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    listeners_.clear();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::uint64_t EventHub::Add(Listener listener) {
  const std::lock_guard lock(mutex_);
  listeners_[next_id_] = std::move(listener);
  changed_.notify_all();
  return next_id_++;
}

void EventHub::Remove(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  listeners_.erase(id);
}

std::size_t EventHub::Listeners() const {
  const std::lock_guard lock(mutex_);
  return listeners_.size();
}

void EventHub::Send(const std::shared_ptr<const std::string>& text, std::uint64_t only_from) {
  for (auto entry = listeners_.lower_bound(only_from); entry != listeners_.end(); ++entry) entry->second(text);
}

void EventHub::Run() {
  std::string last;
  std::shared_ptr<const std::string> event;
  std::uint64_t number = 0;
  auto quiet_since = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (listeners_.empty()) {
      last.clear();
      changed_.wait(lock, [this] { return stopping_ || !listeners_.empty(); });
      continue;
    }
    lock.unlock();
    json state;
    try {
      state = state_();
    } catch (const std::exception& e) {
      LogWarning("admin", std::string("the state for the page could not be read: ") + e.what());
    }
    lock.lock();
    if (!state.is_null()) {
      const std::string whole = state.dump(-1, ' ', false, json::error_handler_t::replace);
      state.erase("free_bytes");  // moves all the time and means nothing by itself
      std::string compared = state.dump(-1, ' ', false, json::error_handler_t::replace);
      const bool is_new = compared != last;
      if (is_new || sent_to_ < next_id_) {
        event = std::make_shared<const std::string>("event: status\nid: " + std::to_string(++number) +
                                                    "\ndata: " + whole + "\n\n");
        Send(event, is_new ? 0 : sent_to_);
        sent_to_ = next_id_;
        last = std::move(compared);
        quiet_since = std::chrono::steady_clock::now();
      }
    }
    if (std::chrono::steady_clock::now() - quiet_since > keep_alive_) {
      Send(std::make_shared<const std::string>(": still here\n\n"), 0);
      quiet_since = std::chrono::steady_clock::now();
    }
    const auto seen = next_id_;
    changed_.wait_for(lock, period_, [&] { return stopping_ || next_id_ != seen; });
  }
}

}  // namespace glionode::server
