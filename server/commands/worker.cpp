#include "config/error.h"
#include "server/commands/commands.h"
#include "server/worker_steps.h"

#include <iostream>
#include <iterator>
#include <memory>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace glionode::server {
namespace {

constexpr int kAnswerDescriptor = 3;

/// Memory of its own (RLIMIT_DATA): an address space limit would count what CUDA reserves and never uses. Beyond it
/// allocations fail, and this process alone; without it the kernel might choose the node.
void LimitMemory(int mib) {
  if (mib <= 0) return;
  const rlimit limit{static_cast<rlim_t>(mib) << 20, static_cast<rlim_t>(mib) << 20};
  if (setrlimit(RLIMIT_DATA, &limit) != 0) throw Error(ErrorCode::kInternal, "worker: its memory cannot be limited");
}

/// `parent`: the process that started this one; 0: not said, nothing is looked at.
int Work(int parent) {
  // A node that is killed takes its worker along: the job runs again at the next start, and two would share one
  // machine.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have died before the line above.
  if (parent > 0 && getppid() != parent) return 1;
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const WorkerRequest request = RequestFromJson(nlohmann::json::parse(text));
  LimitMemory(request.memory_limit_mib);
  WorkerAnswer done_work = DoWorkerStep(request);
  if (!done_work.ok && request.memory_limit_mib > 0 && done_work.error.find("alloc") != std::string::npos)
    done_work.error += " (the worker may take " + std::to_string(request.memory_limit_mib) +
                       " MiB of memory: [model] memory_limit_mib)";
  const std::string answer = ToJson(done_work).dump();
  for (std::size_t done = 0; done < answer.size();) {
    const ssize_t put = write(kAnswerDescriptor, answer.data() + done, answer.size() - done);
    if (put <= 0) throw Error(ErrorCode::kInternal, "worker: the answer cannot be written to descriptor 3");
    done += static_cast<std::size_t>(put);
  }
  return 0;
}

}  // namespace

void AddWorker(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "worker", "One step of a job, started by the node itself: request on standard input, answer on descriptor 3.");
  command->group("");  // not shown: nobody calls it by hand
  auto parent = std::make_shared<int>(0);
  command->add_option("--parent", *parent, "process id of the node: without it as parent, nothing is done");
  command->callback([parent, &exit_code] { exit_code = Guarded([&] { return Work(*parent); }); });
}

}  // namespace glionode::server
