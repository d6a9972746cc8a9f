#include "dicom/site_rules.h"

#include "images_support.h"

namespace glionode::dicom {
namespace {

using namespace testing;

const std::vector<Role> kWanted = {Role::kT1, Role::kT2, Role::kT1ce};

RoleRule Rule(Role role, std::map<std::string, AttributeCondition> matches, int line = 41, std::string peer = "") {
  RoleRule rule;
  rule.role = role;
  rule.matches = std::move(matches);
  rule.line = line;
  rule.peer = std::move(peer);
  return rule;
}

RoleVerdict Judge(const std::map<std::string, std::string>& attributes, const std::vector<RoleRule>& rules,
                  const std::string& peer = "") {
  SeriesFacts facts;
  facts.attributes = attributes;
  return JudgeSeries(facts, SiteRules(rules), peer);
}

TEST(SiteRules, WithoutRulesNothingFits) {
  EXPECT_FALSE(SiteRules().Find({{"SeriesDescription", "x"}}, "PACS"));
  EXPECT_FALSE(SiteRules(std::vector<RoleRule>{}).Find({}, ""));
}

TEST(SiteRules, EveryConditionMustHoldAndTheFirstRuleDecides) {
  const SiteRules rules(
      {Rule(Role::kT1ce, {{"SeriesDescription", "(?i)^mpr"}, {"RepetitionTime", NumberRange{1500, 3000}}}, 41),
       Rule(Role::kNone, {{"SeriesDescription", "MPR"}}, 46)});
  const auto first = rules.Find({{"SeriesDescription", "MPR late"}, {"RepetitionTime", "1500"}}, "");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->role, Role::kT1ce);
  EXPECT_EQ(first->name, "site rule 1 (line 41)");
  EXPECT_EQ(first->keywords, "RepetitionTime, SeriesDescription");
  const auto second = rules.Find({{"SeriesDescription", "MPR late"}, {"RepetitionTime", "1499"}}, "");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->name, "site rule 2 (line 46)");
  EXPECT_FALSE(rules.Find({{"SeriesDescription", "mpr"}, {"RepetitionTime", "4000"}}, "")) << "case counts in rule 2";
  EXPECT_FALSE(rules.Find({{"RepetitionTime", "2000"}}, ""));
}

TEST(SiteRules, RangesTakeTheFirstNumberAndNoTextIsANumber) {
  const auto fits = [](NumberRange range, const std::string& value) {
    return SiteRules({Rule(Role::kT2, {{"EchoTime", range}})}).Find({{"EchoTime", value}}, "").has_value();
  };
  EXPECT_TRUE(fits({80, std::nullopt}, "80"));
  EXPECT_TRUE(fits({80, std::nullopt}, "1e3"));
  EXPECT_FALSE(fits({80, std::nullopt}, "79.9"));
  EXPECT_TRUE(fits({std::nullopt, 80}, "80"));
  EXPECT_FALSE(fits({std::nullopt, 80}, "80.1"));
  EXPECT_TRUE(fits({-1, 1}, "0"));
  EXPECT_TRUE(fits({90, 110}, "100\\20"));
  EXPECT_FALSE(fits({90, 110}, "20\\100"));
  for (const char* text : {"", "x", "100 ms", "nan", "inf", "1e999"}) EXPECT_FALSE(fits({-1e12, 1e12}, text)) << text;
  EXPECT_FALSE(SiteRules({Rule(Role::kT2, {{"EchoTime", NumberRange{0, 1}}})}).Find({}, "")) << "absent is no number";
  EXPECT_TRUE(SiteRules({Rule(Role::kT2, {{"EchoTime", "^$"}})}).Find({}, "")) << "absent is an empty text";
}

TEST(SiteRules, ARuleForAPeerIsForThatPeer) {
  const SiteRules rules({Rule(Role::kT2, {{"SeriesDescription", "x"}}, 41, "RESEARCH")});
  EXPECT_TRUE(rules.Find({{"SeriesDescription", "x"}}, "RESEARCH"));
  EXPECT_FALSE(rules.Find({{"SeriesDescription", "x"}}, "PACS"));
  EXPECT_FALSE(rules.Find({{"SeriesDescription", "x"}}, ""));
}

