#pragma once
#include "server/admin_router.h"
#include "server/audit_message.h"

#include <optional>

namespace glionode::server {

/// The audit message of what was ordered through the administrator's interface, also when it failed. It names the
/// caller that was identified (a token's name, or "local"); whom the body names is text, as anybody can write that.
/// Empty for what changes nothing. Pure.
std::optional<AuditEvent> AuditOf(const AdminChange& change);

}  // namespace glionode::server
