#pragma once
#include "server/worker_protocol.h"

#include <atomic>
#include <string>

namespace glionode::server {

enum class WorkerEnd {
  kAnswered,   ///< see the answer (which may say ok = false)
  kCrashed,    ///< the process ended without an answer
  kTimeLimit,  ///< killed
  kCancelled,  ///< the node is stopping
};

struct WorkerRun {
  WorkerEnd end = WorkerEnd::kCrashed;
  WorkerAnswer answer;
  std::string text;  ///< for the administrator when there is no answer: signal or exit code
};

/// Starts `glionode worker` (this same program) by posix_spawn, hands it the request and waits for its answer. A crash
/// in a codec, ITK or Torch ends there. Threads: any number at once. Never throws for what the child does.
WorkerRun RunWorker(const WorkerRequest& request, int time_limit_seconds, const std::atomic<bool>& cancel);

}  // namespace glionode::server
