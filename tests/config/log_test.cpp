#include "config/log.h"

#include "config/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>
#include <thread>
#include <vector>

namespace glionode {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { ConfigureLog(LogLevel::kInfo, "text"); }
};

TEST_F(LogTest, TextLineHasTimeLevelAreaAndText) {
  ConfigureLog(LogLevel::kInfo, "text");
  testing::internal::CaptureStderr();
  LogWarning("receiver", "refused association of AE OTHER");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:.]+Z warning receiver: refused association of AE OTHER\n"));
}

TEST_F(LogTest, ScopesSayWhatALineBelongsTo) {
  testing::internal::CaptureStderr();
  {
    const LogScope association("association", "17");
    const LogScope study("study", "1.2\nforged");
    LogInfo("receiver", "stored");
    std::thread([] { LogInfo("other", "thread"); }).join();
    ConfigureLog(LogLevel::kInfo, "json");
    LogInfo("receiver", "stored");
    ConfigureLog(LogLevel::kInfo, "text");
  }
  LogInfo("receiver", "behind");
  std::istringstream told(testing::internal::GetCapturedStderr());
  std::string line;
  std::getline(told, line);
  EXPECT_THAT(line, HasSubstr("receiver: stored association=17 study=1.2\\nforged"));
  std::getline(told, line);
  EXPECT_THAT(line, Not(HasSubstr("association")));
  std::getline(told, line);
  EXPECT_EQ(nlohmann::json::parse(line)["association"], "17");
  std::getline(told, line);
  EXPECT_THAT(line, Not(HasSubstr("association")));
}

TEST_F(LogTest, TheNewestProblemsAreKept) {
  testing::internal::CaptureStderr();
  LogInfo("a", "no problem");
  for (int i = 0; i < 60; ++i) LogWarning("a", "number " + std::to_string(i));
  testing::internal::GetCapturedStderr();
  const auto problems = RecentProblems();
  ASSERT_EQ(problems.size(), 50u);
  EXPECT_EQ(problems.front().text, "number 59");
  EXPECT_EQ(problems.back().text, "number 10");
}

TEST_F(LogTest, LevelsBelowTheConfiguredOneAreSilent) {
  ConfigureLog(LogLevel::kWarning, "text");
  testing::internal::CaptureStderr();
  LogDebug("a", "debug");
  LogInfo("a", "info");
  LogError("a", "told");
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("error a: told"));
  EXPECT_THAT(told, Not(HasSubstr("info")));
  EXPECT_THAT(told, Not(HasSubstr("debug")));
}

TEST_F(LogTest, APeerCannotForgeALine) {
  ConfigureLog(LogLevel::kInfo, "text");
  testing::internal::CaptureStderr();
  LogInfo("receiver", "AE \x1b[31mX\n2026-01-01T00:00:00.000Z error forged: line");
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1);
  EXPECT_THAT(told, HasSubstr("\\x1b[31mX\\n2026"));
}

TEST_F(LogTest, JsonLinesParseWhateverTheBytes) {
  ConfigureLog(LogLevel::kDebug, "json");
  testing::internal::CaptureStderr();
  LogDebug("ingest", "a \"quote\"\nand \xff\xfe bytes");
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1);
  const auto line = nlohmann::json::parse(told);
  EXPECT_EQ(line.at("level"), "debug");
  EXPECT_EQ(line.at("area"), "ingest");
  EXPECT_THAT(line.at("text").get<std::string>(), HasSubstr("a \"quote\"\nand "));
}

TEST_F(LogTest, AnUnknownFormatIsRefused) { EXPECT_THROW(ConfigureLog(LogLevel::kInfo, "xml"), Error); }

TEST_F(LogTest, ReconfiguringWhileOthersLogLosesNoLine) {
  testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i) LogInfo("a", "line");
    });
  for (int i = 0; i < 50; ++i) ConfigureLog(LogLevel::kInfo, i % 2 ? "json" : "text");
  for (auto& thread : threads) thread.join();
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 200);
}

}  // namespace
}  // namespace glionode
