#include "server/worker_protocol.h"

#include "config/error.h"

#include <algorithm>

namespace glionode::server {
namespace {

using nlohmann::json;

const char* StepText(WorkerStep step) {
  switch (step) {
    case WorkerStep::kSelfTest:
      return "selftest";
    case WorkerStep::kDigest:
      return "digest";
    case WorkerStep::kEvaluate:
      return "evaluate";
  }
  return "?";
}

WorkerStep StepFromText(const std::string& text) {
  for (const WorkerStep step : {WorkerStep::kSelfTest, WorkerStep::kDigest, WorkerStep::kEvaluate})
    if (text == StepText(step)) return step;
  throw Error(ErrorCode::kInternal, "worker: unknown step \"" + text + "\"");
}

Role RequireRole(const std::string& text) {
  if (const auto role = RoleFromText(text)) return *role;
  throw Error(ErrorCode::kInternal, "worker: unknown role \"" + text + "\"");
}

json ToJson(const BundleSummary& bundle) {
  json sequences = json::array();
  for (const Role role : bundle.sequences) sequences.push_back(ToText(role));
  return {{"name", bundle.name},
          {"version", bundle.version},
          {"sha256", bundle.sha256},
          {"domain", bundle.domain},
          {"intended_use", bundle.intended_use},
          {"evaluation", bundle.evaluation},
          {"sequences", sequences},
          {"abstain", bundle.abstain},
          {"slope", bundle.calibration_slope},
          {"intercept", bundle.calibration_intercept}};
}

BundleSummary BundleFromJson(const json& from) {
  BundleSummary bundle;
  bundle.name = from.at("name");
  bundle.version = from.at("version");
  bundle.sha256 = from.at("sha256");
  bundle.domain = from.at("domain");
  bundle.intended_use = from.at("intended_use");
  bundle.evaluation = from.at("evaluation");
  for (const auto& role : from.at("sequences")) bundle.sequences.push_back(RequireRole(role));
  bundle.abstain = from.at("abstain");
  bundle.calibration_slope = from.at("slope");
  bundle.calibration_intercept = from.at("intercept");
  return bundle;
}

json ToJson(const ViewInfo& view) {
  return {{"role", ToText(view.role)}, {"plane", view.plane},           {"position_mm", view.position_mm},
          {"pixel_mm", view.pixel_mm}, {"width", view.width},           {"height", view.height},
          {"offset", view.offset},     {"map_offset", view.map_offset}, {"mosaic", view.mosaic}};
}

ViewInfo ViewFromJson(const json& from) {
  ViewInfo view;
  view.role = RequireRole(from.at("role"));
  view.plane = from.at("plane");
  view.position_mm = from.at("position_mm");
  view.pixel_mm = from.at("pixel_mm");
  view.width = from.at("width");
  view.height = from.at("height");
  view.offset = from.at("offset");
  view.map_offset = from.at("map_offset");
  view.mosaic = from.at("mosaic");
  return view;
}

}  // namespace

json ToJson(const std::vector<Reason>& reasons) {
  json list = json::array();
  for (const Reason& reason : reasons) list.push_back({{"code", ToText(reason.code)}, {"text", reason.text}});
  return list;
}

std::vector<Reason> ReasonsFromJson(const json& from) {
  std::vector<Reason> reasons;
  for (const auto& item : from) {
    const auto code = ReasonCodeFromText(item.at("code").get<std::string>());
    if (!code) throw Error(ErrorCode::kInternal, "unknown reason code " + item.at("code").dump());
    reasons.push_back({*code, item.at("text")});
  }
  return reasons;
}

json ToJson(const WorkerRequest& request) {
  json inputs = json::object();
  for (const auto& [role, input] : request.inputs)
    inputs[std::string(ToText(role))] = {{"series_uid", input.series_uid}, {"files", input.files}};
  return {{"step", StepText(request.step)},
          {"bundle", request.bundle},
          {"bundle_sha256", request.bundle_sha256},
          {"proven_sha256", request.proven_sha256},
          {"device", request.device},
          {"threads", request.threads},
          {"inputs", inputs},
          {"memory_limit_mib", request.memory_limit_mib},
          {"reasons", ToJson(request.reasons)},
          {"out_dir", request.out_dir}};
}

WorkerRequest RequestFromJson(const json& from) {
  WorkerRequest request;
  request.step = StepFromText(from.at("step"));
  request.bundle = from.at("bundle");
  request.bundle_sha256 = from.at("bundle_sha256");
  request.proven_sha256 = from.at("proven_sha256");
  request.device = from.at("device");
  request.threads = from.at("threads");
  request.memory_limit_mib = from.value("memory_limit_mib", 0);
  for (const auto& [role, input] : from.at("inputs").items())
    request.inputs[RequireRole(role)] = {input.at("series_uid"), input.at("files")};
  request.reasons = ReasonsFromJson(from.at("reasons"));
  request.out_dir = from.at("out_dir");
  return request;
}

json ToJson(const WorkerAnswer& answer) {
  json digests = json::object(), views = json::array();
  for (const auto& [uid, digest] : answer.digests)
    digests[uid] = {{"pixel_digest", digest.pixel_digest}, {"lossy", digest.lossy}};
  for (const ViewInfo& view : answer.views) views.push_back(ToJson(view));
  json to = {{"ok", answer.ok},
             {"error", answer.error},
             {"error_code", answer.error_code},
             {"bundle_unproven", answer.bundle_unproven},
             {"digests", digests},
             {"reasons", ToJson(answer.reasons)},
             {"map_class", answer.map_class},
             {"device", answer.device},
             {"timings_ms", answer.timings_ms},
             {"views", views},
             {"peak_outside_brain", answer.peak_outside_brain},
             {"peak_mm", answer.peak_mm},
             {"slice_of", static_cast<int>(answer.slice_of)},
             {"bundle", nullptr},
             {"probability_of_necrosis", nullptr}};
  if (answer.bundle) to["bundle"] = ToJson(*answer.bundle);
  if (answer.probability_of_necrosis) to["probability_of_necrosis"] = *answer.probability_of_necrosis;
  return to;
}

WorkerAnswer AnswerFromJson(const json& from) {
  WorkerAnswer answer;
  answer.ok = from.at("ok");
  answer.error = from.at("error");
  answer.error_code = from.at("error_code");
  answer.bundle_unproven = from.at("bundle_unproven");
  for (const auto& [uid, digest] : from.at("digests").items())
    answer.digests[uid] = {digest.at("pixel_digest"), digest.at("lossy")};
  answer.reasons = ReasonsFromJson(from.at("reasons"));
  answer.map_class = from.at("map_class");
  answer.device = from.at("device");
  answer.timings_ms = from.at("timings_ms").get<std::map<std::string, double>>();
  for (const auto& view : from.at("views")) answer.views.push_back(ViewFromJson(view));
  answer.peak_outside_brain = from.at("peak_outside_brain");
  answer.peak_mm = from.at("peak_mm");
  answer.slice_of = static_cast<SliceOf>(std::clamp(from.at("slice_of").get<int>(), 0, 2));
  if (!from.at("bundle").is_null()) answer.bundle = BundleFromJson(from.at("bundle"));
  if (!from.at("probability_of_necrosis").is_null())
    answer.probability_of_necrosis = from.at("probability_of_necrosis").get<double>();
  return answer;
}

}  // namespace glionode::server
