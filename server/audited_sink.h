#pragma once
#include "dicom/instance_sink.h"
#include "server/audit.h"
#include "server/ingest.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace glionode::server {

/// Stands between receiver and ingest and writes the audit trail of what comes in: begin and end of the transfer of
/// each study in each association, and callers that were turned away. Threads: as InstanceSink.
class AuditedSink : public dicom::InstanceSink {
 public:
  /// Takes ingest's SetOnStored for itself. All must outlive this object.
  AuditedSink(Ingest& ingest, AuditTrail& audit, std::string node_ae);

  void Store(const dicom::ReceivedInstance& instance) override;
  void AssociationEnded(const dicom::AssociationEnd& end) override;
  void CallerRefused(const dicom::PeerFacts& peer, const std::string& word, const std::string& text) override;

 private:
  void Stored(const storage::InstanceRecord& record, const dicom::PeerFacts& peer);

  Ingest& ingest_;
  AuditTrail& audit_;
  const std::string node_ae_;
  std::mutex mutex_;                                                 ///< of open_
  std::map<std::uint64_t, std::map<std::string, AuditEvent>> open_;  ///< association -> study -> what came
};

}  // namespace glionode::server
