#include "server/service_manager.h"

#include <cstdint>
#include <systemd/sd-daemon.h>

namespace glionode::server {

void TellServiceManager(const std::string& state) { sd_notify(0, state.c_str()); }

std::optional<std::chrono::milliseconds> WatchdogPeriod() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  // Twice in the time that is allowed, as the manual advises.
  return std::chrono::milliseconds(microseconds / 2000);
}

}  // namespace glionode::server
