#include "server/site_validation.h"

#include "config/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glionode::server {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

storage::ReportedStudy Study(const std::string& uid, const std::string& patient, double p, const std::string& label,
                             const std::string& sha = "aa", WallMs at = 1000) {
  storage::ReportedStudy study;
  study.study_uid = uid;
  study.identity = patient;
  study.bundle_sha256 = sha;
  study.first_arrival = at;
  const char* decision = p < 0 ? "not evaluable" : p > 0.5 ? "necrosis" : "recurrence";
  study.result_json = json({{"bundle", {{"name", "b-" + sha}, {"version", "1.0.0"}, {"sha256", sha}}},
                            {"decision", decision},
                            {"probability_of_necrosis", p < 0 ? json(nullptr) : json(p)},
                            {"reasons", json::array()},
                            {"software", "glionode 0"}})
                          .dump();
  study.outcome.label = label;
  study.outcome.standard = label.empty() ? "" : "pathology";
  return study;
}

TEST(SiteValidation, CountsEveryPatientOnce) {
  const auto figures =
      SiteValidation({Study("1", "A", 0.9, ""), Study("2", "A", 0.8, "necrosis"), Study("3", "A", 0.7, "recurrence"),
                      Study("4", "B", 0.2, "recurrence"), Study("5", "C", 0.1, ""), Study("6", "", 0.1, "recurrence"),
                      Study("7", "", 0.1, "mixed")});
  ASSERT_EQ(figures.size(), 1u);
  const SiteFigures& f = figures[0];
  EXPECT_EQ(f.reported, 7);
  EXPECT_EQ(f.patients, 5);
  EXPECT_EQ(f.verified, 4);
  ASSERT_EQ(f.run.cases.size(), 3u);
  EXPECT_EQ(f.run.others.size(), 1u);
  EXPECT_EQ(f.run.cases[0].label, "necrosis") << "of patient A the earliest study with a known truth";
  EXPECT_EQ(f.called_necrosis, 1);
  EXPECT_EQ(f.called_recurrence, 4);
  EXPECT_EQ(f.called_recurrence_verified, 3);
  EXPECT_TRUE(f.too_few);
  EXPECT_THAT(f.bias, HasSubstr("4 of 5 (80 %)"));
  EXPECT_THAT(f.bias, HasSubstr("Too few cases to tell"));
  EXPECT_THAT(f.bias, HasSubstr("verification bias"));
}

TEST(SiteValidation, BundlesAreKeptApartAndTheNewestComesFirst) {
  const auto figures =
      SiteValidation({Study("1", "A", 0.9, "necrosis", "aa", 1000), Study("1", "A", 0.2, "necrosis", "bb", 1000),
                      Study("2", "B", 0.2, "recurrence", "bb", 2000)});
  ASSERT_EQ(figures.size(), 2u);
  EXPECT_EQ(figures[0].run.bundle_sha256, "bb");
  EXPECT_EQ(figures[0].run.bundle_name, "b-bb");
  EXPECT_EQ(networks::Measure(figures[0].run.cases).fn, 1);
  EXPECT_EQ(networks::Measure(figures[1].run.cases).tp, 1);
}

TEST(SiteValidation, EnoughCasesGiveCurves) {
  std::vector<storage::ReportedStudy> studies;
  for (int i = 0; i < 50; ++i)
    studies.push_back(
        Study(std::to_string(i), "P" + std::to_string(i), 0.01 + 0.019 * i, i % 2 ? "necrosis" : "recurrence"));
  const auto figures = SiteValidation(studies);
  EXPECT_FALSE(figures.at(0).too_few);
  const json answer = ToJson(figures);
  EXPECT_TRUE(answer["bundles"][0]["figures"]["calibration"].is_object());
  EXPECT_EQ(answer["bundles"][0]["share_verified"], 1.0);
}

TEST(SiteValidation, TheAnswerNamesNobodyAndGoesAround) {
  const auto figures =
      SiteValidation({Study("1.2.3.4", "SECRET^NAME", 0.9, "necrosis"), Study("1.2.3.5", "OTHER", -1, "recurrence"),
                      Study("1.2.3.6", "THIRD", 0.5, "unknown")});
  const json answer = ToJson(figures);
  EXPECT_THAT(answer.dump(), Not(HasSubstr("SECRET")));
  EXPECT_THAT(answer.dump(), Not(HasSubstr("1.2.3")));
  const auto runs = RunsFromJson(answer);
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].cases.size(), 2u);
  EXPECT_EQ(runs[0].others.size(), 1u);
  EXPECT_EQ(runs[0].cases[0].probability_of_necrosis, 0.9);
  EXPECT_EQ(runs[0].cases[1].decision, Decision::kNotEvaluable);
  EXPECT_EQ(networks::MetricsJson(runs), networks::MetricsJson({figures[0].run}));
  EXPECT_THROW(RunsFromJson(json::object()), Error);
  EXPECT_TRUE(ToJson(SiteValidation({}))["bundles"].empty());
}

TEST(CheckOutcome, RefusesWhatCannotBe) {
  const auto complaint = [](const std::string& label, const std::string& standard, const std::string& date) {
    try {
      CheckOutcome({0, "1", label, standard, date, "me", 0}, "2026-11-21");
    } catch (const Error& error) {
      EXPECT_EQ(error.Code(), ErrorCode::kUsage);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(complaint("necrosis", "pathology", "2026-11-21"), "");
  EXPECT_EQ(complaint("unknown", "follow-up", "2024-02-29"), "");
  EXPECT_THAT(complaint("tumour", "pathology", "2026-01-01"), HasSubstr("none of recurrence"));
  EXPECT_THAT(complaint("mixed", "guess", "2026-01-01"), HasSubstr("neither pathology"));
  EXPECT_THAT(complaint("mixed", "pathology", "2026-11-22"), HasSubstr("in the future"));
  for (const char* date : {"2026-02-30", "26-01-01", "2026-1-1", "20260101", "2026-01-01x", "", "2026-13-01"})
    EXPECT_THAT(complaint("mixed", "pathology", date), HasSubstr("YYYY-MM-DD")) << date;
}

}  // namespace
}  // namespace glionode::server
