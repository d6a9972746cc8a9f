#include "server/audit_message.h"

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>

#include <ctime>
#include <sstream>

namespace glionode::server {
namespace {

using boost::property_tree::ptree;

struct Code {
  const char* value;
  const char* meaning;
};

/// PS3.16 annex D (DCM) codes of an event: its ID, its type (if it has one), its action (PS3.15 A.5.1).
struct EventCodes {
  Code id, type;
  char action;
};

EventCodes CodesOf(AuditKind kind) {
  switch (kind) {
    case AuditKind::kStart:
      return {{"110100", "Application Activity"}, {"110120", "Application Start"}, 'E'};
    case AuditKind::kStop:
      return {{"110100", "Application Activity"}, {"110121", "Application Stop"}, 'E'};
    case AuditKind::kBeginTransferring:
      return {{"110102", "Begin Transferring DICOM Instances"}, {nullptr, nullptr}, 'E'};
    case AuditKind::kTransferred:
      return {{"110104", "DICOM Instances Transferred"}, {nullptr, nullptr}, 'R'};
    case AuditKind::kStudyDeleted:
      return {{"110105", "DICOM Study Deleted"}, {nullptr, nullptr}, 'D'};
    case AuditKind::kNodeAuthentication:
      return {{"110113", "Security Alert"}, {"110126", "Node Authentication"}, 'E'};
    case AuditKind::kRestrictedFunction:
      return {{"110113", "Security Alert"}, {"110132", "Use of Restricted Function"}, 'E'};
    case AuditKind::kConfiguration:
      return {{"110113", "Security Alert"}, {"110131", "Software Configuration"}, 'E'};
  }
  return {};
}

std::string DateTime(WallMs at, const char* format) {
  const std::time_t seconds = at / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40], out[64];
  std::strftime(text, sizeof text, format, &utc);
  std::snprintf(out, sizeof out, "%s.%03dZ", text, static_cast<int>(at % 1000));
  return out;
}

/// XML 1.0 knows no control characters, not even escaped ones: what a caller put into its AE title is shown as '?'.
std::string Clean(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

void Set(ptree& element, const char* attribute, const std::string& value) {
  element.put(std::string("<xmlattr>.") + attribute, Clean(value));
}

ptree CodeElement(const Code& code, const char* system = "DCM") {
  ptree element;
  Set(element, "csd-code", code.value);
  Set(element, "codeSystemName", system);
  Set(element, "originalText", code.meaning);
  return element;
}

struct Participant {
  std::string user, ae_title, address;
  bool asks = false;
  const Code* role = nullptr;
};

ptree ParticipantElement(const Participant& participant) {
  ptree element;
  Set(element, "UserID", participant.user);
  if (!participant.ae_title.empty()) Set(element, "AlternativeUserID", "AETITLES=" + participant.ae_title);
  Set(element, "UserIsRequestor", participant.asks ? "true" : "false");
  if (!participant.address.empty()) {
    const bool numeric = participant.address.find_first_not_of("0123456789abcdefABCDEF.:") == std::string::npos;
    Set(element, "NetworkAccessPointID", participant.address);
    Set(element, "NetworkAccessPointTypeCode", numeric ? "2" : "1");
  }
  if (participant.role) element.add_child("RoleIDCode", CodeElement(*participant.role));
  return element;
}

ptree StudyElement(const AuditEvent& event) {
  ptree element;
  Set(element, "ParticipantObjectID", event.study_uid);
  Set(element, "ParticipantObjectTypeCode", "2");
  Set(element, "ParticipantObjectTypeCodeRole", "3");
  element.add_child("ParticipantObjectIDTypeCode", CodeElement({"110180", "Study Instance UID"}));
  element.add("ParticipantObjectName", event.study_uid);
  for (const auto& [sop_class, count] : event.instances) {
    ptree entry;
    Set(entry, "UID", sop_class);
    Set(entry, "NumberOfInstances", std::to_string(count));
    element.add_child("SOPClass", entry);
  }
  return element;
}

ptree PatientElement(const AuditEvent& event) {
  ptree element;
  Set(element, "ParticipantObjectID", event.patient_id);
  Set(element, "ParticipantObjectTypeCode", "1");
  Set(element, "ParticipantObjectTypeCodeRole", "1");
  element.add_child("ParticipantObjectIDTypeCode", CodeElement({"2", "Patient Number"}, "RFC-3881"));
  element.add("ParticipantObjectName", "");
  return element;
}

bool IsTransfer(AuditKind kind) { return kind == AuditKind::kBeginTransferring || kind == AuditKind::kTransferred; }

}  // namespace

std::string AuditXml(const AuditEvent& event, const std::string& node_ae, const std::string& host, int pid) {
  static const Code kApplication{"110150", "Application"}, kLauncher{"110151", "Application Launcher"},
      kDestination{"110152", "Destination Role ID"}, kSource{"110153", "Source Role ID"};
  const EventCodes codes = CodesOf(event.kind);
  ptree message, identification;
  Set(identification, "EventActionCode", std::string(1, codes.action));
  Set(identification, "EventDateTime", DateTime(event.at, "%Y-%m-%dT%H:%M:%S"));
  Set(identification, "EventOutcomeIndicator", event.success ? "0" : "4");
  identification.add_child("EventID", CodeElement(codes.id));
  if (codes.type.value) identification.add_child("EventTypeCode", CodeElement(codes.type));
  if (!event.text.empty()) identification.add("EventOutcomeDescription", Clean(event.text));
  message.add_child("EventIdentification", identification);

  const auto take_part = [&message](const Participant& participant) {
    message.add_child("ActiveParticipant", ParticipantElement(participant));
  };
  const std::string us = std::to_string(pid);
  if (IsTransfer(event.kind)) {
    const bool we_send = event.source.ae_title == node_ae;
    take_part({we_send ? us : event.source.ae_title, event.source.ae_title, we_send ? host : event.source.address,
               we_send == event.we_ask, &kSource});
    take_part({we_send ? event.destination.ae_title : us, event.destination.ae_title,
               we_send ? event.destination.address : host, we_send != event.we_ask, &kDestination});
  } else {
    take_part({us, node_ae, host, event.user.empty() && event.source.ae_title.empty(), &kApplication});
    if (!event.user.empty()) take_part({event.user, "", host, true, &kLauncher});
    if (!event.source.ae_title.empty() || !event.source.address.empty())
      take_part({event.source.ae_title, event.source.ae_title, event.source.address, true, nullptr});
  }

  ptree source;
  Set(source, "AuditSourceID", node_ae + "@" + host);
  ptree type;
  Set(type, "csd-code", "4");  // application server process (RFC 3881, 5.4.3)
  source.add_child("AuditSourceTypeCode", type);
  message.add_child("AuditSourceIdentification", source);
  if (!event.study_uid.empty()) message.add_child("ParticipantObjectIdentification", StudyElement(event));
  if (!event.patient_id.empty()) message.add_child("ParticipantObjectIdentification", PatientElement(event));

  ptree document;
  document.add_child("AuditMessage", message);
  std::ostringstream out;
  boost::property_tree::write_xml(out, document);
  std::string text = out.str();
  // The writer ends its declaration with a line break: a message is one line.
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.erase(at, 1);
  return text;
}

std::string AuditSyslog(const AuditEvent& event, const std::string& xml, const std::string& host, int pid) {
  // Facility 10 (security/authorization), severity 5 (notice) or 4 (warning).
  const int priority = 10 * 8 + (event.success ? 5 : 4);
  return "<" + std::to_string(priority) + ">1 " + DateTime(event.at, "%Y-%m-%dT%H:%M:%S") + " " + host + " glionode " +
         std::to_string(pid) + " IHE+RFC-3881 - \xEF\xBB\xBF" + xml;
}

}  // namespace glionode::server
