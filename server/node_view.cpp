// What the administrator's interface shows: the NodeView side of App.
#include "config/error.h"
#include "config/log.h"
#include "dicom/sender.h"
#include "server/app.h"
#include "server/index_view.h"
#include "server/metrics.h"
#include "server/node_advice.h"
#include "server/rerun.h"
#include "server/version.h"
#include "server/withdrawal.h"
#include "storage/database.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace glionode::server {
namespace {

using nlohmann::json;

/// Who asks after a Success sees what was stored.
constexpr auto kFlush = std::chrono::seconds(2);

std::string_view Word(LogLevel level) { return level == LogLevel::kError ? "error" : "warning"; }

}  // namespace

json App::Ready() const {
  json problems = json::array();
  const ModelState model = pipeline_.Model();
  if (!model.ready) problems.push_back("model: " + model.text);
  if (files_.FreeBytes() < InForce().storage.MinFreeBytes())
    problems.push_back("disk: less than min_free_gib is free in " + files_.Root().string());
  if (index_damaged_)
    problems.push_back(
        "index: it is damaged; a restart makes it anew from images and results, and sends nothing twice");
  return {{"ready", problems.empty()}, {"problems", problems}};
}

storage::StudyCounts App::Counts() const {
  // Counting a million instances takes a while; then the answer of a moment ago is good enough.
  constexpr auto kFresh = std::chrono::seconds(1);
  constexpr std::int64_t kMany = 50'000;
  const std::lock_guard lock(counts_mutex_);
  const SteadyTime now = clock_.Steady();
  const auto writes = database_.Writes();
  if (!counts_ || (writes != counts_at_writes_ && (counts_->instances < kMany || now - counts_at_ > kFresh))) {
    counts_ = index_.Counts();
    counts_at_ = now;
    counts_at_writes_ = writes;
  }
  return *counts_;
}

json App::Status() const {
  ingest_.Flush(kFlush);
  return Pulse();
}

json App::Pulse() const {
  const dicom::ReceiverCounters receiver = receiver_->Counters();
  const PipelineCounters pipeline = pipeline_.Counters();
  const ModelState model = pipeline_.Model();
  json states = json::object(), outbox = json::object();
  const storage::StudyCounts counts = Counts();
  for (const auto& [state, count] : counts.by_state) states[state] = count;
  for (const auto& [state, count] : outbox_.CountsByState()) outbox[state] = count;
  return {{"version", VersionWithCommit()},
          {"ae_title", settings_.node.ae_title},
          {"dicom_port", receiver_->Port()},
          {"dicom_tls_port", receiver_->TlsPort()},
          {"started_at", started_at_},
          {"index_version", database_.Writes()},
          {"model", {{"ready", model.ready}, {"text", model.text}, {"device", model.device}}},
          {"associations", {{"open", receiver.open_associations}, {"total", receiver.associations}}},
          {"received", {{"instances", receiver.instances}, {"bytes", receiver.bytes}, {"failures", receiver.failures}}},
          {"refusals", receiver.refusals},
          {"instances", counts.instances},
          {"sweep", sweeping_ ? "running" : "done"},
          {"conflicts", ingest_.Counters().conflicts},
          {"studies", states},
          {"jobs", {{"ready", jobs_.CountReady()}, {"done", pipeline.jobs_done}, {"failed", pipeline.jobs_failed}}},
          {"outbox", outbox},
          {"waiting_for_proof", proofs_.CountWaiting()},
          {"free_bytes", files_.FreeBytes()},
          {"min_free_bytes", InForce().storage.MinFreeBytes()},
          {"show_identity", InForce().admin.show_identity}};
}

std::string App::Metrics() const {
  ingest_.Flush(kFlush);
  MetricsSnapshot now;
  now.version = Version();
  now.receiver = receiver_->Counters();
  now.pipeline = pipeline_.Counters();
  now.results = now.pipeline.results;
  now.model_ready = pipeline_.Model().ready;
  now.jobs_ready = jobs_.CountReady();
  now.studies = Counts();
  now.outbox = outbox_.CountsByState();
  now.free_bytes = files_.FreeBytes();
  now.min_free_bytes = InForce().storage.MinFreeBytes();
  now.index_memory_bytes = storage::Database::MemoryBytes();
  now.started_at_ms = started_at_;
  const auto age = [wall = clock_.Wall()](WallMs since) {
    return since > 0 && wall > since ? static_cast<double>(wall - since) / 1000 : 0.0;
  };
  now.jobs_oldest_seconds = age(listing_.OldestReadyJob());
  for (const auto& contact : listing_.Contacts())
    now.outbox_oldest_seconds = std::max(now.outbox_oldest_seconds, age(contact.oldest_waiting));
  now.ingest = ingest_.Counters();
  now.sweeping = sweeping_;
  if (const auto tls = Tls()) now.certificates = tls->Certificates();
  now.now_seconds = clock_.Wall() / 1000;
  now.confirmation = confirmation_.Counters();
  now.waiting_for_proof = proofs_.CountWaiting();
  return MetricsText(now);
}

