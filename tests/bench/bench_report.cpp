#include "tests/bench/bench_report.h"

#include "config/error.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>

extern char** environ;

namespace glionode::bench {
namespace {

/// The value behind "KEY :" in a file of /proc.
std::string ProcValue(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) {
      const auto at = line.find_first_not_of(" \t", line.find(':') + 1);
      return at == std::string::npos ? "" : line.substr(at);
    }
  return "";
}

nlohmann::json Machine() {
  double load[3] = {};
  if (getloadavg(load, 3) < 1) load[0] = 0;
  return {{"cpu", ProcValue("/proc/cpuinfo", "model name")},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_gib", std::strtod(ProcValue("/proc/meminfo", "MemTotal").c_str(), nullptr) / (1024 * 1024)},
          {"load_at_end", load[0]}};
}

}  // namespace

bool Report(const std::vector<Row>& rows, const std::filesystem::path& file) {
  nlohmann::json json{{"machine", Machine()}, {"rows", nlohmann::json::array()}};
  bool all_met = true;
  std::printf("\n%-62s %10s %10s %7s  %-18s %s\n", "", "here", "peer", "ratio", "peer", "goal");
  for (const Row& row : rows) {
    const bool has_peer = !row.peer.empty();
    const double ratio = has_peer && row.peer_value != 0 ? row.value / row.peer_value : 0;
    char peer_value[32] = "-", ratio_text[32] = "-";
    if (has_peer) std::snprintf(peer_value, sizeof peer_value, "%.2f", row.peer_value);
    if (ratio != 0) std::snprintf(ratio_text, sizeof ratio_text, "%.2f", ratio);
    std::printf("%-62s %10.2f %10s %7s  %-18s %s\n", (row.name + ", " + row.unit).c_str(), row.value, peer_value,
                ratio_text, row.peer.c_str(),
                row.goal.empty() ? "" : ((row.met ? "met: " : "MISSED: ") + row.goal).c_str());
    nlohmann::json item{{"name", row.name}, {"value", row.value}, {"unit", row.unit}, {"peer", row.peer}};
    item["peer_value"] = has_peer ? nlohmann::json(row.peer_value) : nlohmann::json();
    item["ratio"] = ratio != 0 ? nlohmann::json(ratio) : nlohmann::json();
    item["goal"] = row.goal;
    item["met"] = row.goal.empty() ? nlohmann::json() : nlohmann::json(row.met);
    json["rows"].push_back(item);
    all_met = all_met && (row.goal.empty() || row.met);
  }
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file);
  out << json.dump(2) << '\n';
  if (!out.flush()) throw Error(ErrorCode::kInternal, file.string() + " cannot be written.");
  std::printf("\n%s\n", file.c_str());
  return all_met;
}

Child RunProgram(const std::vector<std::string>& words, const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const auto start = std::chrono::steady_clock::now();
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) throw Error(ErrorCode::kMissingPart, words[0] + " cannot be started: " + std::strerror(failed));
  int status = 0;
  rusage usage{};
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  Child child;
  child.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  child.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  child.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024;
  return child;
}

}  // namespace glionode::bench
