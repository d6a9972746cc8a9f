#include "server/outbox_worker.h"

#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "server/confirmation.h"
#include "server/result_folder.h"
#include "server/study_inputs.h"
#include "server/study_result.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>
#include <sstream>

namespace glionode::server {
namespace {

constexpr int kRowsAnAssociation = 64;
/// How long rows wait for a study whose identity is being judged.
constexpr WallMs kJudgedAgainMs = 5000;
/// What a study is parked for begins so; such a study goes on when a person has settled it and retried.
const char kConflict[] = "the PACS does not agree whose study this is: ";

double Random01() {
  thread_local std::mt19937_64 generator(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

}  // namespace

OutboxWorker::OutboxWorker(Parts parts, std::vector<PeerSettings> peers) : parts_(std::move(parts)) {
  SetPeers(std::move(peers));
}

OutboxWorker::~OutboxWorker() { Stop(); }

void OutboxWorker::SetPeers(std::vector<PeerSettings> peers) {
  for (const PeerSettings& peer : peers)
    for (const std::string& old : peer.formerly)
      if (const int moved = parts_.outbox.TakeOver(old, peer.ae_title, parts_.clock.Wall()); moved > 0)
        LogInfo("outbox", std::to_string(moved) + " rows for " + old + " go to " + peer.ae_title + " now");
  const std::lock_guard lock(mutex_);
  peers_.clear();
  for (PeerSettings& peer : peers) {
    const std::string ae = peer.ae_title;
    peers_[ae] = std::move(peer);
    if (!stopping_ && threads_.count(ae) == 0) threads_[ae] = std::thread([this, ae] { Run(ae); });
  }
  ++wakes_;
  wake_.notify_all();
}

void OutboxWorker::Wake() {
  const std::lock_guard lock(mutex_);
  ++wakes_;
  wake_.notify_all();
}

void OutboxWorker::Stop() {
  std::map<std::string, std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    wake_.notify_all();
  }
  for (auto& [ae, thread] : threads) thread.join();
}

void OutboxWorker::Run(const std::string& peer_ae) {
  std::uint64_t seen = 0;
  while (true) {
    PeerSettings peer;
    bool known = false;
    {
      std::unique_lock lock(mutex_);
      // Due times are columns: one second is the finest that a retry needs.
      wake_.wait_for(lock, std::chrono::seconds(1), [&] { return stopping_ || wakes_ != seen; });
      if (stopping_) return;
      seen = wakes_;
      const auto found = peers_.find(peer_ae);
      known = found != peers_.end();
      if (known) peer = found->second;
    }
    // A peer that left the configuration keeps its rows; they go out when it comes back.
    if (!known) continue;
    try {
      while (parts_.may_send() && SendDue(peer) > 0) {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
      }
      while (parts_.confirm && parts_.confirm(peer) > 0) {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
      }
    } catch (const std::exception& e) {
      LogError("outbox", peer_ae + ": " + e.what());
    }
  }
}

int OutboxWorker::ServeLateSenders() {
  int added = 0;
  for (const storage::LateSender& late : parts_.peers.LateSenders()) {
    bool wants = false;
    {
      const std::lock_guard lock(mutex_);
      const auto found = peers_.find(late.peer_ae);
      wants = found != peers_.end() && found->second.deliver == "all";
    }
    // Rows first: a crash in between adds none twice.
    const int rows = wants ? parts_.outbox.AddReceiver(late.study_uid, late.peer_ae, parts_.clock.Wall()) : 0;
    parts_.peers.MarkServed(late.study_uid, late.peer_ae, late.revision);
    if (rows > 0)
      LogInfo("outbox", "study " + late.study_uid + " came from " + late.peer_ae + " as well: it gets the result too");
    added += rows;
  }
  if (added > 0) Wake();
  return added;
}

int OutboxWorker::SendDue(const PeerSettings& peer) {
  if (parts_.peers.Paused().count(peer.ae_title)) return 0;
  std::vector<storage::OutboxRecord> due, rows;
  std::vector<std::string> studies;
  {
    const std::lock_guard lock(mutex_);
    due = parts_.outbox.Due(peer.ae_title, parts_.clock.Wall(), kRowsAnAssociation);
    for (const storage::OutboxRecord& row : due) studies.push_back(row.study_uid);
    sending_.insert(studies.begin(), studies.end());
  }
  const auto done = [&] {
    const std::lock_guard lock(mutex_);
    for (const std::string& study : studies) sending_.erase(sending_.find(study));
  };
  try {
    rows = UnderPresentIdentity(due);
    if (!rows.empty()) SendRows(peer, rows);
  } catch (...) {
    done();
    throw;
  }
  done();
  return static_cast<int>(due.size());
}

void OutboxWorker::SendRows(const PeerSettings& peer, const std::vector<storage::OutboxRecord>& rows) {
  std::vector<dicom::OutgoingObject> objects;
  for (const storage::OutboxRecord& row : rows)
    objects.push_back({parts_.files.Root() / row.object.file, row.object.sop_class_uid, row.object.sop_instance_uid});
  Audit(AuditKind::kBeginTransferring, peer, rows, {});
  const auto results = parts_.send(peer, objects);
  Audit(AuditKind::kTransferred, peer, rows, results);
  for (std::size_t i = 0; i < rows.size(); ++i) Record(rows[i], results.at(i), peer);
}

void OutboxWorker::WithoutSending(const std::string& study_uid, const std::function<void()>& work) {
  const std::lock_guard lock(mutex_);
  if (sending_.count(study_uid))
    throw Error(ErrorCode::kBusy, "something of study " + study_uid + " is being sent just now; try again in a minute");
  work();
}

std::vector<storage::OutboxRecord> OutboxWorker::UnderPresentIdentity(std::vector<storage::OutboxRecord> rows) {
  // A patient may have been merged or corrected between the report and its sending (promise 5). A note that takes a
  // report back goes out in any case.
  std::map<std::int64_t, std::string> made_under;
  std::map<std::string, std::vector<std::string>> present;
  std::vector<storage::OutboxRecord> may_go;
  for (storage::OutboxRecord& row : rows) {
    const std::int64_t result = row.object.result_id;
    if (row.object.kind != "ko" && !made_under.count(result)) {
      const auto job = parts_.jobs.JobOfResult(result);
      made_under[result] = job ? InputsFromJson(nlohmann::json::parse(job->inputs_json)).identity : "";
      present[row.study_uid] = parts_.index.Identities(row.study_uid);
    }
    const auto& now = present[row.study_uid];
    const std::string& then = made_under[result];
    const bool same = std::find(now.begin(), now.end(), then) != now.end();
    if (row.object.kind == "ko" || then.empty() || now.empty() || (same && now.size() == 1)) {
      may_go.push_back(std::move(row));
    } else if (!same) {
      const std::string why = "the images name another patient than the report does";
      NoteHeld(parts_.files.Root(), row, storage::OutboxState::kWithdrawn);
      parts_.outbox.MarkDead(row.id, storage::OutboxState::kWithdrawn, why);
      LogWarning("outbox", "object " + row.object.sop_instance_uid + " is not sent: " + why);
    } else if (const auto study = parts_.index.Find(row.study_uid);
               study && study->state == storage::StudyState::kReported) {
      may_go.push_back(std::move(row));  // judged as they are: what names another patient was rejected
    } else {
      parts_.outbox.Postpone(row.id, "the study is being judged anew: its images name different patients",
                             parts_.clock.Wall() + kJudgedAgainMs);
    }
  }
  return may_go;
}

void OutboxWorker::Audit(AuditKind kind, const PeerSettings& peer, const std::vector<storage::OutboxRecord>& rows,
                         const std::vector<dicom::SendResult>& results) {
  std::map<std::string, AuditEvent> studies;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    AuditEvent& event = studies[rows[i].study_uid];
    if (results.empty()) continue;
    if (results[i].outcome == dicom::SendOutcome::kSent) {
      ++event.instances[rows[i].object.sop_class_uid];
    } else {
      event.success = false;
      event.text = results[i].text;
    }
  }
  for (auto& [study, event] : studies) {
    event.kind = kind;
    event.study_uid = study;
    event.we_ask = true;
    event.destination = {peer.ae_title, peer.host};
    for (const auto& instance : parts_.index.Instances(study))
      if (event.patient_id.empty()) event.patient_id = instance.identity.substr(0, instance.identity.find('\n'));
    parts_.audit(event);  // `source`, this node, is added there
  }
}

bool OutboxWorker::FallBack(const storage::OutboxRecord& row, const PeerSettings& peer) {
  if (row.object.kind != "sr" || peer.sr_class != "auto") return false;
  const auto folder = (parts_.files.Root() / row.object.file).parent_path();
  const auto reports = ReadObjects(folder).reports;
  for (std::size_t i = 0; i + 1 < reports.size(); ++i) {
    if (reports[i].sop_instance_uid != row.object.sop_instance_uid) continue;
    const dicom::EncodedObject& next = reports[i + 1];
    std::ifstream in(next.file, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    storage::ObjectRecord object = row.object;
    object.sop_class_uid = next.sop_class_uid;
    object.sop_instance_uid = next.sop_instance_uid;
    object.series_uid = next.series_uid;
    object.file = std::filesystem::path(row.object.file).parent_path() / next.file.filename();
    object.sha256 = Sha256Hex(bytes.str());
    parts_.outbox.ReplaceObject(row.id, object, parts_.clock.Wall());
    LogInfo("outbox",
            peer.ae_title + " takes no " + row.object.sop_class_uid + "; the report goes as " + next.sop_class_uid);
    return true;
  }
  return false;
}

void OutboxWorker::Record(const storage::OutboxRecord& row, const dicom::SendResult& result, const PeerSettings& peer) {
  const std::string about = "object " + row.object.sop_instance_uid + " to " + peer.ae_title + ": " + result.text;
  switch (result.outcome) {
    case dicom::SendOutcome::kSent:
      parts_.outbox.MarkSent(row.id, result.text, parts_.clock.Wall(),
                             peer.confirm == "none"
                                 ? std::nullopt
                                 : std::optional(Confirmation::ConfirmBy(peer, row.attempts + 1, parts_.clock.Wall())));
      NoteDelivered(parts_.files.Root() / row.object.file, peer.ae_title, row.object.sop_instance_uid);
      LogInfo("outbox", about);
      // A note that takes a report back settles nothing.
      if (row.object.kind != "ko" && parts_.jobs.ReturnParked(row.study_uid, kConflict)) {
        LogInfo("outbox", "study " + row.study_uid + " is not parked any more: " + peer.ae_title + " took its results");
        ServeLateSenders();
      }
      return;
    case dicom::SendOutcome::kTransient: {
      const auto delay = storage::RetryDelayMs(row.attempts + 1, Random01());
      parts_.outbox.MarkRetry(row.id, result.text, parts_.clock.Wall() + delay);
      LogWarning("outbox", about + "; again in " + std::to_string(delay / 1000) + " s");
      return;
    }
    case dicom::SendOutcome::kIdentity:
      NoteHeld(parts_.files.Root(), row, storage::OutboxState::kParked);
      parts_.outbox.MarkDead(row.id, storage::OutboxState::kParked, result.text);
      // One that is parked already keeps its reason: this one ends with a retry, another may not.
      if (const auto study = parts_.index.Find(row.study_uid); !study || study->state != storage::StudyState::kParked)
        parts_.index.ForceState(row.study_uid, storage::StudyState::kParked, kConflict + result.text);
      LogError("outbox", about);
      return;
    case dicom::SendOutcome::kNoContext:
      if (FallBack(row, peer)) return;
      [[fallthrough]];
    case dicom::SendOutcome::kPermanent:
      NoteHeld(parts_.files.Root(), row, storage::OutboxState::kDead);
      parts_.outbox.MarkDead(row.id, storage::OutboxState::kDead, result.text);
      LogError("outbox", about + "; given up until it is retried by hand");
      return;
  }
}

}  // namespace glionode::server
