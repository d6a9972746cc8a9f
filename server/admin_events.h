#pragma once
#include <nlohmann/json.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace glionode::server {

/// Tells listeners when the state of the node has changed: asks for it twice a second while somebody listens, and at no
/// other time. One server-sent event ("event: status") with the whole state; a comment now and then keeps connections
/// alive. Threads: all methods from any; listeners are called from the hub's own thread and must not block.
class EventHub {
 public:
  using Listener = std::function<void(std::shared_ptr<const std::string>)>;
  /// `state` is called from the hub's thread. A change of its member free_bytes alone is none.
  EventHub(std::function<nlohmann::json()> state, std::chrono::milliseconds period, std::chrono::seconds keep_alive);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  /// The listener gets the present state soon, then every change.
  std::uint64_t Add(Listener listener);
  /// After this returns, the listener is not called any more.
  void Remove(std::uint64_t id);
  std::size_t Listeners() const;
  void Stop();

 private:
  void Run();
  void Send(const std::shared_ptr<const std::string>& text, std::uint64_t only_from);

  std::function<nlohmann::json()> state_;
  std::chrono::milliseconds period_;
  std::chrono::seconds keep_alive_;
  mutable std::mutex mutex_;  ///< of everything below but the thread; held while listeners are called
  std::condition_variable changed_;
  bool stopping_ = false;
  std::uint64_t next_id_ = 1, sent_to_ = 1;  ///< listeners from sent_to_ on have got nothing yet
  std::map<std::uint64_t, Listener> listeners_;
  std::thread thread_;
};

}  // namespace glionode::server
