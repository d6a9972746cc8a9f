#pragma once
#include "config/clock.h"
#include "server/admin_router.h"
#include "storage/outcomes.h"

#include <filesystem>
#include <functional>

namespace glionode::server {

/// Outcomes of studies, entered by people, and what the node's answers were worth beside them. `bundle` says where the
/// configured bundle lies; it is called from the threads of the router. All must outlive the router.
void AddOutcomeRoutes(AdminRouter& router, storage::Outcomes& outcomes, const Clock& clock,
                      std::function<std::filesystem::path()> bundle);

}  // namespace glionode::server
