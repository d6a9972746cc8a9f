#include "server/housekeeping.h"

#include "config/error.h"
#include "dicom/dataset_hash.h"
#include "pipeline_fixture.h"
#include "server/outbox_worker.h"
#include "server/result_folder.h"
#include "server/verify.h"

#include <gmock/gmock.h>

#include <fstream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using storage::StudyState;
using ::testing::HasSubstr;

/// A reported study whose results are sent.
class HousekeepingTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    MakePipeline([](const WorkerRequest&) { return Answered(0.9); })->RunOne();
    removals_ = std::make_unique<storage::Removals>(*database_);
    audit_ = std::make_unique<AuditTrail>(files_->Root(), AuditSettings{}, "GLIONODE", clock_);
  }
  void TearDown() override { audit_.reset(); }
  void SendAll() {
    for (const auto& row : outbox_->OfStudy(StudyUid())) {
      outbox_->MarkSent(row.id, "0000", clock_.Wall());
      NoteDelivered(files_->Root() / row.object.file, row.peer_ae, row.object.sop_instance_uid);
    }
  }
  Housekeeping Make(HousekeepingSettings settings = {}) {
    return Housekeeping({*files_, *removals_, clock_, *audit_, [this] { return free_bytes_; },
                         [this](const std::string& study) { return ingest_->IsArriving(study); }},
                        settings, {});
  }
  int Images() const {
    int files = 0;
    files_->ForEachInstance([&](const std::string&) { ++files; });
    return files;
  }
  void Days(double days) { clock_.Advance(days * 86400); }
  /// Watches until nothing waits any more.
  void Watch() {
    auto watcher = MakeWatcher(StudySettings{});
    watcher->Tick(Bundle());
    clock_.Advance(61);
    watcher->Tick(Bundle());
  }

  std::unique_ptr<storage::Removals> removals_;
  std::unique_ptr<AuditTrail> audit_;
  std::int64_t free_bytes_ = std::int64_t{1000} << 30;
};

TEST_F(HousekeepingTest, ImagesGoByAgeOnlyWhenEverythingIsSent) {
  auto housekeeping = Make();
  Days(31);
  EXPECT_EQ(housekeeping.RunOnce(), 0) << "nothing is sent yet";
  EXPECT_EQ(Images(), 36);
  SendAll();
  EXPECT_EQ(housekeeping.RunOnce(), 1);
  EXPECT_EQ(Images(), 0);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  for (const auto& object : Objects()) EXPECT_TRUE(fs::exists(files_->Root() / object.file)) << "records stay";
  EXPECT_EQ(removals_->OfStudy(StudyUid()).at(0).files, 36);
  EXPECT_EQ(housekeeping.RunOnce(), 0);
}

TEST_F(HousekeepingTest, ImagesGoWhenTheDiskIsShort) {
  SendAll();
  auto housekeeping = Make();
  Days(1);
  EXPECT_EQ(housekeeping.RunOnce(), 0);
  free_bytes_ = 1 << 20;
  EXPECT_EQ(housekeeping.RunOnce(), 1);
  EXPECT_EQ(removals_->OfStudy(StudyUid()).at(0).why, "little free disk");
}

TEST_F(HousekeepingTest, RecordsGoAfterTheirYears) {
  SendAll();
  auto housekeeping = Make();
  Days(31);
  housekeeping.RunOnce();
  Days(3600);
  EXPECT_EQ(housekeeping.RunOnce(), 0) << "not ten years yet";
  Days(60);
  EXPECT_EQ(housekeeping.RunOnce(), 1);
  EXPECT_FALSE(index_->Find(StudyUid()));
  EXPECT_FALSE(fs::exists(files_->Root() / "results" / StudyUid()));
  EXPECT_EQ(removals_->OfStudy(StudyUid()).at(0).what, "records") << "that they were here stays on record";
}

TEST_F(HousekeepingTest, ARemovedStudyThatIsPushedAgainIsKeptAndNotReportedAgain) {
  SendAll();
  Days(31);
  Make().RunOnce();
  PushStudy({});
  EXPECT_EQ(Images(), 36) << "Success was answered: they must be here";
  Watch();
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_EQ(index_->Find(StudyUid())->revision, 1);
  EXPECT_EQ(jobs_->OfStudy(StudyUid()).size(), 1u);
}

TEST_F(HousekeepingTest, APartOfARemovedStudyOpensNoRevision) {
  SendAll();
  Days(31);
  Make().RunOnce();
  PushStudy({.roles = {"t2"}, .content = "b"});
  Watch();
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_EQ(jobs_->OfStudy(StudyUid()).size(), 1u);
  EXPECT_THAT(index_->Find(StudyUid())->why, HasSubstr("send the whole study again"));
  PushStudy({.roles = {"t1", "t1ce"}});
  Watch();
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady) << "now all is here, and the T2 is another one";
}

