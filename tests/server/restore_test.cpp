// An index that is made anew from files: what was held back stays so, what is to leave leaves once.
#include "outbox_fixture.h"
#include "server/result_folder.h"

#include <gmock/gmock.h>

#include <fstream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using storage::OutboxState;
using ::testing::Each;

class RestoreTest : public OutboxWorkerTest {
 protected:
  /// The index is gone; what the files know is read back, and the first waiting time is over.
  void LoseIndex() {
    ingest_.reset(), releases_.reset(), peers_.reset(), outbox_.reset(), jobs_.reset(), index_.reset(),
        database_.reset();
    for (const char* part : {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"})
      fs::remove(folder_ / "data" / part);
    Reopen();
    EXPECT_EQ(RestoreResults(*files_, *database_, clock_.Wall()), 1);
    EXPECT_EQ(ingest_->SweepUnindexed(), 36);
    clock_.Advance(16 * 60);
    sent_.clear();
  }
  std::vector<OutboxState> States() const {
    std::vector<OutboxState> states;
    for (const auto& row : outbox_->OfStudy(StudyUid())) states.push_back(row.state);
    return states;
  }
  int SendAgain() { return Send({dicom::SendOutcome::kSent, 0, "stored"}); }
};

TEST_F(RestoreTest, WhatWaitedIsSentOnce) {
  LoseIndex();
  EXPECT_THAT(States(), Each(OutboxState::kPending));
  EXPECT_GE(SendAgain(), 2);
  LoseIndex();
  EXPECT_THAT(States(), Each(OutboxState::kSent));
  EXPECT_EQ(SendAgain(), 0);
}

TEST_F(RestoreTest, AReportThatWasTakenBackBeforeItLeftNeverLeaves) {
  const auto done = TakeBack();
  EXPECT_TRUE(done.peers.empty());
  LoseIndex();
  EXPECT_THAT(States(), Each(OutboxState::kWithdrawn));
  EXPECT_EQ(SendAgain(), 0);
  EXPECT_EQ(outbox_->AddReceiver(StudyUid(), "SECOND", clock_.Wall()), 0) << "nor to a PACS that comes later";
  ASSERT_EQ(outbox_->Withdrawals(StudyUid()).size(), 1u);
  EXPECT_EQ(outbox_->Withdrawals(StudyUid())[0].text, "a test");
  EXPECT_ANY_THROW(TakeBack()) << "it is withdrawn already";
}

TEST_F(RestoreTest, TheNoteThatTakesAReportBackLeavesOnce) {
  SendAgain();
  EXPECT_EQ(TakeBack().peers.size(), 1u);
  LoseIndex();
  EXPECT_EQ(SendAgain(), 1);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].sop_class_uid, dicom::kKeyObjectClass);
  LoseIndex();
  EXPECT_EQ(SendAgain(), 0);
}

TEST_F(RestoreTest, WhatIsDeadStaysDeadUntilAPersonRetries) {
  const int rows = Send({dicom::SendOutcome::kPermanent, 0xC000, "cannot understand"});
  LoseIndex();
  EXPECT_THAT(States(), Each(OutboxState::kDead));
  EXPECT_EQ(SendAgain(), 0);
  EXPECT_EQ(outbox_->RetryPeer("PACS", clock_.Wall()), rows);
  EXPECT_EQ(SendAgain(), rows);
  LoseIndex();
  EXPECT_THAT(States(), Each(OutboxState::kSent)) << "delivered counts more than held";
}

TEST_F(RestoreTest, WhatThePacsAssignsToAnotherPatientStaysParked) {
  Send({dicom::SendOutcome::kIdentity, 0xA778, "patient differs"});
  LoseIndex();
  EXPECT_THAT(States(), Each(OutboxState::kParked));
  EXPECT_EQ(SendAgain(), 0);
}

TEST_F(RestoreTest, WhatWasWithdrawnForTheIdentityStaysSoWithoutItsImages) {
  PushStudy({.patient_id = "MERGED", .roles = {"t2"}});
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  watcher->Tick(Bundle());
  EXPECT_EQ(index_->Find(StudyUid())->state, storage::StudyState::kParked);
  watcher.reset();
  fs::remove_all(folder_ / "data" / "images");
  fs::create_directory(folder_ / "data" / "images");
  ingest_.reset(), releases_.reset(), peers_.reset(), outbox_.reset(), jobs_.reset(), index_.reset(), database_.reset();
  for (const char* part : {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"}) fs::remove(folder_ / "data" / part);
  Reopen();
  EXPECT_EQ(RestoreResults(*files_, *database_, clock_.Wall()), 1);
  clock_.Advance(16 * 60);
  EXPECT_THAT(States(), Each(OutboxState::kWithdrawn));
  EXPECT_EQ(SendAgain(), 0);
}

/// A start that is killed in the middle has given the new index some studies, but not all that was delivered.
TEST_F(RestoreTest, AReadingBackThatIsCutShortGoesOnAtTheNextStart) {
  EXPECT_FALSE(BeginRestore(files_->Root(), false)) << "an index that has studies is as it is";
  EXPECT_TRUE(BeginRestore(files_->Root(), true));
  EXPECT_TRUE(BeginRestore(files_->Root(), false)) << "killed in between";
  EXPECT_EQ(RestoreResults(*files_, *database_, clock_.Wall()), 0) << "what is there already is not read twice";
  EndRestore(files_->Root());
  EXPECT_FALSE(BeginRestore(files_->Root(), false));
  EndRestore(files_->Root());  // nothing there is nothing wrong
}

TEST_F(RestoreTest, WhoWasPausedIsKnown) {
  EXPECT_TRUE(ReadPauses(files_->Root()).empty());
  peers_->Pause("PACS", "being \"replaced\"", 1000);
  WritePauses(files_->Root(), peers_->Paused());
  const auto paused = ReadPauses(files_->Root());
  ASSERT_EQ(paused.size(), 1u);
  EXPECT_EQ(paused.at("PACS").why, "being \"replaced\"");
  EXPECT_EQ(paused.at("PACS").paused_at, 1000);
  WritePauses(files_->Root(), {});
  EXPECT_TRUE(ReadPauses(files_->Root()).empty());
  std::ofstream(files_->Root() / "paused-peers.json") << "{";
  EXPECT_TRUE(ReadPauses(files_->Root()).empty()) << "said in the log, not thrown";
}

}  // namespace
}  // namespace glionode::server
