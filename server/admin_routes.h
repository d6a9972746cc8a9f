#pragma once
#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace glionode::server {

struct AdminRequest {
  std::string method;  ///< GET, POST
  std::string target;  ///< path and query as received
  std::string host;    ///< Host header
  std::string content_type;
  std::string body;
};

struct AdminResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

/// What the routes may ask of the node. Threads: called from HTTP handler threads, never from an I/O thread.
class NodeView {
 public:
  virtual ~NodeView() = default;
  virtual nlohmann::json Ready() const = 0;  ///< {"ready": bool, "problems": [text]}
  virtual nlohmann::json Status() const = 0;
  virtual std::string Metrics() const = 0;
  virtual nlohmann::json Studies(int limit, int offset) const = 0;
  virtual std::optional<nlohmann::json> Study(const std::string& study_uid) const = 0;
  virtual nlohmann::json Outbox(int limit, int offset) const = 0;
  virtual int RetryOutbox(const std::vector<std::int64_t>& ids) = 0;
  virtual int RetryPeer(const std::string& peer_ae) = 0;
  virtual nlohmann::json Peers() const = 0;  ///< {"peers": [{"ae_title", "paused", "outbox": {state: count}, ...}]}
  /// What an administrator orders: POST /api/v1/ACTION with a JSON object. Throws Error{kNotFound} for an unknown
  /// action or subject, Error{kUsage} for a body that does not say what is needed.
  virtual nlohmann::json Do(const std::string& action, const nlohmann::json& body) = 0;
  virtual bool RetryStudy(const std::string& study_uid) = 0;  ///< a failed study's job, once more
  /// Takes the report back; `reason` is quality or patient-safety. {"unsent": 2, "peers": ["PACS"]}
  virtual nlohmann::json Withdraw(const std::string& study_uid, const std::string& reason, const std::string& text) = 0;
};

/// Method and path to answer. Pure apart from what `node` does. One error shape: {"error": {"code", "text"}}.
/// Only local Host names are answered (against DNS rebinding), and changes only with a JSON body (against forms of
/// other sites).
AdminResponse Route(const AdminRequest& request, NodeView& node);

}  // namespace glionode::server
