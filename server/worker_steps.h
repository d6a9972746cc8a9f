#pragma once
#include "server/worker_protocol.h"

namespace glionode::server {

/// The child's side: does one step in this process. Also what `glionode classify` calls. Never throws: what goes wrong
/// is in the answer. Threads: one call at a time in a process.
WorkerAnswer DoWorkerStep(const WorkerRequest& request);

}  // namespace glionode::server