json App::Studies(const StudyQuery& query) const {
  ingest_.Flush(kFlush);
  return View().Studies(query);
}

std::optional<json> App::Study(const std::string& study_uid) const {
  ingest_.Flush(kFlush);
  return View().Study(study_uid);
}

json App::Outbox(const OutboxQuery& query) const { return View().Outbox(query); }

Settings App::InForce() const {
  const std::lock_guard lock(mutex_);
  return settings_in_force_;
}

IndexView App::View() const { return {index_, jobs_, outbox_, listing_, InForce().admin.show_identity}; }

std::optional<CapturePicture> App::Capture(const std::string& study_uid, int page) const {
  const auto result = jobs_.NewestResult(study_uid);
  if (!result) return std::nullopt;
  for (const auto& object : jobs_.Objects(result->id)) {
    if (object.kind != "sc" || --page > 0) continue;
    // Beside sc-N.dcm lies capture-N.png with the same pixels.
    const std::filesystem::path file = files_.Root() / object.file;
    std::string name = file.stem().string();
    if (name.rfind("sc-", 0) != 0) return std::nullopt;
    std::ifstream in(file.parent_path() / ("capture-" + name.substr(3) + ".png"), std::ios::binary);
    std::stringstream png;
    png << in.rdbuf();
    if (!in) return std::nullopt;
    return CapturePicture{png.str()};
  }
  return std::nullopt;
}

json App::Peers() const {
  std::map<std::string, json> peers;
  const auto time = [](WallMs at) { return at > 0 ? json(at) : json(nullptr); };
  {
    const std::lock_guard lock(mutex_);
    for (const PeerSettings& peer : settings_in_force_.peers) {
      json& entry = peers[peer.ae_title] = {{"configured", true}, {"host", peer.host},       {"port", peer.port},
                                            {"from", peer.from},  {"deliver", peer.deliver}, {"last_echo", nullptr}};
      if (const auto echo = echoes_.find(peer.ae_title); echo != echoes_.end()) entry["last_echo"] = echo->second;
    }
  }
  std::map<std::string, storage::PeerContact> contacts;
  for (const storage::PeerContact& contact : listing_.Contacts()) contacts[contact.ae_title] = contact;
  for (const storage::PeerOutbox& row : outbox_.ByPeer()) {
    json& peer = peers[row.peer_ae];
    for (const auto& [state, count] : row.by_state) peer["outbox"][state] = count;
    if (row.oldest_pending > 0) {
      peer["waiting_seconds"] = std::max<WallMs>(0, clock_.Wall() - row.oldest_pending) / 1000;
      peer["next_try"] = row.next_try;
    }
    if (!row.last_status.empty()) peer["last_status"] = row.last_status;
  }
  for (const auto& [ae, paused] : peers_.Paused()) {
    peers[ae]["paused_at"] = paused.paused_at;
    peers[ae]["why"] = paused.why;
  }
  json list = json::array();
  for (auto& [ae, peer] : peers) {
    const auto known = contacts.find(ae);
    const storage::PeerContact contact = known == contacts.end() ? storage::PeerContact{} : known->second;
    peer.update({{"ae_title", ae},
                 {"paused", peer.contains("paused_at")},
                 {"configured", peer.contains("configured")},
                 {"last_received", time(contact.last_received)},
                 {"last_sent", time(contact.last_sent)},
                 {"oldest_waiting", time(contact.oldest_waiting)},
                 {"pending", contact.pending},
                 {"dead", contact.dead},
                 {"parked", contact.parked}});
    if (!peer.contains("outbox")) peer["outbox"] = json::object();
    list.push_back(std::move(peer));
  }
  return {{"peers", list}};
}

