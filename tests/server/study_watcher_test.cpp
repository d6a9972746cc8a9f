#include "watcher_fixture.h"

namespace glionode::server {
namespace {

using storage::StudyState;

// --- JudgeWaiting

TEST(JudgeWaiting, ACompleteStudyStartsWhenItIsQuiet) {
  EXPECT_EQ(JudgeWaiting({.since_first_s = 100, .since_last_s = 59, .complete = true}, Times()), WaitingVerdict::kWait);
  EXPECT_EQ(JudgeWaiting({.since_first_s = 100, .since_last_s = 60, .complete = true}, Times()),
            WaitingVerdict::kStart);
}

TEST(JudgeWaiting, AMissingRoleIsWaitedForLonger) {
  EXPECT_EQ(JudgeWaiting({.since_first_s = 3599, .since_last_s = 3599}, Times()), WaitingVerdict::kWait);
  EXPECT_EQ(JudgeWaiting({.since_first_s = 3700, .since_last_s = 3600}, Times()), WaitingVerdict::kStart);
}

TEST(JudgeWaiting, NothingWaitsLongerThanTheLongestTime) {
  EXPECT_EQ(JudgeWaiting({.since_first_s = 14400, .since_last_s = 1, .complete = false}, Times()),
            WaitingVerdict::kStartStillArriving);
  EXPECT_EQ(JudgeWaiting({.since_first_s = 14400, .since_last_s = 61, .complete = false}, Times()),
            WaitingVerdict::kStart);
}

TEST(JudgeWaiting, AnEarlyStartNeedsEvidenceAndEndedAssociations) {
  StudySettings settings = Times();
  settings.early_start = true;
  WaitingFacts facts{
      .since_first_s = 10, .since_last_s = 6, .complete = true, .count_evidence = true, .may_still_arrive = false};
  EXPECT_EQ(JudgeWaiting(facts, settings), WaitingVerdict::kStart);
  facts.may_still_arrive = true;
  EXPECT_EQ(JudgeWaiting(facts, settings), WaitingVerdict::kWait);
  facts.may_still_arrive = false;
  facts.count_evidence = false;
  EXPECT_EQ(JudgeWaiting(facts, settings), WaitingVerdict::kWait);
}

// --- the watcher

TEST_F(WatcherTest, AQuietCompleteStudyBecomesOneJob) {
  auto watcher = MakeWatcher(Times());
  PushStudy({});
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  clock_.Advance(59);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  clock_.Advance(2);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  ASSERT_EQ(jobs_->OfStudy(StudyUid()).size(), 1u);
  const StudyInputs inputs = InputsOf(jobs_->OfStudy(StudyUid())[0]);
  EXPECT_EQ(inputs.inputs.size(), 3u);
  EXPECT_TRUE(inputs.reasons.empty());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady);
}

TEST_F(WatcherTest, AnImageStartsTheQuietTimeAnew) {
  auto watcher = MakeWatcher(Times());
  PushStudy({.roles = {"t1", "t2", "t1ce"}});
  watcher->Tick(Bundle());
  clock_.Advance(50);
  PushStudy({.roles = {"flair"}});
  watcher->Tick(Bundle());
  clock_.Advance(50);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  clock_.Advance(11);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
}

TEST_F(WatcherTest, WithoutARuleNothingIsEvaluated) {
  auto watcher = MakeWatcher(Times(), {});
  PushStudy({});
  watcher->Tick(Bundle());
  clock_.Advance(1);
  watcher->Tick(Bundle());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kIgnored);
  clock_.Advance(100000);
  watcher->Tick(Bundle());
  EXPECT_TRUE(jobs_->OfStudy(StudyUid()).empty());
}

TEST_F(WatcherTest, AMissingSeriesIsWaitedForThenSaid) {
  auto watcher = MakeWatcher(Times());
  PushStudy({.roles = {"t1", "t1ce"}});
  watcher->Tick(Bundle());
  clock_.Advance(100);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  clock_.Advance(3600);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
  const StudyInputs inputs = InputsOf(jobs_->OfStudy(StudyUid())[0]);
  ASSERT_FALSE(inputs.reasons.empty());
  EXPECT_EQ(inputs.reasons[0].code, ReasonCode::kMissingRole);
}

TEST_F(WatcherTest, AMissingSliceIsAReason) {
  auto watcher = MakeWatcher(Times());
  auto made = MakeStudy({});
  made["t2"].erase(made["t2"].begin() + 5);
  for (const auto& [role, files] : made)
    for (const auto& file : files) Push(file);
  watcher->Tick(Bundle());
  clock_.Advance(4000);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
  const StudyInputs inputs = InputsOf(jobs_->OfStudy(StudyUid())[0]);
  ASSERT_EQ(inputs.reasons.size(), 1u);
  EXPECT_EQ(inputs.reasons[0].code, ReasonCode::kIncompleteSeries);
}

