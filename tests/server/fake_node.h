#pragma once
#include "config/error.h"
#include "server/admin_routes.h"

#include <atomic>

namespace glionode::server {

/// Answers the routes without a node.
class FakeNode : public NodeView {
 public:
  using json = nlohmann::json;
  json Ready() const override { return {{"ready", ready}, {"problems", json::array()}}; }
  json Status() const override {
    if (is_busy) throw Error(ErrorCode::kBusy, "the index is busy");
    return {{"version", "test"}, {"number", number.load()}};
  }
  std::string Metrics() const override { return "metrics"; }
  json Studies(const StudyQuery& query) const override {
    return {
        {"studies", json::array()}, {"limit", query.limit},       {"offset", query.offset}, {"total", 0},
        {"state", query.state},     {"decision", query.decision}, {"from", query.from},     {"search", query.search}};
  }
  std::optional<json> Study(const std::string& uid) const override {
    return uid == "1.2" ? std::optional<json>(json::object()) : std::nullopt;
  }
  std::optional<CapturePicture> Capture(const std::string& uid, int page) const override {
    return uid == "1.2" && page == 1 ? std::optional<CapturePicture>(CapturePicture{"png"}) : std::nullopt;
  }
  json Outbox(const OutboxQuery& query) const override {
    return {{"outbox", json::array()}, {"limit", query.limit}, {"offset", query.offset}, {"total", 0}};
  }
  json Peers() const override { return {{"peers", json::array()}}; }
  json Problems() const override { return {{"problems", json::array()}, {"log", json::array()}}; }
  json Echo(const std::string& peer) override {
    if (peer != "PACS 1") throw Error(ErrorCode::kNotFound, "no such peer");
    return {{"ok", true}, {"text", "answered"}};
  }
  int RetryOutbox(const std::vector<std::int64_t>& ids) override { return static_cast<int>(ids.size()); }
  int RetryPeer(const std::string&) override { return 7; }
  bool RetryStudy(const std::string& uid) override { return uid == "1.2"; }
  json Rerun(const std::string&) override { throw std::runtime_error("secret detail"); }
  json Release(const std::string&, const std::string& caller, const std::string& reason) override {
    return {{"released", true}, {"text", caller + ": " + reason}};
  }
  json Do(const std::string& action, const json& body, const std::string& caller) override {
    return {{"did", action}, {"body", body}, {"caller", caller}};
  }
  json Withdraw(const std::string& uid, const std::string& reason, const std::string& text) override {
    if (uid != "1.2") throw Error(ErrorCode::kNotFound, "no report");
    return {{"unsent", 0}, {"peers", {reason + " " + text}}};
  }
  json Reload() override { return {{"reloaded", true}, {"findings", json::array()}, {"needs_restart", json::array()}}; }

  bool ready = true, is_busy = false;
  std::atomic<int> number{0};
};

}  // namespace glionode::server
