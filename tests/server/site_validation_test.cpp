#include "server/site_validation.h"

#include "config/error.h"
#include "inference/networks/bundle.h"

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

TEST(SiteValidation, OneNumberIsOneStudyInTheRunsOfAllBundles) {
  // Neither bundle saw a patient of the other: there is nothing to compare.
  auto runs = RunsFromJson(
      ToJson(SiteValidation({Study("1", "A", 0.9, "necrosis", "aa"), Study("2", "B", 0.2, "recurrence", "aa"),
                             Study("3", "C", 0.8, "necrosis", "bb"), Study("4", "D", 0.3, "recurrence", "bb")})));
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_NE(runs[0].cases[0].study, runs[1].cases[0].study);
  EXPECT_NE(runs[0].cases[0].patient, runs[1].cases[0].patient);
  EXPECT_EQ(json::parse(networks::MetricsJson(runs))["comparisons"][0]["cases"], 0);
  // One study, judged by both.
  runs = RunsFromJson(
      ToJson(SiteValidation({Study("1", "A", 0.9, "necrosis", "aa"), Study("2", "B", 0.8, "necrosis", "aa"),
                             Study("2", "B", 0.3, "necrosis", "bb")})));
  EXPECT_EQ(json::parse(networks::MetricsJson(runs))["comparisons"][0]["cases"], 1);
}

TEST(SiteValidation, AnUnknownOutcomeIsNoTruthAndHidesNone) {
  const auto figures = SiteValidation({Study("1", "A", 0.9, "unknown"), Study("2", "A", 0.8, "necrosis"),
                                       Study("3", "B", 0.2, "unknown"), Study("4", "C", 0.2, "recurrence")});
  const SiteFigures& f = figures.at(0);
  EXPECT_EQ(f.patients, 3);
  EXPECT_EQ(f.verified, 2);
  ASSERT_EQ(f.run.cases.size(), 2u);
  EXPECT_EQ(f.run.cases[0].label, "necrosis");
  EXPECT_EQ(f.run.cases[0].study, "study 2");
  EXPECT_EQ(f.run.others.size(), 1u) << "of B nothing more is known";
  EXPECT_EQ(f.called_recurrence_verified, 1);
}

TEST(SiteValidation, WithdrawnReportsAreLeftOutAndCounted) {
  std::vector<storage::ReportedStudy> studies = {Study("1", "A", 0.9, "recurrence"), Study("2", "B", 0.2, "recurrence"),
                                                 Study("3", "C", 0.2, "necrosis", "bb")};
  studies[0].withdrawn = studies[2].withdrawn = true;
  const auto figures = SiteValidation(studies);
  ASSERT_EQ(figures.size(), 2u);
  for (const auto& f : figures) {
    EXPECT_EQ(f.withdrawn, 1);
    EXPECT_THAT(f.bias, HasSubstr("1 study whose report was taken back"));
    EXPECT_EQ(f.reported, f.run.bundle_sha256 == "aa" ? 1 : 0);
    EXPECT_EQ(f.run.cases.size(), f.run.bundle_sha256 == "aa" ? 1u : 0u);
  }
  EXPECT_EQ(ToJson(figures)["bundles"][0]["withdrawn"], 1);
}

TEST(SiteValidation, TrainingPatientsOfTheBundleAtHandAreLeftOut) {
  BundleAtHand at_hand;
  at_hand.sha256 = "aa";
  at_hand.weights_sha256 = "ww";
  at_hand.network = "mresnet";
  at_hand.calibrated_share = 0.18;
  at_hand.salt = "salt";
  at_hand.patient_hashes = {networks::PatientHash("salt", "ID1")};
  const std::vector<storage::ReportedStudy> studies = {
      Study("1", "ID1\nHOSPITAL\n19700101\nF", 0.9, "necrosis", "aa", 1000), Study("2", "ID1", 0.8, "", "aa", 1000),
      Study("3", "ID2", 0.2, "recurrence", "aa", 3000), Study("4", "ID1", 0.9, "necrosis", "bb", 2000)};
  const auto figures = SiteValidation(studies, at_hand);
  ASSERT_EQ(figures.size(), 2u);
  const SiteFigures &known = figures[0], &other = figures[1];
  EXPECT_EQ(known.run.bundle_sha256, "aa");
  EXPECT_TRUE(known.run.training_patients_known);
  EXPECT_EQ(known.run.excluded_training_patients, 1);
  EXPECT_EQ(known.run.excluded_studies, 2);
  EXPECT_EQ(known.patients, 1);
  EXPECT_EQ(known.verified, 1);
  EXPECT_EQ(known.run.cases.size(), 1u);
  EXPECT_THAT(known.bias, HasSubstr("1 patient that the network was trained on"));
  EXPECT_THAT(known.bias, Not(HasSubstr("not checked")));
  EXPECT_EQ(known.run.weights_sha256, "ww");
  EXPECT_FALSE(other.run.training_patients_known);
  EXPECT_EQ(other.run.cases.size(), 1u);
  EXPECT_THAT(other.bias, HasSubstr("was not checked"));
  const auto runs = RunsFromJson(ToJson(figures));
  EXPECT_EQ(networks::MetricsJson(runs), networks::MetricsJson({known.run, other.run}));
  EXPECT_EQ(runs[0].network, "mresnet");
  EXPECT_EQ(runs[0].calibrated_share, 0.18);
  // Without the bundle nothing is checked.
  EXPECT_FALSE(SiteValidation(studies).at(0).run.training_patients_known);
}

TEST(SiteValidation, AnIdWithoutItsIssuerIsTheSamePatientIfOneIssuerIsKnown) {
  const auto patients = [](const std::vector<std::string>& identities) {
    std::vector<storage::ReportedStudy> studies;
    for (const auto& identity : identities)
      studies.push_back(Study(std::to_string(studies.size()), identity, 0.9, "necrosis"));
    return SiteValidation(studies).at(0).patients;
  };
  EXPECT_EQ(patients({"1\nA\n19700101\nF", "1\n\n19700101\nF", "1\nA\n\n"}), 1);
  EXPECT_EQ(patients({"1\nA\n\n", "1\nB\n\n"}), 2);
  EXPECT_EQ(patients({"1\nA\n\n", "1\nB\n\n", "1\n\n\n"}), 3) << "it could be either";
  EXPECT_EQ(patients({"1\n\n\n", "2\n\n\n"}), 2);
}

TEST(SiteValidation, TellsTheTimeToTheOutcome) {
  std::vector<storage::ReportedStudy> studies;
  for (int i = 0; i < 3; ++i) {
    studies.push_back(Study(std::to_string(i), "P" + std::to_string(i), 0.9, "necrosis"));
    studies.back().first_arrival = 1772366400000;  // 2026-03-01, noon
    studies.back().outcome.date = i == 0 ? "2026-03-02" : i == 1 ? "2026-03-31" : "2027-01-01";
  }
  const auto figures = SiteValidation(studies);
  EXPECT_EQ(figures.at(0).days_to_outcome, 30);
  EXPECT_THAT(figures[0].bias, HasSubstr("dated 30 days after"));
  EXPECT_EQ(ToJson(figures)["bundles"][0]["days_to_outcome"], 30);
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
