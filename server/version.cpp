#include "server/version.h"

namespace glionode::server {

std::string Version() { return GLIONODE_VERSION; }

std::string VersionWithCommit() {
  const std::string commit = GLIONODE_COMMIT;
  return "glionode " + Version() + (commit.empty() ? "" : " (" + commit + ")");
}

}  // namespace glionode::server
