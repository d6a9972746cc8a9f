#pragma once
#include "config/clock.h"
#include "server/admin_router.h"
#include "storage/outcomes.h"

namespace glionode::server {

/// Outcomes of studies, entered by people, and what the node's answers were worth beside them. All must outlive the
/// router.
void AddOutcomeRoutes(AdminRouter& router, storage::Outcomes& outcomes, const Clock& clock);

}  // namespace glionode::server
