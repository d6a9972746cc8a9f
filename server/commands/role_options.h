#pragma once
#include "server/dicom_folder.h"

#include <CLI/CLI.hpp>

#include <string>

namespace glionode::server {

/// --config and --peer of the commands that look for series in folders: the [[role]] rules of a site count there as in
/// the node.
struct RoleOptions {
  std::string config, peer;
};

void AddRoleOptions(CLI::App& command, RoleOptions& options);

/// Reads the rules of the configuration, none without one. Throws Error{kUsage} with every mistake of the file.
FolderRules RulesOf(const RoleOptions& options);

}  // namespace glionode::server
