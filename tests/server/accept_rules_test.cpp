#include "server/accept_rules.h"

#include <gtest/gtest.h>

namespace glionode::server {
namespace {

constexpr WallMs kNow = 1'795'219'200'000;  // 2026-11-21

AcceptRule Rule(std::map<std::string, std::string> matches, int max_age_days = 0, std::string peer = "") {
  AcceptRule rule;
  rule.matches = std::move(matches);
  rule.max_age_days = max_age_days;
  rule.peer = std::move(peer);
  rule.line = 7;
  return rule;
}

TEST(AcceptRules, NoRuleAcceptsNothing) {
  EXPECT_FALSE(AcceptRules({}).Match({{"StudyDescription", "glioma"}}, "PACS", kNow));
}

TEST(AcceptRules, EveryConditionMustHold) {
  const AcceptRules rules({Rule({{"StudyDescription", "(?i)glioma|post.?rt"}, {"PatientSex", "^F$"}})});
  EXPECT_EQ(rules.Match({{"StudyDescription", "GLIOMA follow-up"}, {"PatientSex", "F"}}, "PACS", kNow),
            "accept rule 1 (line 7)");
  EXPECT_FALSE(rules.Match({{"StudyDescription", "GLIOMA follow-up"}, {"PatientSex", "M"}}, "PACS", kNow));
  EXPECT_FALSE(rules.Match({{"StudyDescription", "knee"}, {"PatientSex", "F"}}, "PACS", kNow));
}

TEST(AcceptRules, CaseCountsUnlessTheRuleSaysNot) {
  EXPECT_FALSE(
      AcceptRules({Rule({{"StudyDescription", "glioma"}})}).Match({{"StudyDescription", "GLIOMA"}}, "PACS", kNow));
}

TEST(AcceptRules, AgeIsCountedInDaysAndAnUnreadableDateIsNoAge) {
  const AcceptRules rules({Rule({}, 14)});
  EXPECT_TRUE(rules.Match({{"StudyDate", "20261107"}}, "PACS", kNow));
  EXPECT_FALSE(rules.Match({{"StudyDate", "20261106"}}, "PACS", kNow));
  EXPECT_FALSE(rules.Match({{"StudyDate", ""}}, "PACS", kNow));
  EXPECT_FALSE(rules.Match({}, "PACS", kNow));
}

TEST(AcceptRules, ARuleForAPeerIsForThatPeer) {
  const AcceptRules rules({Rule({}, 0, "RESEARCH")});
  EXPECT_TRUE(rules.Match({}, "RESEARCH", kNow));
  EXPECT_FALSE(rules.Match({}, "PACS", kNow));
}

TEST(DaysSince, ReadsOnlyDates) {
  EXPECT_EQ(DaysSince("20261121", kNow), 0);
  EXPECT_EQ(DaysSince("20261122", kNow), -1);
  EXPECT_EQ(DaysSince("20261199", kNow), std::nullopt);
  EXPECT_EQ(DaysSince("2026.11.21", kNow), std::nullopt);
}

}  // namespace
}  // namespace glionode::server
