#include "config/log.h"

#include "config/error.h"

#include <nlohmann/json.hpp>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace glionode {
namespace {

std::atomic<bool> json_lines{false};

std::string_view Word(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warning";
    default:
      return "error";
  }
}

std::string UtcStamp(spdlog::log_clock::time_point time) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t used = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + used, sizeof text - used, ".%03dZ", static_cast<int>(milliseconds % 1000));
  return text;
}

/// The scopes of this thread, outermost first.
thread_local std::vector<std::pair<std::string, std::string>> scopes;

/// Texts may hold what a peer sent (an AE title, an error text): a line break or an escape sequence in it must not
/// forge a line or steer a terminal.
void AppendVisible(std::string_view text, spdlog::memory_buf_t& out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out.append(std::string_view("\\n"));
    } else if (byte < 0x20 || byte == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x", byte);
      out.append(std::string_view(code));
    } else {
      out.push_back(c);
    }
  }
}

/// One line a message. The logger's name carries the area, so that third parties that log through spdlog fit in too.
class LineFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string_view area(message.logger_name.data(), message.logger_name.size());
    const std::string_view text(message.payload.data(), message.payload.size());
    if (json_lines) {
      nlohmann::ordered_json line = {
          {"time", UtcStamp(message.time)}, {"level", Word(message.level)}, {"area", area}, {"text", text}};
      for (const auto& [name, value] : scopes) line[name] = value;
      out.append(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
      out.append(UtcStamp(message.time));
      out.push_back(' ');
      out.append(Word(message.level));
      out.push_back(' ');
      if (!area.empty()) {
        AppendVisible(area, out);
        out.append(std::string_view(": "));
      }
      AppendVisible(text, out);
      for (const auto& [name, value] : scopes) AppendVisible(" " + name + "=" + value, out);
    }
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<LineFormatter>(); }
};

spdlog::level::level_enum Convert(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// Made once and never replaced: spdlog's set_default_logger must not race with threads that log, so a reload only
/// changes the level and the format.
spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_formatter(std::make_unique<LineFormatter>());
    auto made = std::make_shared<spdlog::logger>("", std::move(sink));
    made->set_level(spdlog::level::info);
    spdlog::set_default_logger(made);
    return made;
  }();
  return *logger;
}

/// What the page shows. Bounded: a flood of warnings pushes out the oldest.
class ProblemRing {
 public:
  void Add(LogLine line) {
    const std::lock_guard lock(mutex_);
    lines_.push_front(std::move(line));
    if (lines_.size() > 50) lines_.pop_back();
  }
  std::vector<LogLine> All() const {
    const std::lock_guard lock(mutex_);
    return {lines_.begin(), lines_.end()};
  }

 private:
  mutable std::mutex mutex_;
  std::deque<LogLine> lines_;
};

ProblemRing& Problems() {
  static ProblemRing ring;
  return ring;
}

}  // namespace

LogScope::LogScope(std::string_view name, std::string value) { scopes.emplace_back(name, std::move(value)); }
LogScope::~LogScope() { scopes.pop_back(); }

std::vector<LogLine> RecentProblems() { return Problems().All(); }

void ConfigureLog(LogLevel level, std::string_view format) {
  if (format != "text" && format != "json")
    throw Error(ErrorCode::kUsage, "log.format is text or json, not '" + std::string(format) + "'");
  json_lines = format == "json";
  Logger().set_level(Convert(level));
}

void Log(LogLevel level, std::string_view area, const std::string& text) {
  if (level >= LogLevel::kWarning) Problems().Add({Clock().Wall(), level, std::string(area), text});
  spdlog::logger& logger = Logger();
  const auto converted = Convert(level);
  if (!logger.should_log(converted)) return;
  // Straight to the sinks: this is the way to give each message its own area as logger name.
  const spdlog::details::log_msg message(spdlog::source_loc{}, spdlog::string_view_t(area.data(), area.size()),
                                         converted, spdlog::string_view_t(text.data(), text.size()));
  for (const auto& sink : logger.sinks()) sink->log(message);
}

}  // namespace glionode
