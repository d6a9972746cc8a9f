#include "server/admin_audit.h"

#include <utility>

namespace glionode::server {
namespace {

/// `text` if it can be a UID: path and body hold whatever a caller wrote, and a UID becomes an object of the message.
std::string UidOrNothing(const std::string& text) {
  return text.size() <= 64 && text.find_first_not_of("0123456789.") == std::string::npos ? text : std::string();
}

/// Whatever a caller sent as the body: what is no text there is none.
std::string TextOf(const nlohmann::json& body, const char* key) {
  if (!body.is_object()) return {};
  const auto found = body.find(key);
  return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::optional<AuditEvent> AuditOf(const AdminChange& change) {
  const std::string order = change.route.substr(change.route.rfind('/') + 1);
  // These look and change nothing; verify is also asked how far it is, several times a second.
  if (order == "echo" || order == "verify") return std::nullopt;
  AuditEvent event;
  event.kind = AuditKind::kRestrictedFunction;
  event.success = change.status < 400;
  event.user = change.caller;
  const auto named = change.values.find("study_uid");
  event.study_uid = UidOrNothing(named != change.values.end() ? named->second : TextOf(change.body, "study_uid"));
  event.text = "order: " + order;
  // patient_id is left out: this text has nothing of a patient.
  const std::pair<const char*, const char*> told[] = {{"peer", "peer"},     {"label", "outcome"},
                                                      {"reason", "reason"}, {"why", "why"},
                                                      {"text", "text"},     {"user", "user, as the caller says"}};
  for (const auto& [key, words] : told)
    if (const std::string value = TextOf(change.body, key); !value.empty())
      event.text += std::string("; ") + words + ": " + value;
  if (change.body.is_object() && change.body.contains("ids"))
    event.text += "; outbox rows: " + std::to_string(change.body["ids"].size());
  if (!event.success) event.text += "; refused with status " + std::to_string(change.status);
  return event;
}

}  // namespace glionode::server
