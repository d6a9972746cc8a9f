#include "storage/jobs.h"

#include "config/error.h"
#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

namespace glionode::storage {
namespace {

class JobsTest : public IndexTest {
 protected:
  JobsTest() { index_->Add(Image("1.1", "a", 1000)); }
};

TEST_F(JobsTest, CreateMakesAReadyJobAndStudy) {
  const auto job = jobs_->Create(NewJob("key", 1763740000000), 1);
  ASSERT_TRUE(job);
  EXPECT_GT(job->id, 0);
  EXPECT_EQ(job->state, JobState::kReady);
  EXPECT_EQ(job->revision, 1);
  EXPECT_EQ(job->attempt, 0);
  EXPECT_EQ(job->created_at, 1763740000000);
  EXPECT_EQ(job->inputs_json, "{\"series\":[]}");
  EXPECT_EQ(State(), StudyState::kReady);
  EXPECT_EQ(Study().judged_changes, 1);
  EXPECT_TRUE(Study().accepted);
  EXPECT_EQ(jobs_->CountReady(), 1);
  EXPECT_EQ(jobs_->OfStudy("1.2").size(), 1u);
}

TEST_F(JobsTest, AnImageInBetweenStopsCreate) {
  const std::int64_t judged = Study().changes;
  index_->Add(Image("1.3"));
  EXPECT_FALSE(jobs_->Create(NewJob("key"), judged));
  EXPECT_EQ(State(), StudyState::kReceiving);
  EXPECT_EQ(Study().judged_changes, -1);
  EXPECT_TRUE(jobs_->OfStudy("1.2").empty());
  EXPECT_TRUE(jobs_->Create(NewJob("key"), judged + 1));
}

TEST_F(JobsTest, CreateForNoStudyIsAnError) {
  auto job = NewJob("key");
  job.study_uid = "9.9";
  EXPECT_THROW(jobs_->Create(job, 0), Error);
}

TEST_F(JobsTest, AKnownKeySendsTheStudyBackToReported) {
  Report("key");
  index_->Add(Image("1.3"));  // not selected, or a resend in another transfer syntax
  EXPECT_EQ(State(), StudyState::kReceiving);
  EXPECT_FALSE(jobs_->Create(NewJob("key"), 2));
  EXPECT_EQ(State(), StudyState::kReported);
  EXPECT_EQ(Study().judged_changes, 2);
  EXPECT_EQ(Study().revision, 1);
  EXPECT_EQ(jobs_->OfStudy("1.2").size(), 1u);
  EXPECT_FALSE(jobs_->Claim("me", 9000, 10000));
}

TEST_F(JobsTest, AKnownKeyThatFailedFailsAgain) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 0, 10);
  jobs_->Fail(job->id, "codec crashed", false);
  EXPECT_EQ(State(), StudyState::kFailed);
  index_->Add(Image("1.3"));
  EXPECT_FALSE(jobs_->Create(NewJob("key"), 2));
  EXPECT_EQ(State(), StudyState::kFailed) << "not reported: there is no report";
  EXPECT_EQ(Study().why, "codec crashed");
}

TEST_F(JobsTest, OneJobAtATimeForAStudy) {
  ASSERT_TRUE(jobs_->Create(NewJob("key"), 1));
  EXPECT_FALSE(jobs_->Create(NewJob("other"), 1));
  EXPECT_EQ(State(), StudyState::kReady);
  EXPECT_FALSE(jobs_->Create(NewJob("key"), 1));
  EXPECT_EQ(State(), StudyState::kReady) << "the known key's job is still to be done";
  jobs_->Claim("me", 0, 10);
  EXPECT_FALSE(jobs_->Create(NewJob("key"), 1));
  EXPECT_EQ(State(), StudyState::kRunning);
}

TEST_F(JobsTest, ClaimTakesTheNewestAndCountsAttempts) {
  auto image = Image("5.1");
  image.study_uid = "5";
  index_->Add(image);
  ASSERT_TRUE(jobs_->Create(NewJob("old", 100), 1));
  auto newer = NewJob("new", 200);
  newer.study_uid = "5";
  ASSERT_TRUE(jobs_->Create(newer, 1));
  const auto first = jobs_->Claim("me", 1000, 2000);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->input_key, "new");
  EXPECT_EQ(first->state, JobState::kRunning);
  EXPECT_EQ(first->owner, "me");
  EXPECT_EQ(first->lease_until, 2000);
  EXPECT_EQ(first->attempt, 1);
  EXPECT_EQ(index_->Find("5")->state, StudyState::kRunning);
  EXPECT_EQ(State(), StudyState::kReady);
  EXPECT_EQ(jobs_->Claim("me", 1000, 2000)->input_key, "old");
  EXPECT_FALSE(jobs_->Claim("me", 1999, 3000)) << "leases still hold";
  const auto again = jobs_->Claim("you", 2000, 3000);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->attempt, 2);
  EXPECT_EQ(again->owner, "you");
}

