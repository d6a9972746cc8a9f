// What the administrator's interface shows: the NodeView side of App.
#include "config/error.h"
#include "server/app.h"
#include "server/metrics.h"
#include "server/version.h"
#include "server/withdrawal.h"

namespace glionode::server {

using nlohmann::json;

namespace {

/// Who asks after a Success sees what was stored.
constexpr auto kFlush = std::chrono::seconds(2);

/// Instances of a study about which two peers disagree: UID, who sent which bytes, in the order of their coming.
json Conflicts(const std::vector<storage::InstanceRecord>& versions) {
  std::map<std::string, std::vector<const storage::InstanceRecord*>> by_uid;
  for (const auto& version : versions) by_uid[version.sop_instance_uid].push_back(&version);
  json list = json::array();
  for (const auto& [uid, all] : by_uid) {
    json from = json::array();
    bool differ = false;
    for (const auto* version : all) {
      differ |= version->from_ae != all.front()->from_ae;
      from.push_back({{"peer", version->from_ae},
                      {"received_at", version->received_at},
                      {"sha256", version->sha256},
                      {"file", version->file},
                      {"current", version->current}});
    }
    if (differ) list.push_back({{"sop_instance_uid", uid}, {"versions", from}});
  }
  return list;
}

}  // namespace

json App::Ready() const {
  json problems = json::array();
  const ModelState model = pipeline_.Model();
  if (!model.ready) problems.push_back("model: " + model.text);
  if (files_.FreeBytes() < settings_.storage.MinFreeBytes())
    problems.push_back("disk: less than min_free_gib is free in " + files_.Root().string());
  if (index_damaged_)
    problems.push_back(
        "index: it is damaged; a restart makes it anew from images and results, and sends nothing twice");
  return {{"ready", problems.empty()}, {"problems", problems}};
}

json App::Status() const {
  ingest_.Flush(kFlush);
  const dicom::ReceiverCounters receiver = receiver_->Counters();
  const PipelineCounters pipeline = pipeline_.Counters();
  const ModelState model = pipeline_.Model();
  json states = json::object(), outbox = json::object();
  const storage::StudyCounts counts = index_.Counts();
  for (const auto& [state, count] : counts.by_state) states[state] = count;
  for (const auto& [state, count] : outbox_.CountsByState()) outbox[state] = count;
  return {{"version", VersionWithCommit()},
          {"ae_title", settings_.node.ae_title},
          {"dicom_port", receiver_->Port()},
          {"dicom_tls_port", receiver_->TlsPort()},
          {"model", {{"ready", model.ready}, {"text", model.text}, {"device", model.device}}},
          {"associations", {{"open", receiver.open_associations}, {"total", receiver.associations}}},
          {"refusals", receiver.refusals},
          {"instances", counts.instances},
          {"sweep", sweeping_ ? "running" : "done"},
          {"conflicts", ingest_.Counters().conflicts},
          {"studies", states},
          {"jobs", {{"ready", jobs_.CountReady()}, {"done", pipeline.jobs_done}, {"failed", pipeline.jobs_failed}}},
          {"outbox", outbox},
          {"waiting_for_proof", proofs_.CountWaiting()},
          {"free_bytes", files_.FreeBytes()}};
}

std::string App::Metrics() const {
  ingest_.Flush(kFlush);
  const auto tls = Tls();
  return MetricsText({Version(), receiver_->Counters(), pipeline_.Counters(), pipeline_.Model().ready,
                      jobs_.CountReady(), index_.Counts(), outbox_.CountsByState(), files_.FreeBytes(),
                      ingest_.Counters(), sweeping_, tls ? tls->Certificates() : std::vector<dicom::CertificateInfo>{},
                      clock_.Wall() / 1000, confirmation_.Counters(), proofs_.CountWaiting()});
}

json App::Describe(const storage::StudyRecord& study) const {
  json out = {{"study_uid", study.study_uid},
              {"state", storage::ToText(study.state)},
              {"why", study.why},
              {"from", study.from_ae},
              {"revision", study.revision},
              {"first_arrival", study.first_arrival},
              {"last_arrival", study.last_arrival},
              {"withdrawn", nullptr},
              {"decision", nullptr},
              {"reasons", json::array()},
              {"roles", json::object()},
              {"timings_ms", json::object()}};
  for (const auto& taken : outbox_.Withdrawals(study.study_uid))
    if (taken.revision >= study.revision)
      out["withdrawn"] = {{"at", taken.at}, {"reason", taken.reason}, {"text", taken.text}};
  if (const auto result = jobs_.NewestResult(study.study_uid)) {
    const json stored = json::parse(result->result_json);
    out["decision"] = stored.at("decision");
    for (const auto& reason : stored.at("reasons")) out["reasons"].push_back(reason.at("code"));
    out["roles"] = stored.at("roles");
    out["timings_ms"] = stored.at("timings_ms");
    out["result"] = stored;
  }
  return out;
}

json App::Studies(int limit, int offset) const {
  ingest_.Flush(kFlush);
  json list = json::array();
  for (const auto& study : index_.Page(limit, offset)) list.push_back(Describe(study));
  return {{"studies", list}, {"limit", limit}, {"offset", offset}};
}

std::optional<json> App::Study(const std::string& study_uid) const {
  ingest_.Flush(kFlush);
  const auto study = index_.Find(study_uid);
  if (!study) return std::nullopt;
  json out = Describe(*study);
  json series = json::array();
  for (const auto& role : index_.Roles(study_uid))
    series.push_back({{"series_uid", role.series_uid},
                      {"description", role.description},
                      {"role", role.role},
                      {"score", role.score},
                      {"why", role.why},
                      {"rule", role.rule},
                      {"chosen", role.chosen}});
  out["series"] = series;
  out["instances"] = index_.Instances(study_uid).size();
  out["conflicts"] = Conflicts(index_.Versions(study_uid));
  return out;
}

json App::Outbox(int limit, int offset) const {
  json list = json::array();
  for (const auto& row : outbox_.Page(limit, offset))
    list.push_back({{"id", row.id},
                    {"study_uid", row.study_uid},
                    {"peer", row.peer_ae},
                    {"state", storage::ToText(row.state)},
                    {"attempts", row.attempts},
                    {"next_try", row.next_try},
                    {"last_status", row.last_status},
                    {"kind", row.object.kind},
                    {"sop_class_uid", row.object.sop_class_uid},
                    {"sop_instance_uid", row.object.sop_instance_uid}});
  return {{"outbox", list}, {"limit", limit}, {"offset", offset}};
}

int App::RetryOutbox(const std::vector<std::int64_t>& ids) {
  const int count = outbox_.RetryNow(ids, clock_.Wall());
  sender_->Wake();
  AuditOrder(std::to_string(count) + " outbox rows were made due", nlohmann::json::object());
  return count;
}

int App::RetryPeer(const std::string& peer_ae) {
  const int count = outbox_.RetryPeer(peer_ae, clock_.Wall());
  sender_->Wake();
  AuditOrder(std::to_string(count) + " outbox rows for " + peer_ae + " were made due", nlohmann::json::object());
  return count;
}

json App::Withdraw(const std::string& study_uid, const std::string& reason, const std::string& text) {
  const auto known = dicom::RejectionReasonFromText(reason);
  if (!known) throw Error(ErrorCode::kUsage, "reason: expected quality or patient-safety, found \"" + reason + "\"");
  if (text.size() > 500) throw Error(ErrorCode::kUsage, "text: at most 500 characters");
  WithdrawalDone done;
  sender_->WithoutSending(study_uid, [&] {
    done = server::Withdraw({files_, index_, jobs_, outbox_, clock_.Wall(), VersionWithCommit()},
                            {study_uid, *known, text});
  });
  sender_->Wake();
  AuditOrder("the report was withdrawn: " + reason, json::object(), study_uid);
  return {{"unsent", done.unsent}, {"peers", done.peers}};
}

bool App::RetryStudy(const std::string& study_uid) {
  const bool again = jobs_.RetryFailed(study_uid);
  Notify();
  if (again) AuditOrder("a failed study was tried again", nlohmann::json::object(), study_uid);
  return again;
}

}  // namespace glionode::server
