#pragma once
#include "server/admin_access.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace glionode::server {

struct AdminRequest {
  std::string method;  ///< GET, POST
  std::string target;  ///< path and query as received
  std::string host;    ///< Host header
  std::string content_type;
  std::string body;
  std::string origin;         ///< Origin header; empty: none
  std::string authorization;  ///< Authorization header
};

struct AdminResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< beside those that every answer has
  bool is_stream = false;                                    ///< goes on as server-sent events
};

AdminResponse JsonAnswer(int status, const nlohmann::json& body);
/// The one error shape: {"error": {"code": a fixed word, "text": a sentence}}.
AdminResponse ProblemAnswer(int status, const std::string& code, const std::string& text);

enum class FieldType { kText, kInteger, kBoolean, kIntegers };

/// A query parameter or a member of a request's body. Checked before the handler sees it, and described in the OpenAPI
/// document: both from here.
struct ApiField {
  std::string name;
  FieldType type = FieldType::kText;
  std::string description;
  bool required = false;
  nlohmann::json fallback = nullptr;      ///< what the handler gets when it is not given; null: nothing
  std::int64_t lowest = 0;                ///< of integers
  std::int64_t highest = 1'000'000'000;   ///< of integers
  std::vector<std::string> choices = {};  ///< of texts; empty: any text
  std::size_t longest = 512;              ///< of texts, in bytes
};

/// One call whose access and fields have been checked.
struct ApiCall {
  std::map<std::string, std::string> path;  ///< {study_uid} of the path's template
  nlohmann::json query = nlohmann::json::object();
  nlohmann::json body = nlohmann::json::object();
  std::string caller;  ///< name of the token, or "local"
};

/// One thing that the interface can do.
struct ApiRoute {
  std::string method;   ///< GET reads, POST changes
  std::string path;     ///< "/api/v1/studies/{study_uid}"
  std::string summary;  ///< one sentence
  Access access = Access::kRead;
  std::vector<ApiField> query = {};
  std::vector<ApiField> body = {};
  nlohmann::json answer = nlohmann::json::object();  ///< JSON Schema of the answer
  std::string answer_type = "application/json";
  bool is_slow = false;  ///< waits for other machines: has threads of its own
  std::function<AdminResponse(const ApiCall&)> handle = {};
};

/// What a change through this interface leaves behind.
struct AdminChange {
  std::string caller, method, path;  ///< path: as received
  nlohmann::json body;
  int status = 0;
  std::string route;                          ///< the path's template, ApiRoute::path
  std::map<std::string, std::string> values;  ///< of its {names}, decoded
};

/// All routes: finds the one that is meant, checks host, access, origin and fields, and calls it. Features add their
/// routes before the first request. Threads: Handle from any; the rest before.
class AdminRouter {
 public:
  AdminRouter();
  AdminRouter(const AdminRouter&) = delete;  // routes may refer to it
  AdminRouter& operator=(const AdminRouter&) = delete;
  /// Throws Error{kInternal} for a second route of the same method and path.
  void Add(ApiRoute route);
  /// Called after each change that was asked for with the right role, also when it failed.
  void OnChange(std::function<void(const AdminChange&)> listener) { on_change_ = std::move(listener); }

  /// Never throws. Pure apart from what the handlers do.
  AdminResponse Handle(const AdminRequest& request, const AdminAccess& access) const;
  /// Does the request wait for other machines?
  bool IsSlow(const AdminRequest& request) const;

  const std::vector<ApiRoute>& Routes() const { return routes_; }
  /// OpenAPI 3.1, made from the routes.
  nlohmann::json OpenApi(const std::string& version) const;

 private:
  AdminResponse Dispatch(const AdminRequest& request, const AdminAccess& access) const;

  std::vector<ApiRoute> routes_;
  std::function<void(const AdminChange&)> on_change_;
};

/// `limit` and `offset` of every list.
std::vector<ApiField> PagingFields();

}  // namespace glionode::server
