#pragma once
#include "server/admin_router.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace glionode::server {

/// Which studies a list shows; an empty member is no condition.
struct StudyQuery {
  std::string state, decision, from, search;  ///< search: in the Study Instance UID
  int limit = 100, offset = 0;
};

/// Which outbox rows a list shows.
struct OutboxQuery {
  std::string state, peer, study_uid;
  int limit = 100, offset = 0;
};

/// A picture of one page of a study's newest capture.
struct CapturePicture {
  std::string png;
};

/// What routes ask the index. Threads: any.
class IndexQueries {
 public:
  virtual ~IndexQueries() = default;
  virtual nlohmann::json Studies(const StudyQuery& query) const = 0;
  virtual std::optional<nlohmann::json> Study(const std::string& study_uid) const = 0;  ///< empty: no such study
  virtual nlohmann::json Outbox(const OutboxQuery& query) const = 0;
};

/// What the routes below may ask of the node. Threads: called from HTTP handler threads, never from an I/O thread.
/// A feature of its own brings its own routes (AdminRouter::Add) instead of a method here.
class NodeView : public IndexQueries {
 public:
  virtual nlohmann::json Ready() const = 0;  ///< {"ready": bool, "problems": [text]}
  virtual nlohmann::json Status() const = 0;
  virtual std::string Metrics() const = 0;
  /// Page `page` (1, 2, ...) of the newest result's capture; empty: there is none.
  virtual std::optional<CapturePicture> Capture(const std::string& study_uid, int page) const = 0;
  virtual nlohmann::json Problems() const = 0;
  virtual nlohmann::json Echo(const std::string& peer_ae) = 0;  ///< {"ok", "text"}; Error{kNotFound}: no such peer
  virtual int RetryOutbox(const std::vector<std::int64_t>& ids) = 0;
  virtual int RetryPeer(const std::string& peer_ae) = 0;
  virtual nlohmann::json Peers() const = 0;  ///< {"peers": [{"ae_title", "paused", "outbox": {state: count}, ...}]}
  /// What an administrator orders: POST /api/v1/ACTION with a JSON object. Throws Error{kNotFound} for an unknown
  /// action or subject, Error{kUsage} for a body that does not say what is needed. `caller`: who orders it (ApiCall).
  virtual nlohmann::json Do(const std::string& action, const nlohmann::json& body, const std::string& caller) = 0;
  virtual bool RetryStudy(const std::string& study_uid) = 0;  ///< a failed study's job, once more
  /// A study's evaluation once more: {"started", "text"}. Error{kNotFound}, or Error{kUsage} when it cannot be.
  virtual nlohmann::json Rerun(const std::string& study_uid) = 0;
  /// A parked study goes on: a person has looked and says that all its images are one patient's. {"released", "text"}.
  virtual nlohmann::json Release(const std::string& study_uid, const std::string& caller,
                                 const std::string& reason) = 0;
  virtual nlohmann::json Reload() = 0;  ///< {"reloaded", "findings": [], "needs_restart": []}
  /// Takes the report back; `reason` is quality or patient-safety. {"unsent": 2, "peers": ["PACS"]}
  virtual nlohmann::json Withdraw(const std::string& study_uid, const std::string& reason, const std::string& text) = 0;
};

/// Studies and outbox alone.
void AddIndexRoutes(AdminRouter& router, const IndexQueries& index);

/// The page, the probes, and the node's own part of the API. `node` must outlive the router.
void AddNodeRoutes(AdminRouter& router, NodeView& node, const std::string& version);

}  // namespace glionode::server