json App::Problems() const {
  NodeFacts facts;
  const ModelState model = pipeline_.Model();
  facts.model_ready = model.ready;
  facts.model_text = model.text;
  facts.free_bytes = files_.FreeBytes();
  facts.min_free_bytes = InForce().storage.MinFreeBytes();
  for (const auto& [state, count] : Counts().by_state) facts.studies[state] = count;
  for (const auto& [state, count] : outbox_.CountsByState()) facts.outbox[state] = count;
  const WallMs now = clock_.Wall();
  for (const auto& contact : listing_.Contacts()) {
    if (contact.pending > 0) facts.waiting_by_peer[contact.ae_title] = contact.pending;
    if (contact.oldest_waiting > 0)
      facts.oldest_waiting_ms = std::max(facts.oldest_waiting_ms, now - contact.oldest_waiting);
  }
  facts.refusals = receiver_->Counters().refusals;
  {
    const std::lock_guard lock(mutex_);
    facts.peers = static_cast<int>(settings_in_force_.peers.size());
    for (const PeerSettings& peer : settings_in_force_.peers) facts.peers_with_delivery += peer.deliver == "all";
    facts.accept_rules = static_cast<int>(settings_in_force_.accept.size());
  }
  json problems = json::array(), log = json::array();
  for (const Advice& advice : AdviseOn(facts))
    problems.push_back({{"severity", advice.is_error ? "error" : "warning"},
                        {"code", advice.code},
                        {"text", advice.text},
                        {"what_to_do", advice.what_to_do}});
  for (const LogLine& line : RecentProblems())
    log.push_back({{"at", line.at}, {"severity", Word(line.level)}, {"area", line.area}, {"text", line.text}});
  return {{"problems", problems}, {"log", log}};
}

json App::Echo(const std::string& peer_ae) {
  std::optional<PeerSettings> peer;
  {
    const std::lock_guard lock(mutex_);
    for (const PeerSettings& known : settings_in_force_.peers)
      if (known.ae_title == peer_ae) peer = known;
  }
  if (!peer) throw Error(ErrorCode::kNotFound, "no [[peer]] has the AE title \"" + peer_ae + "\"");
  const dicom::EchoResult echo = dicom::Echo(*peer, SenderFor());
  const json said = {{"ok", echo.ok}, {"text", echo.text}};
  const std::lock_guard lock(mutex_);
  echoes_[peer_ae] = {{"at", clock_.Wall()}, {"ok", echo.ok}, {"text", echo.text}};
  return said;
}

int App::RetryOutbox(const std::vector<std::int64_t>& ids) {
  const int count = outbox_.RetryNow(ids, clock_.Wall());
  sender_->Wake();
  return count;
}

int App::RetryPeer(const std::string& peer_ae) {
  const int count = outbox_.RetryPeer(peer_ae, clock_.Wall());
  sender_->Wake();
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
  return {{"unsent", done.unsent}, {"peers", done.peers}};
}

bool App::RetryStudy(const std::string& study_uid) {
  const bool again = jobs_.RetryFailed(study_uid);
  Notify();
  return again;
}

json App::Rerun(const std::string& study_uid) {
  const RerunAnswer answer = RerunStudy({index_, jobs_, clock_, Version(), pipeline_.Model().bundle}, study_uid);
  if (answer.started) Notify();
  return {{"started", answer.started}, {"text", answer.text}};
}

json App::Release(const std::string& study_uid, const std::string& caller, const std::string& reason) {
  const auto study = index_.Find(study_uid);
  if (!study) throw Error(ErrorCode::kNotFound, "there is no study " + study_uid);
  const auto refused = [](const std::string& text) -> json { return {{"released", false}, {"text", text}}; };
  if (reason.find_first_not_of(" \t\n") == std::string::npos)
    throw Error(ErrorCode::kUsage, "a reason is needed: it is kept on record");
  if (study->state != storage::StudyState::kParked) return refused("the study is not parked");
  if (study->why.rfind(ToText(ReasonCode::kMixedIdentity), 0) != 0)
    return refused("only a study that is parked for mixed_identity can be released: " + study->why);
  if (!releases_.Release(*study, caller, reason, clock_.Wall()))
    return refused("an image has come meanwhile; the study is judged anew");
  Notify();
  return {{"released", true}, {"text", "the study goes on; its report will carry the identity of its newest images"}};
}

}  // namespace glionode::server
