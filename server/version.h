#pragma once
#include <string>

namespace glionode::server {

/// "0.1.0", from the file VERSION.
std::string Version();
/// "glionode 0.1.0 (1a2b3c4)": with the commit it was built from, if that was known.
std::string VersionWithCommit();

}  // namespace glionode::server
