#include "config/error.h"
#include "config/log.h"
#include "config/settings_loader.h"
#include "server/app.h"
#include "server/commands/commands.h"
#include "server/service_manager.h"

#include <chrono>
#include <iostream>
#include <malloc.h>
#include <signal.h>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace glionode::server {
namespace {

sigset_t NodeSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

/// The next signal; 0 when none came in `time`.
int NextSignal(const sigset_t& signals, std::chrono::milliseconds time) {
  const timespec wait{time.count() / 1000, (time.count() % 1000) * 1000000};
  const int signal = sigtimedwait(&signals, nullptr, &wait);
  return signal > 0 ? signal : 0;
}

/// Every association has its thread, and by default glibc's allocator keeps a heap for each of many threads, of which
/// little goes back: 600 small studies left 107 MiB, with two heaps 86 MiB.
void KeepHeapsFew() { mallopt(M_ARENA_MAX, 2); }

int Serve(const std::string& config) {
  KeepHeapsFew();
  // Blocked before the first thread starts, so that all of them inherit it and only this one takes signals.
  const sigset_t signals = NodeSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  for (const Finding& finding : LoadSettings(config).findings)
    if (!finding.is_error) std::cerr << FormatFinding(config, finding) << "\n";
  App app(RequireSettings(config), config);
  std::cout << app.ReadyLine() << std::endl;
  TellServiceManager("READY=1\nSTATUS=" + app.ReadyLine());
  const auto watchdog = WatchdogPeriod();
  while (true) {
    const int signal = NextSignal(signals, watchdog.value_or(std::chrono::hours(1)));
    if (signal == SIGHUP) app.ReloadAndLog();
    if (signal > 0 && signal != SIGHUP) break;
    // Asks the parts before it speaks for them: a lock or an index that hangs hangs this too, and systemd restarts the
    // node. What was acknowledged is on disk.
    if (watchdog) {
      app.Pulse();
      TellServiceManager("WATCHDOG=1");
    }
  }
  TellServiceManager("STOPPING=1");
  LogInfo("app", "stopping: waiting for what is running; a second signal stops at once");
  std::thread second([signals] {
    int signal = 0;
    do sigwait(&signals, &signal);
    while (signal == SIGHUP);
    _exit(1);  // what was acknowledged is on disk; nothing else is promised
  });
  second.detach();
  app.Stop();
  return 0;
}

}  // namespace

void AddServe(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "serve",
      "Run the node. Prints one line `ready dicom=PORT admin=PORT` once it accepts; SIGTERM drains, SIGHUP reloads.");
  command->footer("Example: glionode serve --config /etc/glionode/glionode.toml");
  auto config = std::make_shared<std::string>();
  command->add_option("--config", *config, "configuration file (TOML)")->required();
  command->callback([config, &exit_code] { exit_code = Guarded([&] { return Serve(*config); }); });
}

}  // namespace glionode::server