TEST_F(WatcherTest, TwoPatientsInOneStudyAreParked) {
  auto watcher = MakeWatcher(Times());
  PushStudy({.roles = {"t1", "t2"}});
  PushStudy({.patient_id = "P2", .roles = {"t1ce"}});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  const auto study = index_->Find(StudyUid());
  EXPECT_EQ(study->state, StudyState::kParked);
  EXPECT_EQ(study->why.rfind("mixed_identity", 0), 0u) << study->why;
  EXPECT_TRUE(jobs_->OfStudy(StudyUid()).empty());
}

TEST_F(WatcherTest, AMixedStudyWithdrawsWhatWasNotSentYet) {
  auto watcher = MakeWatcher(Times());
  storage::NewObject object;
  object.object.sop_class_uid = "1.2", object.object.sop_instance_uid = "1.2.3", object.object.file = "results/x";
  object.object.kind = "sr";
  object.peers = {"PACS"};
  MakeReport(*watcher, {object});
  ASSERT_EQ(outbox_->OfStudy(StudyUid()).at(0).state, storage::OutboxState::kPending);
  PushStudy({.patient_id = "P2", .roles = {"t2"}});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  watcher->Tick(Bundle());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kParked);
  EXPECT_EQ(outbox_->OfStudy(StudyUid()).at(0).state, storage::OutboxState::kWithdrawn);
}

TEST_F(WatcherTest, ACorrectionToOnePatientUnparks) {
  auto watcher = MakeWatcher(Times());
  PushStudy({.roles = {"t1", "t2"}});
  PushStudy({.patient_id = "P2", .roles = {"t1ce"}});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  watcher->Tick(Bundle());
  PushStudy({.patient_id = "P1", .roles = {"t1ce"}});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
}

TEST_F(WatcherTest, AReleasedStudyGoesOnAndAFurtherImageParksItAgain) {
  auto watcher = MakeWatcher(Times());
  const auto look = [&] {
    const int at_once = watcher->Tick(Bundle());
    clock_.Advance(61);
    return at_once + watcher->Tick(Bundle());
  };
  PushStudy({.roles = {"t1", "t2"}});
  PushStudy({.patient_id = "P2", .roles = {"t1ce"}});
  EXPECT_EQ(look(), 0);
  const auto parked = *index_->Find(StudyUid());
  ASSERT_EQ(parked.state, StudyState::kParked);
  auto earlier = parked;
  --earlier.changes;
  EXPECT_FALSE(releases_->Release(earlier, "chief", "too late", clock_.Wall())) << "an image came meanwhile";
  EXPECT_TRUE(releases_->Release(parked, "chief", "number corrected", clock_.Wall()));
  EXPECT_FALSE(releases_->Release(parked, "chief", "twice", clock_.Wall())) << "it is not parked any more";
  // A third patient's image was in nobody's view.
  PushStudy({.patient_id = "P3", .roles = {"t2"}});
  EXPECT_EQ(look(), 0);
  const auto again = *index_->Find(StudyUid());
  ASSERT_EQ(again.state, StudyState::kParked);
  EXPECT_TRUE(releases_->Release(again, "chief", "looked once more", clock_.Wall()));
  EXPECT_EQ(look(), 1);
}

TEST_F(WatcherTest, NoPatientIdIsParked) {
  auto watcher = MakeWatcher(Times());
  PushStudy({.patient_id = ""});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  EXPECT_EQ(index_->Find(StudyUid())->why.rfind("no_patient_id", 0), 0u);
}

TEST_F(WatcherTest, NothingStartsWhileNoBundleHasProvenItself) {
  auto watcher = MakeWatcher(Times());
  PushStudy({});
  watcher->Tick(std::nullopt);
  clock_.Advance(1000);
  EXPECT_EQ(watcher->Tick(std::nullopt), 0);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReceiving);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
}

TEST_F(WatcherTest, WaitingGoesOnAcrossARestart) {
  auto watcher = MakeWatcher(Times());
  PushStudy({});
  watcher->Tick(Bundle());
  clock_.Advance(40);
  watcher.reset();
  Reopen();
  watcher = MakeWatcher(Times());
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  clock_.Advance(21);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
}

TEST_F(WatcherTest, AWallClockThatJumpsStartsNothing) {
  auto watcher = MakeWatcher(Times());
  PushStudy({});
  watcher->Tick(Bundle());
  clock_.wall += WallMs{365} * 24 * 3600 * 1000;
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  clock_.wall -= WallMs{730} * 24 * 3600 * 1000;
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  clock_.steady += std::chrono::seconds(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
}

TEST_F(WatcherTest, AnotherSeriesOfAReportedStudyOpensNoRevision) {
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  PushStudy({.roles = {"flair"}});
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReceiving);
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_EQ(jobs_->OfStudy(StudyUid()).size(), 1u);
}

/// A rule that calls the study's T1 with contrast none.
RoleRule NoContrastSeries(const std::string& peer = "") {
  RoleRule rule;
  rule.role = Role::kNone;
  rule.matches["SeriesDescription"] = "POST GAD";
  rule.peer = peer;
  rule.line = 41;
  return rule;
}

