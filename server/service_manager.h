#pragma once
#include <chrono>
#include <optional>
#include <string>

namespace glionode::server {

/// Tells systemd how the node is (sd_notify(3)); without systemd, nothing happens. Threads: any.
void TellServiceManager(const std::string& state);  ///< "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..."

/// How often WATCHDOG=1 must be said; empty: nobody watches.
std::optional<std::chrono::milliseconds> WatchdogPeriod();

}  // namespace glionode::server
