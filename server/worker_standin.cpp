// The worker of programs without a network (ThreadSanitizer builds, and `glionode_standin` of the tests): decodes
// nothing, shows no picture, and answers a number that follows from the inputs' names. It is never part of a product,
// and its bundle says what it is. GLIONODE_STANDIN says how it fails: "gpu" (a GPU that is out of memory), "memory"
// (takes all that it can get), "crash", "hang"; GLIONODE_STANDIN_MS how long a job takes.
#include "config/error.h"
#include "config/sha256.h"
#include "dicom/header_reader.h"
#include "server/worker_steps.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <signal.h>
#include <thread>
#include <vector>

namespace glionode::server {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// Until the limit says no (or 64 GiB, where there is none: the test that asks for this has forgotten its limit).
void TakeMemory() {
  std::vector<std::vector<char>> taken;
  for (int i = 0; i < 1024; ++i) taken.emplace_back(std::size_t{64} << 20, 'x');
}

/// Small pictures end their files: their last bytes are the same in every uncompressed syntax.
std::string LastBytes(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(512, '\0');
  in.seekg(-512, std::ios::end);
  in.read(bytes.data(), 512);
  return bytes;
}

void Misbehave(const WorkerRequest& request) {
  const std::string how = Variable("GLIONODE_STANDIN");
  if (how == "gpu" && request.device != "cpu")
    throw Error(ErrorCode::kInternal, "CUDA out of memory. Tried to allocate 2.00 GiB");
  if (how == "memory") TakeMemory();
  if (how == "crash") raise(SIGSEGV);
  if (how == "hang") std::this_thread::sleep_for(std::chrono::hours(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(Variable("GLIONODE_STANDIN_MS").c_str())));
}

}  // namespace

WorkerAnswer DoWorkerStep(const WorkerRequest& request) {
  WorkerAnswer answer;
  answer.ok = true;
  answer.device = Variable("GLIONODE_STANDIN") == "gpu" && request.device != "cpu" ? "cuda:0" : "cpu";
  BundleSummary bundle;
  bundle.name = "stand-in";
  bundle.version = "0";
  bundle.sha256 = Sha256Hex("stand-in");
  bundle.domain = "phantom";
  bundle.intended_use = "tests of the node without a network";
  bundle.evaluation = "never evaluated";
  bundle.sequences = {Role::kT1, Role::kT2, Role::kT1ce};
  answer.bundle = bundle;
  answer.reasons = request.reasons;
  std::string names;
  for (const auto& [role, input] : request.inputs)
    for (const std::string& file : input.files) names += file;
  if (request.step == WorkerStep::kDigest)
    for (const auto& [role, input] : request.inputs)
      for (const std::string& file : input.files)
        answer.digests[dicom::ReadHeader(file).sop_instance_uid] = {Sha256Hex(LastBytes(file)), false};
  if (request.step != WorkerStep::kEvaluate) return answer;
  try {
    Misbehave(request);
  } catch (const std::exception& e) {
    answer.ok = false;
    answer.error = e.what();
  }
  if (request.reasons.empty())
    answer.probability_of_necrosis = std::strtol(Sha256Hex(names).substr(0, 4).c_str(), nullptr, 16) / 65536.0;
  return answer;
}

}  // namespace glionode::server
