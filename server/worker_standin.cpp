// The worker of GLIONODE_STANDIN_NETWORK builds (ThreadSanitizer): decodes nothing, shows no picture, and answers a
// number that follows from the inputs' names. It is never part of a product: the option is off by default, and its
// bundle says what it is.
#include "config/sha256.h"
#include "server/worker_steps.h"

#include <cstdlib>

namespace glionode::server {

WorkerAnswer DoWorkerStep(const WorkerRequest& request) {
  WorkerAnswer answer;
  answer.ok = true;
  answer.device = "cpu";
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
  if (request.step == WorkerStep::kEvaluate && request.reasons.empty())
    answer.probability_of_necrosis = std::strtol(Sha256Hex(names).substr(0, 4).c_str(), nullptr, 16) / 65536.0;
  return answer;
}

}  // namespace glionode::server
