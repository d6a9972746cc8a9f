#pragma once
#include "config/clock.h"

#include <map>
#include <string>
#include <vector>

namespace glionode::server {

/// The events of PS3.15 A.5.3 that this node has.
enum class AuditKind {
  kStart,               ///< Application Activity, Application Start
  kStop,                ///< Application Activity, Application Stop
  kBeginTransferring,   ///< Begin Transferring DICOM Instances
  kTransferred,         ///< DICOM Instances Transferred
  kStudyDeleted,        ///< DICOM Study Deleted
  kNodeAuthentication,  ///< Security Alert: a caller that may not
  kRestrictedFunction,  ///< Security Alert: an administrator's order (retry, pause, withdraw ...)
  kConfiguration,       ///< Security Alert: the configuration was changed
};

/// A system that takes part: AE title, and its address if it is known.
struct AuditParty {
  std::string ae_title, address;
};

/// One audit message. Empty fields are left out.
struct AuditEvent {
  AuditKind kind = AuditKind::kStart;
  WallMs at = 0;
  bool success = true;
  std::string text;        ///< what happened, in words, without anything of a patient
  std::string user;        ///< who ordered it (a local user), for orders
  AuditParty source;       ///< where instances come from
  AuditParty destination;  ///< where they go
  bool we_ask = false;     ///< we opened the association, not the other side
  std::string study_uid, patient_id;
  std::map<std::string, int> instances;  ///< SOP Class UID -> how many
};

/// The AuditMessage of PS3.15 A.5.1 as one line of XML (UTF-8, no line break). `node_ae`, `host` and `pid` name this
/// node. Pure.
std::string AuditXml(const AuditEvent& event, const std::string& node_ae, const std::string& host, int pid);

/// An RFC 5424 message that carries it (PS3.15 A.6): facility 10 (security), MSGID IHE+RFC-3881, UTF-8 with its mark.
/// Pure.
std::string AuditSyslog(const AuditEvent& event, const std::string& xml, const std::string& host, int pid);

}  // namespace glionode::server