TEST(SiteRules, WinOverTheTableAndSayWhatItWouldHaveFound) {
  const std::vector<RoleRule> rules = {Rule(Role::kNone, {{"SeriesDescription", "planning"}}, 30),
                                       Rule(Role::kT1ce, {{"SeriesDescription", "^AX FLAIR$"}}, 41)};
  const RoleVerdict verdict = Judge({{"SeriesDescription", "AX FLAIR"}}, rules);
  EXPECT_EQ(verdict.role, Role::kT1ce);
  EXPECT_EQ(verdict.score, 1);
  EXPECT_EQ(verdict.rule, "site rule 2 (line 41)");
  EXPECT_EQ(verdict.why, "T1 with contrast by site rule 2 (line 41) on SeriesDescription; without it none: FLAIR");
  EXPECT_EQ(Judge({{"SeriesDescription", "AX T1 POST planning"}}, rules).role, Role::kNone);
  EXPECT_EQ(Judge({{"SeriesDescription", "AX T1 POST"}}, rules).rule, "post word") << "no rule fits: the table";
  // An unsure one becomes sure, and says that it was not.
  const RoleVerdict doubt =
      Judge({{"SeriesDescription", "AX T1 W/WO"}}, {Rule(Role::kT1, {{"SeriesDescription", "W/WO"}})});
  EXPECT_EQ(doubt.role, Role::kT1);
  EXPECT_NE(doubt.why.find("without it unsure: "), std::string::npos) << doubt.why;
  const RoleVerdict same = Judge({{"SeriesDescription", "AX T2"}}, {Rule(Role::kT2, {{"SeriesDescription", "T2"}})});
  EXPECT_NE(same.why.find("the general rules agree"), std::string::npos) << same.why;
}

TEST(SiteRules, MakeNoImageOfWhatIsNone) {
  const std::vector<RoleRule> rules = {Rule(Role::kT1, {{"SeriesDescription", "."}})};
  EXPECT_EQ(Judge({{"SeriesDescription", "CT"}, {"Modality", "CT"}}, rules).role, Role::kNone);
  SeriesFacts report;
  report.attributes = {{"SeriesDescription", "report"}, {"Modality", "MR"}};
  report.instances = 1;
  EXPECT_EQ(JudgeSeries(report, SiteRules(rules)).role, Role::kNone);
}

TEST(SiteRules, DecideTheChoiceWithinAStudy) {
  const TempFolder folder;
  const auto headers = ReadAll(Flatten(WriteSmallStudy(folder.Path())));
  const auto plain = SelectSeries(SummarizeSeries(headers), kWanted);
  ASSERT_EQ(plain.chosen.size(), 3u);
  const std::string t1ce = plain.chosen.at(Role::kT1ce).description, t2 = plain.chosen.at(Role::kT2).description;
  // The site takes its contrast series out: it is missing then, and nothing takes its place.
  const SiteRules out({Rule(Role::kNone, {{"SeriesInstanceUID", plain.chosen.at(Role::kT1ce).series_uid}})});
  const auto without = SelectSeries(SummarizeSeries(headers), kWanted, out);
  EXPECT_FALSE(without.chosen.contains(Role::kT1ce));
  ASSERT_EQ(without.reasons.size(), 1u);
  EXPECT_EQ(without.reasons[0].code, ReasonCode::kMissingRole);
  // A rule for one peer counts for studies of that peer alone.
  const SiteRules swapped({Rule(Role::kT1ce, {{"SeriesDescription", "(?i)T2"}}, 9, "PACS"),
                           Rule(Role::kT2, {{"SeriesDescription", "POST"}}, 12, "PACS")});
  const auto mine = SelectSeries(SummarizeSeries(headers), kWanted, swapped, "PACS");
  EXPECT_EQ(mine.chosen.at(Role::kT1ce).description, t2);
  EXPECT_NE(mine.chosen.at(Role::kT1ce).why.find("site rule 1 (line 9)"), std::string::npos);
  EXPECT_EQ(mine.chosen.at(Role::kT2).description, t1ce);
  const auto others = SelectSeries(SummarizeSeries(headers), kWanted, swapped, "OTHER");
  EXPECT_EQ(others.chosen.at(Role::kT1ce).description, t1ce);
}

TEST(SiteRules, AStatedT1IsNotDoubtedForItsPlaceInTime) {
  SeriesFacts before, after, late;
  before.series_uid = "1", after.series_uid = "2", late.series_uid = "3";
  const auto at = [](const char* name, const char* time) {
    return std::map<std::string, std::string>{
        {"SeriesDescription", name}, {"AcquisitionDate", "20260101"}, {"AcquisitionTime", time}};
  };
  before.attributes = at("AX T1 PRE", "100000");
  after.attributes = at("AX T1 GD", "101000");
  late.attributes = at("AX T1", "102000");
  const auto role = [&](const SiteRules& rules) {
    return SelectSeries({before, after, late}, kWanted, rules).series.at(2).verdict.role;
  };
  EXPECT_EQ(role({}), Role::kUnsure);
  EXPECT_EQ(role(SiteRules({Rule(Role::kT1, {{"SeriesDescription", "^AX T1$"}})})), Role::kT1);
}

}  // namespace
}  // namespace glionode::dicom
