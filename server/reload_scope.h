#pragma once
#include "config/settings.h"

#include <string>
#include <vector>

namespace glionode::server {

/// Keys whose new value a reload cannot put into force, as "section.key". Pure.
std::vector<std::string> KeysThatNeedRestart(const Settings& running, const Settings& wanted);

}  // namespace glionode::server