TEST_F(JobsTest, RenewKeepsTheLeaseOfItsOwnerOnly) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  EXPECT_FALSE(jobs_->Renew(job->id, "me", 5000)) << "not running";
  jobs_->Claim("me", 1000, 2000);
  EXPECT_FALSE(jobs_->Renew(job->id, "you", 5000));
  EXPECT_TRUE(jobs_->Renew(job->id, "me", 5000));
  EXPECT_FALSE(jobs_->Claim("you", 4999, 9000));
  EXPECT_TRUE(jobs_->Claim("you", 5000, 9000));
  EXPECT_FALSE(jobs_->Renew(job->id, "me", 6000));
}

TEST_F(JobsTest, ReleaseAbandonedMakesThemReadyAfterARestart) {
  jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("process 1", 1000, 999999);
  Reopen();
  EXPECT_EQ(State(), StudyState::kRunning);
  EXPECT_EQ(jobs_->ReleaseAbandoned(), 1);
  EXPECT_EQ(State(), StudyState::kReady);
  EXPECT_EQ(jobs_->ReleaseAbandoned(), 0);
  const auto job = jobs_->Claim("process 2", 1000, 2000);
  ASSERT_TRUE(job);
  EXPECT_EQ(job->attempt, 2);
}

TEST_F(JobsTest, FailTriesAgainOrFailsTheStudy) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  jobs_->Fail(job->id, "worker died", true);
  EXPECT_EQ(State(), StudyState::kReady);
  EXPECT_EQ(jobs_->Find(job->id)->last_error, "worker died");
  EXPECT_EQ(jobs_->Claim("me", 1000, 2000)->attempt, 2) << "at once, without waiting for the lease";
  jobs_->Fail(job->id, "worker died again", false);
  EXPECT_EQ(State(), StudyState::kFailed);
  EXPECT_EQ(Study().why, "worker died again");
  EXPECT_EQ(jobs_->Find(job->id)->state, JobState::kFailed);
  EXPECT_FALSE(jobs_->Claim("me", 9000, 10000));
  EXPECT_THROW(jobs_->Fail(999, "", false), Error);
}

TEST_F(JobsTest, AFailedStudyWithNewImagesIsJudgedAnew) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  index_->Add(Image("1.3", "a", 3000));
  jobs_->Fail(job->id, "worker died", false);
  EXPECT_EQ(State(), StudyState::kReceiving);
  EXPECT_TRUE(jobs_->Create(NewJob("key2"), 2));
}

TEST_F(JobsTest, RetryByHand) {
  EXPECT_FALSE(jobs_->RetryFailed("1.2"));
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  jobs_->Fail(job->id, "worker died", false);
  EXPECT_TRUE(jobs_->RetryFailed("1.2"));
  EXPECT_EQ(State(), StudyState::kReady);
  const auto again = jobs_->Claim("me", 1000, 2000);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->attempt, 1);
  EXPECT_EQ(jobs_->Finish(again->id, NewResult(), {}, 3000).revision, 1);
  EXPECT_FALSE(jobs_->RetryFailed("1.2")) << "reported now";
  EXPECT_FALSE(jobs_->RetryFailed("none"));
}

TEST_F(JobsTest, FinishStoresResultObjectsAndOutboxTogether) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  const auto result = jobs_->Finish(job->id, NewResult("recurrence"),
                                    {Object("1.9.1", {"PACS", "SECOND", "PACS"}), Object("1.9.2", {}, "sc")}, 5000);
  EXPECT_GT(result.id, 0);
  EXPECT_EQ(result.job_id, job->id);
  EXPECT_EQ(result.study_uid, "1.2");
  EXPECT_EQ(result.input_key, "key");
  EXPECT_EQ(result.revision, 1);
  EXPECT_EQ(result.created_at, 5000);
  EXPECT_EQ(State(), StudyState::kReported);
  EXPECT_EQ(Study().revision, 1);
  EXPECT_EQ(jobs_->Find(job->id)->state, JobState::kDone);
  const auto objects = jobs_->Objects(result.id);
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].sop_instance_uid, "1.9.1");
  EXPECT_EQ(objects[0].file, "results/1.2/key/1.9.1.dcm");
  EXPECT_EQ(objects[1].kind, "sc");
  EXPECT_EQ(outbox_->OfStudy("1.2").size(), 2u) << "once a peer, and none for the object without peers";
  EXPECT_EQ(outbox_->Due("PACS", 5000, 10).size(), 1u);
  EXPECT_TRUE(jobs_->IsOwnObject("1.9.1"));
  EXPECT_TRUE(jobs_->IsOwnObject("1.9.2")) << "also one that is sent to nobody";
  EXPECT_FALSE(jobs_->IsOwnObject("1.1"));
  EXPECT_EQ(jobs_->NewestResult("1.2")->decision, "recurrence");
  EXPECT_EQ(jobs_->ResultByKey("key")->id, result.id);
  EXPECT_FALSE(jobs_->ResultByKey("none"));
  EXPECT_FALSE(jobs_->NewestResult("none"));
}

