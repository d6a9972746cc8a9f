// What an administrator orders of the running node: App's side of `glionode pause`, `resume` and the like.
#include "config/error.h"
#include "config/log.h"
#include "server/app.h"

#include <chrono>

namespace glionode::server {

using nlohmann::json;

namespace {

constexpr auto kFlush = std::chrono::seconds(2);

std::string Required(const json& body, const char* key) {
  if (const auto found = body.find(key);
      found != body.end() && found->is_string() && !found->get<std::string>().empty())
    return *found;
  throw Error(ErrorCode::kUsage, std::string("expected \"") + key + "\" with a text");
}

}  // namespace

json App::Do(const std::string& action, const json& body, const std::string& caller) {
  // What an order reads or removes includes what was received before it.
  ingest_.Flush(kFlush);
  if (action == "pause") {
    const std::string peer = Required(body, "peer");
    peers_.Pause(peer, body.value("why", ""), clock_.Wall());
    NotePauses();
    LogInfo("app", "nothing is sent to " + peer + " until it is resumed");
    return {{"peer", peer}, {"paused", true}};
  }
  if (action == "resume") {
    const std::string peer = Required(body, "peer");
    const bool was = peers_.Resume(peer);
    NotePauses();
    if (was) LogInfo("app", peer + " gets its results again");
    sender_->Wake();
    return {{"peer", peer}, {"paused", false}, {"was_paused", was}};
  }
  if (action == "delete") return Delete(body, caller);
  if (action == "verify") {
    if (body.value("start", false)) verifier_.Start();
    const VerifyProgress progress = verifier_.Progress();
    return {{"running", progress.running}, {"ended", progress.ended}, {"checked", progress.checked},
            {"total", progress.total},     {"bad", progress.bad},     {"problems", progress.problems}};
  }
  throw Error(ErrorCode::kNotFound, "no such order: " + action);
}

json App::Delete(const json& body, const std::string& caller) {
  // Both could name different patients: what is meant is not to be guessed.
  if (body.contains("study_uid") == body.contains("patient_id"))
    throw Error(ErrorCode::kUsage, "expected one of \"study_uid\" and \"patient_id\", not both and not none");
  const std::string why = body.value("why", "");
  std::vector<std::string> studies;
  if (body.contains("patient_id"))
    studies = removals_.StudiesByIdentity(Required(body, "patient_id") + "\n");
  else
    studies = {Required(body, "study_uid")};
  if (studies.empty()) throw Error(ErrorCode::kNotFound, "there is no study of this patient");
  std::int64_t files = 0;
  for (const std::string& study : studies) files += housekeeping_.DeleteStudy(study, why, caller);
  return {{"studies", studies}, {"images", files}};
}

}  // namespace glionode::server
