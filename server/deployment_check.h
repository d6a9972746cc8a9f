#pragma once
#include "config/settings.h"

#include <string>
#include <vector>

namespace glionode::server {

/// What a good configuration meets on this machine: disk nearly full, the page's certificate near its end. Sentences for
/// `glionode check`, which go on its warnings.
std::vector<std::string> DeploymentWarnings(const Settings& settings);

/// What keeps `glionode serve` from starting here though the configuration is good: a certificate, key or token_file of
/// [admin] that cannot be used. Sentences, as serve says them.
std::vector<std::string> DeploymentErrors(const Settings& settings);

}  // namespace glionode::server