TEST_F(JobsTest, FinishIsRolledBackWhole) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  auto bad = Object("1.9.2", {"PACS"});
  bad.object.kind = "nonsense";
  EXPECT_THROW(jobs_->Finish(job->id, NewResult(), {Object("1.9.1", {"PACS"}), bad}, 5000), Error);
  EXPECT_EQ(State(), StudyState::kRunning);
  EXPECT_FALSE(jobs_->IsOwnObject("1.9.1"));
  EXPECT_FALSE(jobs_->NewestResult("1.2"));
  EXPECT_TRUE(outbox_->Page(10, 0).empty());
  EXPECT_NO_THROW(jobs_->Finish(job->id, NewResult(), {Object("1.9.1", {"PACS"})}, 5000));
}

TEST_F(JobsTest, ASecondFinishChangesNothing) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  jobs_->Claim("you", 2000, 3000);  // the lease was over, both work
  const auto first = jobs_->Finish(job->id, NewResult("necrosis"), {Object("1.9.1", {"PACS"})}, 5000);
  const auto second = jobs_->Finish(job->id, NewResult("recurrence"), {Object("1.9.9", {"PACS"})}, 6000);
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.decision, "necrosis");
  EXPECT_EQ(outbox_->OfStudy("1.2").size(), 1u);
  jobs_->Fail(job->id, "too late", false);
  EXPECT_EQ(State(), StudyState::kReported);
}

TEST_F(JobsTest, FinishOfAFailedOrUnknownJobIsRefused) {
  EXPECT_THROW(jobs_->Finish(999, NewResult(), {}, 1), Error);
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  jobs_->Fail(job->id, "given up", false);
  EXPECT_THROW(jobs_->Finish(job->id, NewResult(), {}, 1), Error);
  EXPECT_EQ(State(), StudyState::kFailed);
}

TEST_F(JobsTest, AnImageDuringTheRunDisturbsNothingAndIsJudgedAfterwards) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1500, 9000);
  index_->Add(Image("1.3", "a", 4000));
  EXPECT_EQ(State(), StudyState::kRunning);
  EXPECT_EQ(Study().changes, 2);
  EXPECT_EQ(Study().judged_changes, 1);
  EXPECT_EQ(Study().first_arrival, 4000) << "of the round that this image opens";
  index_->Add(Image("1.4", "a", 4500));
  EXPECT_EQ(Study().first_arrival, 4000);
  EXPECT_EQ(Study().last_arrival, 4500);
  EXPECT_TRUE(jobs_->Renew(job->id, "me", 10000));
  EXPECT_FALSE(jobs_->Claim("you", 5000, 9000));
  const auto result = jobs_->Finish(job->id, NewResult(), {Object("1.9.1", {"PACS"})}, 6000);
  EXPECT_EQ(result.revision, 1);
  EXPECT_EQ(State(), StudyState::kReceiving) << "the watcher judges it anew";
  EXPECT_EQ(Study().revision, 1);
  const auto next = jobs_->Create(NewJob("key2"), 3);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->revision, 2);
}

TEST_F(JobsTest, ADuplicateDuringTheRunIsNothing) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1500, 9000);
  index_->Add(Image("1.1", "a", 4000));
  jobs_->Finish(job->id, NewResult(), {}, 6000);
  EXPECT_EQ(State(), StudyState::kReported);
}

TEST_F(JobsTest, AReadyJobThatGotStaleIsDroppedNotRun) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  index_->Add(Image("1.3", "a", 4000));
  EXPECT_EQ(State(), StudyState::kReady);
  EXPECT_EQ(Study().first_arrival, 1000) << "still the same round";
  EXPECT_FALSE(jobs_->Claim("me", 5000, 9000));
  EXPECT_EQ(State(), StudyState::kReceiving);
  EXPECT_FALSE(jobs_->Find(job->id));
  const auto again = jobs_->Create(NewJob("key"), 2);  // the image was not selected: the same key again
  ASSERT_TRUE(again);
  EXPECT_NE(again->id, job->id) << "numbers are not used twice";
  EXPECT_EQ(again->revision, 1);
  EXPECT_TRUE(jobs_->Claim("me", 5000, 9000));
}

