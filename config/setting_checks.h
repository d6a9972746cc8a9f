#pragma once
#include "config/machine_network.h"
#include "config/setting_reader.h"

namespace glionode {

/// Internal to config/: what only the whole of a file shows. Keys against each other, and against the machine that the
/// file is read on. `settings` was read from `root`.
void CheckTogether(SettingReader& reader, const toml::table& root, const Settings& settings,
                   const MachineNetwork& machine);

}  // namespace glionode
