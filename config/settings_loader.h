#pragma once
#include "config/settings.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace glionode {

/// One mistake (or warning) of a configuration file.
struct Finding {
  bool is_error = true;
  int line = 0, column = 0;
  std::string text;  ///< what is wrong and what was expected; for a misspelt key, the nearest known one
};

struct LoadedSettings {
  std::optional<Settings> settings;  ///< empty if any finding is an error
  std::vector<Finding> findings;     ///< all of them, in file order
};

/// Reads and checks a TOML file: every mistake at once. Threads: any. Never throws for what the file holds; a file that
/// cannot be read is a finding at 1:1.
LoadedSettings LoadSettings(const std::filesystem::path& file);

/// FILE:LINE:COLUMN: text; a warning says so in front of its text.
std::string FormatFinding(const std::filesystem::path& file, const Finding& finding);

/// Loads or throws Error{kUsage} with all errors, one a line.
Settings RequireSettings(const std::filesystem::path& file);

/// All keys that a file may hold, as "section.key" (an [[accept]] rule also takes any DICOM keyword).
std::vector<std::string> KnownSettingKeys();

}  // namespace glionode
