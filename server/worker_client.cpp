#include "server/worker_client.h"

#include "config/error.h"

#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern char** environ;

namespace glionode::server {
namespace {

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
      throw Error(ErrorCode::kInternal, std::string("worker: no pipe: ") + std::strerror(errno));
    read = ends[0], write = ends[1];
  }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void CloseRead() {
    if (read >= 0) close(std::exchange(read, -1));
  }
  void CloseWrite() {
    if (write >= 0) close(std::exchange(write, -1));
  }
};

/// Threads of OpenMP that wait must not spin: beside a busy receiver that costs the network many times its own work.
std::vector<char*> WorkerEnvironment() {
  static char passive[] = "OMP_WAIT_POLICY=passive";
  std::vector<char*> variables;
  bool chosen = false;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    chosen |= std::strncmp(*variable, passive, std::strchr(passive, '=') - passive + 1) == 0;
    variables.push_back(*variable);
  }
  if (!chosen) variables.push_back(passive);
  variables.push_back(nullptr);
  return variables;
}

pid_t Spawn(const Pipe& request, const Pipe& answer) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, request.read, 0);
  // What libraries print goes to the log, never into the answer.
  posix_spawn_file_actions_adddup2(&actions, 2, 1);
  posix_spawn_file_actions_adddup2(&actions, answer.write, 3);
  // Sockets of libraries that know no CLOEXEC: a worker that outlives a killed node must not keep its ports.
  posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  char program[] = "/proc/self/exe", name[] = "glionode", command[] = "worker", option[] = "--parent";
  // The worker compares it with what it sees: a parent that is gone is not told by the number 1, which is the node's
  // own in a container without an init.
  std::string parent = std::to_string(getpid());
  char* arguments[] = {name, command, option, parent.data(), nullptr};
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // The node blocks its signals for the thread that waits for them; the child must not inherit that. Its own process
  // group keeps Ctrl-C away from it.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program, &actions, &attributes, arguments, WorkerEnvironment().data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw Error(ErrorCode::kInternal, std::string("worker: cannot be started: ") + std::strerror(error));
  return pid;
}

/// Reads until the child closes its end. Returns false on time-out or cancellation.
WorkerEnd ReadAnswer(int descriptor, std::string& text, std::chrono::steady_clock::time_point deadline,
                     const std::atomic<bool>& cancel) {
  char buffer[65536];
  while (true) {
    if (cancel) return WorkerEnd::kCancelled;
    if (std::chrono::steady_clock::now() >= deadline) return WorkerEnd::kTimeLimit;
    pollfd waiting{descriptor, POLLIN, 0};
    if (poll(&waiting, 1, 100) <= 0) continue;
    const ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return WorkerEnd::kAnswered;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

bool WriteAll(int descriptor, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t put = write(descriptor, text.data() + done, text.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += static_cast<std::size_t>(put);
  }
  return true;
}

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status))
    return std::string("the worker was ended by signal ") + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
  return "the worker ended with exit code " + std::to_string(WEXITSTATUS(status)) + " and no answer";
}

}  // namespace

WorkerRun RunWorker(const WorkerRequest& request, int time_limit_seconds, const std::atomic<bool>& cancel) {
  WorkerRun run;
  try {
    Pipe to_child, from_child;
    const pid_t pid = Spawn(to_child, from_child);
    to_child.CloseRead();
    from_child.CloseWrite();
    // The child reads all of its input first, so that this cannot dead-lock; if it dies, SIGPIPE is ignored
    // process-wide.
    WriteAll(to_child.write, ToJson(request).dump());
    to_child.CloseWrite();
    std::string text;
    run.end = ReadAnswer(from_child.read, text,
                         std::chrono::steady_clock::now() + std::chrono::seconds(time_limit_seconds), cancel);
    if (run.end != WorkerEnd::kAnswered) kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (run.end == WorkerEnd::kTimeLimit)
      run.text = "the worker took longer than " + std::to_string(time_limit_seconds) + " s";
    if (run.end != WorkerEnd::kAnswered) return run;
    const auto parsed = nlohmann::json::parse(text, nullptr, false);
    if (parsed.is_discarded() || WIFSIGNALED(status)) {
      run.end = WorkerEnd::kCrashed;
      run.text = DescribeEnd(status);
      return run;
    }
    run.answer = AnswerFromJson(parsed);
  } catch (const std::exception& e) {
    run.end = WorkerEnd::kCrashed;
    run.text = e.what();
  }
  return run;
}

}  // namespace glionode::server
