#include "storage/outcomes.h"

#include "config/error.h"
#include "tests/storage/storage_fixture.h"

namespace glionode::storage {
namespace {

class OutcomesTest : public IndexTest {
 protected:
  OutcomesTest() : outcomes_(*database_) {
    index_->Add(Image("1.1", "a", 1000));
    InstanceRecord other = Image("2.1", "a", 2000);
    other.study_uid = "2.2";
    other.identity = "ID^B";
    index_->Add(other);
  }
  static OutcomeRecord Of(const std::string& study, const std::string& label, WallMs at = 5000) {
    return {0, study, label, "pathology", "2026-03-01", "local/ann", at};
  }
  void ReportWith(const std::string& key, const std::string& result_json) {
    ASSERT_TRUE(jobs_->Create(NewJob(key), Study().changes));
    const auto job = jobs_->Claim("me", 3000, 4000);
    ASSERT_TRUE(job);
    ResultRecord result = NewResult();
    result.result_json = result_json;
    jobs_->Finish(job->id, result, {}, 3000);
  }
  Outcomes outcomes_;
};

TEST_F(OutcomesTest, TheNewestCountsAndOlderOnesStayOnRecord) {
  const auto first = outcomes_.Add(Of("1.2", "recurrence", 1763740000000));
  EXPECT_GT(first.id, 0);
  EXPECT_EQ(first.recorded_at, 1763740000000);
  outcomes_.Add(Of("1.2", "necrosis"));
  const auto all = outcomes_.OfStudy("1.2");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].label, "necrosis");
  EXPECT_EQ(all[1].label, "recurrence");
  EXPECT_EQ(all[0].recorded_by, "local/ann");
  EXPECT_TRUE(outcomes_.OfStudy("2.2").empty());
}

TEST_F(OutcomesTest, UnknownStudiesAndWordsAreRefused) {
  try {
    outcomes_.Add(Of("9.9", "necrosis"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kNotFound);
  }
  EXPECT_THROW(outcomes_.Add(Of("1.2", "tumour")), Error);
  EXPECT_TRUE(outcomes_.OfStudy("1.2").empty());
}

TEST_F(OutcomesTest, ReportedStudiesComeWithTheirNewestResultOfEachBundle) {
  EXPECT_TRUE(outcomes_.Reported().empty());
  ReportWith("a", R"({"bundle": {"sha256": "x"}, "decision": "necrosis"})");
  ReportWith("b", R"({"bundle": {"sha256": "x"}, "decision": "recurrence"})");
  ReportWith("c", R"({"bundle": {"sha256": "y"}, "decision": "indeterminate"})");
  auto reported = outcomes_.Reported();
  ASSERT_EQ(reported.size(), 2u);
  if (reported[0].bundle_sha256 == "y") std::swap(reported[0], reported[1]);
  EXPECT_EQ(reported[0].bundle_sha256, "x");
  EXPECT_NE(reported[0].result_json.find("recurrence"), std::string::npos) << "the newer revision";
  EXPECT_EQ(reported[1].bundle_sha256, "y");
  EXPECT_EQ(reported[0].identity, "ID^A");
  EXPECT_EQ(reported[0].outcome.label, "");
  outcomes_.Add(Of("1.2", "mixed"));
  outcomes_.Add(Of("1.2", "necrosis"));
  for (const auto& study : outcomes_.Reported()) EXPECT_EQ(study.outcome.label, "necrosis");
}

TEST_F(OutcomesTest, WhatWasTakenBackIsMarkedUntilItIsReportedAnew) {
  ReportWith("a", R"({"bundle": {"sha256": "x"}, "decision": "necrosis"})");
  ReportWith("b", R"({"bundle": {"sha256": "y"}, "decision": "necrosis"})");
  for (const auto& study : outcomes_.Reported()) EXPECT_FALSE(study.withdrawn);
  WithdrawalRecord withdrawal;
  withdrawal.study_uid = "1.2";
  withdrawal.revision = Study().revision;
  withdrawal.reason = "wrong patient";
  withdrawal.at = 6000;
  outbox_->Withdraw(withdrawal, {});
  for (const auto& study : outcomes_.Reported()) EXPECT_TRUE(study.withdrawn) << "this report and all before it";
  ReportWith("c", R"({"bundle": {"sha256": "y"}, "decision": "recurrence"})");
  const auto reported = outcomes_.Reported();
  ASSERT_EQ(reported.size(), 2u);
  for (const auto& study : reported) EXPECT_EQ(study.withdrawn, study.bundle_sha256 == "x");
}

}  // namespace
}  // namespace glionode::storage