TEST_F(HousekeepingTest, AnotherSeriesOfARemovedStudyLeavesItReported) {
  SendAll();
  Days(31);
  Make().RunOnce();
  PushStudy({.roles = {"flair"}});
  Watch();
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported) << "not `receiving` for ever";
  EXPECT_THAT(index_->Find(StudyUid())->why, HasSubstr("36 of the images"));
  EXPECT_EQ(jobs_->OfStudy(StudyUid()).size(), 1u);
}

TEST_F(HousekeepingTest, ACrashBetweenRecordAndFilesIsBroughtToItsEnd) {
  SendAll();
  Days(31);
  const auto study = removals_->Removable(clock_.Wall(), {}, 10).at(0);
  EXPECT_FALSE(removals_->RemoveImages(study, "old", clock_.Wall()).paths.empty());
  EXPECT_EQ(Images(), 36);
  auto housekeeping = Make();
  EXPECT_EQ(housekeeping.FinishUnfinished(), 1);
  EXPECT_EQ(Images(), 0);
  EXPECT_EQ(housekeeping.FinishUnfinished(), 0);
  EXPECT_EQ(ingest_->SweepUnindexed(), 0);
}

TEST_F(HousekeepingTest, ADeletedStudyLeavesNothingButTheRecord) {
  auto housekeeping = Make();
  EXPECT_EQ(housekeeping.DeleteStudy(StudyUid(), "asked for", "root"), 36);
  EXPECT_EQ(Images(), 0);
  EXPECT_FALSE(fs::exists(files_->Root() / "results" / StudyUid()));
  EXPECT_FALSE(index_->Find(StudyUid()));
  std::ifstream in(files_->Root() / "audit/audit.xml");
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  for (const char* part : {"110105", "root", "asked for"}) EXPECT_THAT(line, HasSubstr(part));
  EXPECT_THROW(housekeeping.DeleteStudy(StudyUid(), "", "root"), Error);
  PushStudy({});
  Watch();
  EXPECT_EQ(jobs_->OfStudy(StudyUid()).at(0).revision, 2) << "its reports have UIDs of their own";
}

TEST_F(HousekeepingTest, ALostIndexIsMadeAnewAndReportsNothingTwice) {
  SendAll();
  const auto before = Objects();
  const std::string decision = jobs_->NewestResult(StudyUid())->decision;
  audit_.reset(), removals_.reset();
  ingest_.reset(), peers_.reset(), outbox_.reset(), jobs_.reset(), index_.reset(), database_.reset();
  for (const char* part : {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"}) fs::remove(folder_ / "data" / part);
  Reopen();
  EXPECT_EQ(RestoreResults(*files_, *database_, clock_.Wall()), 1);
  EXPECT_EQ(ingest_->SweepUnindexed(), 36);
  EXPECT_EQ(jobs_->NewestResult(StudyUid())->decision, decision);
  ASSERT_EQ(Objects().size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(Objects()[i].sop_instance_uid, before[i].sop_instance_uid);
    EXPECT_EQ(Objects()[i].sha256, before[i].sha256);
  }
  for (const auto& row : outbox_->OfStudy(StudyUid())) EXPECT_EQ(row.state, storage::OutboxState::kSent);
  for (const auto& object : before) Push(files_->Root() / object.file);  // our own come back: still known
  Watch();
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_EQ(index_->Find(StudyUid())->revision, 1);
  EXPECT_EQ(jobs_->OfStudy(StudyUid()).size(), 1u);
}

TEST_F(HousekeepingTest, VerifyFindsWhatIsMissingOrAltered) {
  const auto verify = [this] {
    Verifier verifier(files_->Root(), *database_);
    EXPECT_TRUE(verifier.Start());
    while (verifier.Progress().running) std::this_thread::yield();
    EXPECT_TRUE(verifier.Progress().ended);
    return verifier.Progress();
  };
  const auto good = verify();
  EXPECT_EQ(good.bad, 0) << (good.problems.empty() ? "" : good.problems[0]);
  EXPECT_EQ(good.checked, 36 + static_cast<int>(Objects().size()));
  EXPECT_EQ(good.total, good.checked);
  std::vector<std::string> images;
  files_->ForEachInstance([&](const std::string& file) { images.push_back(file); });
  fs::remove(files_->Root() / images[0]);
  {
    std::fstream file(files_->Root() / images[1], std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-3, std::ios::end);
    file.put('\x7f');
  }
  std::ofstream(files_->Root() / Objects()[0].file, std::ios::app) << "x";
  const auto bad = verify();
  EXPECT_EQ(bad.bad, 3);
  EXPECT_THAT(bad.problems, ::testing::Contains(images[0] + " is not there"));
  EXPECT_THAT(bad.problems, ::testing::Contains(images[1] + " holds other bytes than were stored"));
}

}  // namespace
}  // namespace glionode::server
