#pragma once
#include "config/clock.h"

#include <string>
#include <string_view>
#include <vector>

namespace glionode {

/// Process-wide logging through spdlog's default logger (the one piece of process state that we allow: signals and
/// third parties log too). Texts carry no patient name, ID, birth date or accession number: log UIDs, never attributes
/// of a person (design promise 8). Threads: any.
enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Sets level and format ("text" or "json" lines) of standard error. Call once at start, again on reload.
void ConfigureLog(LogLevel level, std::string_view format);

/// While it lives, every line that its thread logs says what it belongs to: LogScope scope("association", "17") gives
/// lines with association=17 at their end (as JSON: a member of that name). Scopes nest. No patient's data in it.
class LogScope {
 public:
  LogScope(std::string_view name, std::string value);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;
};

/// `area` names the folder and part that speaks, such as "receiver".
void Log(LogLevel level, std::string_view area, const std::string& text);
inline void LogInfo(std::string_view area, const std::string& text) { Log(LogLevel::kInfo, area, text); }
inline void LogWarning(std::string_view area, const std::string& text) { Log(LogLevel::kWarning, area, text); }
inline void LogError(std::string_view area, const std::string& text) { Log(LogLevel::kError, area, text); }
inline void LogDebug(std::string_view area, const std::string& text) { Log(LogLevel::kDebug, area, text); }

/// A warning or an error as it was logged.
struct LogLine {
  WallMs at = 0;
  LogLevel level = LogLevel::kWarning;
  std::string area, text;
};

/// The newest warnings and errors of this process (up to 50), the newest first.
std::vector<LogLine> RecentProblems();

}  // namespace glionode
