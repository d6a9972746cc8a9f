#include "server/admin_routes.h"

#include "config/error.h"

#include <charconv>
#include <map>

namespace glionode::server {
namespace {

using nlohmann::json;

AdminResponse Json(int status, const json& body) { return {status, "application/json", body.dump() + "\n"}; }

AdminResponse Problem(int status, const std::string& code, const std::string& text) {
  return Json(status, {{"error", {{"code", code}, {"text", text}}}});
}

/// The one table from our errors to HTTP.
int StatusFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutOfSpace:
      return 507;
    case ErrorCode::kBusy:
      return 503;
    case ErrorCode::kBadDataset:
      return 422;
    case ErrorCode::kWrongSopClass:
    case ErrorCode::kUsage:
      return 400;
    case ErrorCode::kNotAllowed:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kMissingPart:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

bool IsLocalHost(std::string host) {
  if (const auto colon = host.rfind(':'); colon != std::string::npos && host.find(']', colon) == std::string::npos)
    host.resize(colon);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

struct Target {
  std::string path;
  std::map<std::string, std::string> query;
};

Target Split(const std::string& target) {
  Target split;
  const auto mark = target.find('?');
  split.path = target.substr(0, mark);
  if (mark == std::string::npos) return split;
  std::string rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const std::string pair = rest.substr(0, end);
    const auto equals = pair.find('=');
    split.query[pair.substr(0, equals)] = equals == std::string::npos ? "" : pair.substr(equals + 1);
    rest = end == std::string::npos ? "" : rest.substr(end + 1);
  }
  return split;
}

int Number(const Target& target, const std::string& key, int fallback, int low, int high) {
  const auto found = target.query.find(key);
  if (found == target.query.end()) return fallback;
  int value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto parsed = std::from_chars(found->second.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < low || value > high)
    throw Error(ErrorCode::kUsage,
                key + " must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  return value;
}

AdminResponse Retry(const AdminRequest& request, NodeView& node) {
  if (request.content_type.rfind("application/json", 0) != 0)
    return Problem(415, "content_type", "Content-Type must be application/json");
  const json body = json::parse(request.body, nullptr, false);
  if (body.is_object() && body.contains("peer") && body["peer"].is_string())
    return Json(200, {{"retried", node.RetryPeer(body["peer"])}});
  if (body.is_object() && body.contains("study_uid") && body["study_uid"].is_string())
    return Json(200, {{"retried", node.RetryStudy(body["study_uid"]) ? 1 : 0}});
  if (!body.is_object() || !body.contains("ids") || !body["ids"].is_array())
    return Problem(400, "body", "expected {\"ids\": [1, 2]}, {\"peer\": \"AE_TITLE\"} or {\"study_uid\": \"1.2\"}");
  std::vector<std::int64_t> ids;
  for (const auto& id : body["ids"]) {
    if (!id.is_number_integer()) return Problem(400, "body", "ids must be whole numbers");
    ids.push_back(id);
  }
  return Json(200, {{"retried", node.RetryOutbox(ids)}});
}

AdminResponse Withdraw(const AdminRequest& request, NodeView& node) {
  if (request.content_type.rfind("application/json", 0) != 0)
    return Problem(415, "content_type", "Content-Type must be application/json");
  const json body = json::parse(request.body, nullptr, false);
  const auto text = [&](const char* key) {
    const auto found = body.is_object() ? body.find(key) : body.end();
    return body.is_object() && found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (text("study_uid").empty() || text("reason").empty())
    return Problem(400, "body", "expected {\"study_uid\": \"1.2\", \"reason\": \"quality\", \"text\": \"why\"}");
  return Json(200, node.Withdraw(text("study_uid"), text("reason"), text("text")));
}

AdminResponse Order(const std::string& action, const AdminRequest& request, NodeView& node) {
  if (request.content_type.rfind("application/json", 0) != 0)
    return Problem(415, "content_type", "Content-Type must be application/json");
  const json body = json::parse(request.body, nullptr, false);
  if (!body.is_object()) return Problem(400, "body", "expected a JSON object");
  return Json(200, node.Do(action, body));
}

AdminResponse Dispatch(const AdminRequest& request, NodeView& node) {
  const Target target = Split(request.target);
  const std::string studies = "/api/v1/studies/";
  const bool is_get = request.method == "GET", is_post = request.method == "POST";
  const auto only = [](const char* method) { return Problem(405, "method", std::string("this path takes ") + method); };
  if (target.path == "/live") return is_get ? Json(200, {{"live", true}}) : only("GET");
  if (target.path == "/ready") {
    if (!is_get) return only("GET");
    const json ready = node.Ready();
    return Json(ready.at("ready") ? 200 : 503, ready);
  }
  if (target.path == "/metrics")
    return is_get ? AdminResponse{200, "text/plain; version=0.0.4", node.Metrics()} : only("GET");
  if (target.path == "/api/v1/status") return is_get ? Json(200, node.Status()) : only("GET");
  if (target.path == "/api/v1/studies" || target.path == "/api/v1/outbox") {
    if (!is_get) return only("GET");
    const int limit = Number(target, "limit", 100, 1, 1000), offset = Number(target, "offset", 0, 0, 1000000000);
    return Json(200, target.path == "/api/v1/studies" ? node.Studies(limit, offset) : node.Outbox(limit, offset));
  }
  if (target.path == "/api/v1/withdraw") return is_post ? Withdraw(request, node) : only("POST");
  if (target.path == "/api/v1/retry") return is_post ? Retry(request, node) : only("POST");
  if (target.path == "/api/v1/peers") return is_get ? Json(200, node.Peers()) : only("GET");
  if (target.path.rfind(studies, 0) == 0) {
    if (!is_get) return only("GET");
    const auto study = node.Study(target.path.substr(studies.size()));
    return study ? Json(200, *study) : Problem(404, "not_found", "no such study");
  }
  for (const char* action : {"pause", "resume", "delete", "verify", "backup"})
    if (target.path == std::string("/api/v1/") + action) return is_post ? Order(action, request, node) : only("POST");
  return Problem(404, "not_found", "no such path");
}

}  // namespace

AdminResponse Route(const AdminRequest& request, NodeView& node) {
  if (!IsLocalHost(request.host)) return Problem(403, "host", "this interface answers local names only");
  try {
    return Dispatch(request, node);
  } catch (const Error& e) {
    return Problem(StatusFor(e.Code()), "error", e.what());
  } catch (const std::exception& e) {
    return Problem(500, "internal", e.what());
  } catch (...) {
    return Problem(500, "internal", "an exception of an unknown kind");
  }
}

}  // namespace glionode::server
