#include "storage/proofs.h"

#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

namespace glionode::storage {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Two objects that were sent to PACS at 6000, to be proven by 9000.
class ProofsTest : public IndexTest {
 protected:
  ProofsTest() {
    index_->Add(Image("1.1"));
    Report("key", {Object("1.9.1", {"PACS"}), Object("1.9.2", {"PACS"}, "sc")}, 5000);
    for (const auto& row : outbox_->Due("PACS", 5000, 10)) {
      ids_.push_back(row.id);
      outbox_->MarkSent(row.id, "0000", 6000, 9000);
    }
  }
  Proofs Now() { return Proofs(*database_); }
  OutboxState State(std::int64_t id) {
    for (const auto& row : outbox_->Page(10, 0))
      if (row.id == id) return row.state;
    ADD_FAILURE();
    return {};
  }
  std::vector<std::int64_t> ids_;
};

TEST_F(ProofsTest, WhatWasSentIsAskedForUntilItsTime) {
  EXPECT_THAT(Now().Due("PACS", 5999, 10), IsEmpty());
  ASSERT_THAT(Now().Due("PACS", 6000, 10), SizeIs(2));
  EXPECT_EQ(Now().Due("PACS", 6000, 10)[0].confirm_by, 9000);
  EXPECT_EQ(Now().Due("PACS", 6000, 10)[0].row.object.sop_instance_uid, "1.9.1");
  EXPECT_THAT(Now().Due("OTHER", 6000, 10), IsEmpty());
  EXPECT_EQ(Now().CountWaiting(), 2);
  Now().Asking(ids_, "2.25.1", 6000, 9000);
  EXPECT_THAT(Now().Due("PACS", 8999, 10), IsEmpty()) << "asked already";
  EXPECT_THAT(Now().Due("PACS", 9000, 10), IsEmpty()) << "over its time";
  EXPECT_THAT(Now().Overdue("PACS", 8999, 10), IsEmpty());
  EXPECT_THAT(Now().Overdue("PACS", 9000, 10), SizeIs(2));
  EXPECT_EQ(Now().Overdue("PACS", 9000, 10)[0].asked, 1);
}

TEST_F(ProofsTest, ATransactionSurvivesARestartAndConfirmsItsRows) {
  Now().Asking(ids_, "2.25.1", 6000, 9000);
  Reopen();
  ASSERT_THAT(Now().OfTransaction("2.25.1"), SizeIs(2));
  EXPECT_THAT(Now().OfTransaction("2.25.2"), IsEmpty());
  EXPECT_EQ(Now().Confirm({ids_[0]}, "kept", 7000), 1);
  EXPECT_EQ(State(ids_[0]), OutboxState::kConfirmed);
  EXPECT_EQ(State(ids_[1]), OutboxState::kSent);
  EXPECT_EQ(Now().CountWaiting(), 1);
  EXPECT_EQ(Now().Confirm({ids_[0]}, "kept", 7000), 0) << "once";
  EXPECT_THAT(Now().OfTransaction("2.25.1"), SizeIs(2)) << "a report may come twice";
}

TEST_F(ProofsTest, WithoutProofTheSameObjectIsSentAgain) {
  Now().Asking(ids_, "2.25.1", 6000, 9000);
  EXPECT_EQ(Now().SendAgain(ids_, "no proof", 9000, 9500), 2);
  EXPECT_EQ(State(ids_[0]), OutboxState::kPending);
  EXPECT_THAT(outbox_->Due("PACS", 9499, 10), IsEmpty());
  const auto due = outbox_->Due("PACS", 9500, 10);
  ASSERT_THAT(due, SizeIs(2));
  EXPECT_EQ(due[0].object.sop_instance_uid, "1.9.1");
  EXPECT_EQ(due[0].attempts, 1) << "the first sending counts";
  EXPECT_EQ(due[0].last_status, "no proof");
  EXPECT_EQ(Now().SendAgain(ids_, "again", 9000, 9500), 0) << "pending already";
  // A late report of the first transaction: it need not be sent again.
  EXPECT_EQ(Now().Confirm({Now().OfTransaction("2.25.1").at(0).id}, "kept", 9400), 1);
  EXPECT_THAT(outbox_->Due("PACS", 9500, 10), SizeIs(1));
  outbox_->MarkSent(ids_[1], "0000", 9600, 20000);
  EXPECT_EQ(Now().Due("PACS", 9600, 10).at(0).asked, 0);
}

TEST_F(ProofsTest, WithoutAWishForProofNobodyAsks) {
  Report("other", {Object("1.9.5", {"PACS"})}, 5000);
  const auto row = outbox_->Due("PACS", 5000, 10).at(0);
  outbox_->MarkSent(row.id, "0000", 6000);
  EXPECT_THAT(Now().Due("PACS", 6000, 10), SizeIs(2));
}

TEST_F(ProofsTest, AReportThatWasTakenBackIsNotSentAgainForWantOfProof) {
  Now().Asking(ids_, "2.25.1", 6000, 9000);
  WithdrawalRecord withdrawal;
  withdrawal.study_uid = outbox_->Page(1, 0).at(0).study_uid;
  withdrawal.reason = "wrong patient";
  withdrawal.at = 7000;
  outbox_->Withdraw(withdrawal, {});
  EXPECT_THAT(Now().Overdue("PACS", 100000, 10), IsEmpty());
  EXPECT_EQ(Now().CountWaiting(), 0);
  EXPECT_EQ(Now().Confirm({Now().OfTransaction("2.25.1").at(0).id}, "kept", 8000), 1) << "a proof is a proof";
}

TEST_F(ProofsTest, WhatIsInDoubtIsNotSentAgainForWantOfProof) {
  outbox_->WithdrawUnsent(outbox_->Page(1, 0).at(0).study_uid, "mixed identity", 7000);
  EXPECT_THAT(Now().Due("PACS", 7000, 10), IsEmpty());
  EXPECT_THAT(Now().Overdue("PACS", 100000, 10), IsEmpty());
}

TEST_F(ProofsTest, AskingAgainIsPutOff) {
  Now().AskAgain(ids_, "cannot be reached", 7000);
  EXPECT_THAT(Now().Due("PACS", 6999, 10), IsEmpty());
  ASSERT_THAT(Now().Due("PACS", 7000, 10), SizeIs(2));
  EXPECT_EQ(Now().Due("PACS", 7000, 10)[1].row.last_status, "cannot be reached");
  EXPECT_EQ(State(ids_[0]), OutboxState::kSent);
}

}  // namespace
}  // namespace glionode::storage
