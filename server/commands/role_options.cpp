#include "server/commands/role_options.h"

#include "config/settings_loader.h"

namespace glionode::server {

void AddRoleOptions(CLI::App& command, RoleOptions& options) {
  command.add_option("--config", options.config, "configuration file (TOML) whose [[role]] rules count");
  command.add_option("--peer", options.peer,
                     "AE title of the sender, for rules of one peer (default: as the node wrote it into its files)");
}

FolderRules RulesOf(const RoleOptions& options) {
  if (options.config.empty()) return {{}, options.peer};
  return {dicom::SiteRules(RequireSettings(options.config).roles), options.peer};
}

}  // namespace glionode::server
