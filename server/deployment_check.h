#pragma once
#include "config/settings.h"

#include <string>
#include <vector>

namespace glionode::server {

/// What a good configuration meets on this machine: disk nearly full, the page's certificate near its end, a token_file
/// that cannot be used. Sentences for `glionode check`, which go on its warnings.
std::vector<std::string> DeploymentWarnings(const Settings& settings);

}  // namespace glionode::server