const storage::SeriesRoleRecord& RoleOf(const std::vector<storage::SeriesRoleRecord>& roles,
                                        const std::string& description) {
  for (const auto& role : roles)
    if (role.description == description) return role;
  throw std::runtime_error("no series " + description);
}

TEST_F(WatcherTest, ASiteRuleDecidesTheRoleAndIsNamed) {
  auto watcher = MakeWatcher(Times(), {AcceptRule{}}, {NoContrastSeries("PACS")});
  PushStudy({});
  watcher->Tick(Bundle());
  clock_.Advance(4000);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
  const auto role = RoleOf(index_->Roles(StudyUid()), "T1 AX POST GAD");
  EXPECT_EQ(role.role, "none");
  EXPECT_EQ(role.rule, "site rule 1 (line 41)");
  EXPECT_NE(role.why.find("site rule 1 (line 41)"), std::string::npos) << role.why;
  EXPECT_FALSE(role.chosen);
  const StudyInputs inputs = InputsOf(jobs_->OfStudy(StudyUid())[0]);
  ASSERT_EQ(inputs.reasons.size(), 1u);
  EXPECT_EQ(inputs.reasons[0].code, ReasonCode::kMissingRole);
}

TEST_F(WatcherTest, ASiteRuleOfAnotherPeerDoesNotCount) {
  auto watcher = MakeWatcher(Times(), {AcceptRule{}}, {NoContrastSeries("RESEARCH")});
  PushStudy({});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
  EXPECT_EQ(RoleOf(index_->Roles(StudyUid()), "T1 AX POST GAD").role, "t1ce");
}

TEST_F(WatcherTest, AReloadedSiteRuleJudgesWaitingStudiesAgain) {
  auto watcher = MakeWatcher(Times());
  PushStudy({});
  watcher->Tick(Bundle());
  clock_.Advance(30);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  EXPECT_EQ(RoleOf(index_->Roles(StudyUid()), "T1 AX POST GAD").role, "t1ce");
  watcher->SetRules(Times(), {AcceptRule{}}, {NoContrastSeries()});
  clock_.Advance(31);
  EXPECT_EQ(watcher->Tick(Bundle()), 0) << "a sequence is missing now, and waited for";
  EXPECT_EQ(RoleOf(index_->Roles(StudyUid()), "T1 AX POST GAD").role, "none");
  watcher->SetRules(Times(), {AcceptRule{}}, {});
  EXPECT_EQ(watcher->Tick(Bundle()), 1) << "the rule was taken out again";
  EXPECT_EQ(RoleOf(index_->Roles(StudyUid()), "T1 AX POST GAD").role, "t1ce");
}

TEST_F(WatcherTest, AWorkerThatBreaksByChanceOpensNoRevision) {
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  PushStudy({.roles = {"flair"}});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  breaking_digests_ = 1;
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  EXPECT_EQ(breaking_digests_, 0);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
}

TEST_F(WatcherTest, ACorrectionIsSeenAlsoWhereTheWorkerBreaks) {
  breaking_digests_ = 2;
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  ASSERT_EQ(breaking_digests_, 0);
  PushStudy({.roles = {"t2"}, .content = "b"});
  breaking_digests_ = 2;
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
  EXPECT_EQ(breaking_digests_, 0);
}

TEST_F(WatcherTest, ChangedInputOfAReportedStudyOpensTheNextRevision) {
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  PushStudy({.roles = {"t2"}, .content = "b"});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 1);
  const auto jobs = jobs_->OfStudy(StudyUid());
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0].revision, 2);
  EXPECT_NE(jobs[0].input_key, jobs[1].input_key);
  EXPECT_EQ(DescribeChange(InputsOf(jobs[1]), InputsOf(jobs[0])), "images of the T2 series were replaced");
}

TEST_F(WatcherTest, AnIdentityThatNoObjectMayCarryIsParked) {
  auto watcher = MakeWatcher(Times());
  PushStudy({.patient_id = std::string(65, '7')});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  const auto study = index_->Find(StudyUid());
  EXPECT_EQ(study->state, StudyState::kParked);
  EXPECT_EQ(study->why.rfind("illegal_identity", 0), 0u) << study->why;
  EXPECT_EQ(study->why.find("777"), std::string::npos) << study->why;
}

TEST_F(WatcherTest, ACorrectedIdentityWithdrawsWhatWasNotSentYet) {
  auto watcher = MakeWatcher(Times());
  storage::NewObject object;
  object.object.sop_class_uid = "1.2", object.object.sop_instance_uid = "1.2.3", object.object.file = "results/x";
  object.object.kind = "sr";
  object.peers = {"PACS"};
  MakeReport(*watcher, {object});
  PushStudy({.patient_id = "MERGED"});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  EXPECT_EQ(outbox_->OfStudy(StudyUid()).at(0).state, storage::OutboxState::kWithdrawn);
}

}  // namespace
}  // namespace glionode::server