TEST_F(JobsTest, AnAbandonedJobThatGotStaleIsDroppedToo) {
  jobs_->Create(NewJob("key"), 1);
  jobs_->Claim("me", 1000, 2000);
  index_->Add(Image("1.3", "a", 4000));
  jobs_->ReleaseAbandoned();
  EXPECT_FALSE(jobs_->Claim("me", 5000, 9000));
  EXPECT_EQ(State(), StudyState::kReceiving);
}

TEST_F(JobsTest, AParkedStudyIsNotWorkedOnAndKeepsItsReportBack) {
  const auto job = jobs_->Create(NewJob("key"), 1);
  index_->ForceState("1.2", StudyState::kParked, "by hand");
  EXPECT_FALSE(jobs_->Claim("me", 5000, 9000));
  index_->ForceState("1.2", StudyState::kReady, "");
  ASSERT_TRUE(jobs_->Claim("me", 5000, 9000));
  index_->ForceState("1.2", StudyState::kParked, "by hand");
  jobs_->Finish(job->id, NewResult(), {Object("1.9.1", {"PACS"})}, 6000);
  EXPECT_EQ(State(), StudyState::kParked);
  EXPECT_EQ(Study().why, "by hand");
  EXPECT_TRUE(outbox_->Due("PACS", 9000, 10).empty());
  EXPECT_EQ(outbox_->OfStudy("1.2").at(0).state, OutboxState::kParked);
}

TEST_F(JobsTest, RevisionsCountUp) {
  EXPECT_EQ(Report("key1").revision, 1);
  index_->Add(Image("1.3"));
  EXPECT_EQ(Report("key2").revision, 2);
  index_->Add(Image("1.4"));
  EXPECT_EQ(Report("key3").revision, 3);
  EXPECT_EQ(Study().revision, 3);
  EXPECT_EQ(jobs_->NewestResult("1.2")->input_key, "key3");
  EXPECT_EQ(jobs_->OfStudy("1.2").front().input_key, "key3");
}

TEST_F(JobsTest, TwoClaimersNeverGetTheSameJob) {
  constexpr int kStudies = 30;
  for (int i = 0; i < kStudies; ++i) {
    auto image = Image("7.1." + std::to_string(i));
    image.study_uid = "7." + std::to_string(i);
    index_->Add(image);
    auto job = NewJob("key" + std::to_string(i));
    job.study_uid = image.study_uid;
    ASSERT_TRUE(jobs_->Create(job, 1));
  }
  std::set<std::int64_t> taken[2];
  const auto work = [&](int who) {
    while (const auto job = jobs_->Claim(who ? "a" : "b", 1000, 900000)) taken[who].insert(job->id);
  };
  std::thread a(work, 0), b(work, 1);
  a.join();
  b.join();
  std::set<std::int64_t> all = taken[0];
  all.insert(taken[1].begin(), taken[1].end());
  EXPECT_EQ(taken[0].size() + taken[1].size(), static_cast<std::size_t>(kStudies));
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kStudies));
}

/// One thread sends images, another watches and reports, as fast as they can. Whatever the interleaving: at the end the
/// study is reported for exactly the images that are there.
TEST_F(JobsTest, ImagesArrivingWhileJobsRunAreNeverOverlooked) {
  std::atomic<bool> sending = true;
  std::thread sender([&] {
    for (int i = 0; i < 60; ++i) index_->Add(Image("8." + std::to_string(i), "a", 2000 + i));
    sending = false;
  });
  const auto watch_and_work = [&] {
    const StudyRecord study = Study();
    if (study.state == StudyState::kReceiving)
      jobs_->Create(NewJob("images " + std::to_string(index_->Candidates("1.2").size())), study.changes);
    if (const auto job = jobs_->Claim("me", 5000, 900000))
      jobs_->Finish(job->id, NewResult(), {Object("9." + std::to_string(job->id), {"PACS"})}, 6000);
  };
  while (sending) watch_and_work();
  sender.join();
  for (int i = 0; i < 10 && State() != StudyState::kReported; ++i) watch_and_work();
  EXPECT_EQ(State(), StudyState::kReported);
  EXPECT_EQ(Study().changes, 61);
  EXPECT_EQ(Study().judged_changes, 61);
  EXPECT_EQ(jobs_->NewestResult("1.2")->input_key, "images 61");
  EXPECT_EQ(jobs_->NewestResult("1.2")->revision, Study().revision);
}

}  // namespace
}  // namespace glionode::storage
