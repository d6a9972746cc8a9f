#include "server/audited_sink.h"

#include <set>

namespace glionode::server {

AuditedSink::AuditedSink(Ingest& ingest, AuditTrail& audit, std::string node_ae)
    : ingest_(ingest), audit_(audit), node_ae_(std::move(node_ae)) {
  ingest_.SetOnStored(
      [this](const storage::InstanceRecord& record, const dicom::PeerFacts& peer) { Stored(record, peer); });
}

void AuditedSink::Store(const dicom::ReceivedInstance& instance) { ingest_.Store(instance); }

void AuditedSink::Stored(const storage::InstanceRecord& record, const dicom::PeerFacts& peer) {
  AuditEvent begin;
  {
    const std::lock_guard lock(mutex_);
    auto& studies = open_[peer.association];
    const auto [entry, is_new] = studies.try_emplace(record.study_uid);
    ++entry->second.instances[record.sop_class_uid];
    if (!is_new) return;
    AuditEvent& event = entry->second;
    event.source = {peer.calling_ae, peer.address};
    event.destination = {node_ae_, ""};
    event.study_uid = record.study_uid;
    event.patient_id = record.identity.substr(0, record.identity.find('\n'));
    begin = event;
  }
  begin.kind = AuditKind::kBeginTransferring;
  begin.instances.clear();
  audit_.Write(begin);
}

void AuditedSink::AssociationEnded(const dicom::AssociationEnd& end) {
  std::map<std::string, AuditEvent> studies;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = open_.find(end.peer.association); found != open_.end()) {
      studies = std::move(found->second);
      open_.erase(found);
    }
  }
  for (auto& [study, event] : studies) {
    event.kind = AuditKind::kTransferred;
    event.success = end.released;
    if (!end.released) event.text = "the association ended without a release";
    audit_.Write(event);
  }
  ingest_.AssociationEnded(end);
}

void AuditedSink::CallerRefused(const dicom::PeerFacts& peer, const std::string& word, const std::string& text) {
  // Only who may not: a node that is busy, stopping or short of disk refuses friends.
  static const std::set<std::string> kMayNot = {"unknown_ae", "wrong_address", "wrong_called_ae", "no_certificate",
                                                "wrong_certificate"};
  if (kMayNot.count(word) == 0 && word.rfind("tls", 0) != 0) return;
  AuditEvent event;
  event.kind = AuditKind::kNodeAuthentication;
  event.success = false;
  event.source = {peer.calling_ae, peer.address};
  event.text = text;
  audit_.Write(event);
}

}  // namespace glionode::server
