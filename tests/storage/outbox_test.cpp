#include "storage/outbox.h"

#include "config/error.h"
#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

namespace glionode::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A reported study with three objects: two for PACS (one of them for SECOND as well), one for nobody.
class OutboxTest : public IndexTest {
 protected:
  OutboxTest() {
    index_->Add(Image("1.1"));
    Report("key", {Object("1.9.1", {"PACS", "SECOND"}), Object("1.9.2", {"PACS"}, "sc"), Object("1.9.3", {}, "sc")},
           5000);
  }
  OutboxRecord Row(const std::string& uid, const std::string& peer) {
    for (const auto& row : outbox_->Page(100, 0))
      if (row.object.sop_instance_uid == uid && row.peer_ae == peer) return row;
    ADD_FAILURE() << "no row for " << uid << " to " << peer;
    return {};
  }
};

TEST_F(OutboxTest, DueRowsOfAPeerOldestFirst) {
  const auto due = outbox_->Due("PACS", 5000, 10);
  ASSERT_EQ(due.size(), 2u);
  EXPECT_EQ(due[0].object.sop_instance_uid, "1.9.1");
  EXPECT_EQ(due[1].object.sop_instance_uid, "1.9.2");
  EXPECT_EQ(due[0].study_uid, "1.2");
  EXPECT_EQ(due[0].state, OutboxState::kPending);
  EXPECT_EQ(due[0].attempts, 0);
  EXPECT_EQ(due[0].created_at, 5000);
  EXPECT_EQ(due[0].object.sha256, "sha of 1.9.1");
  EXPECT_EQ(due[0].object.id, due[0].object_id);
  EXPECT_EQ(outbox_->Due("PACS", 5000, 1).size(), 1u);
  EXPECT_THAT(outbox_->Due("PACS", 4999, 10), IsEmpty());
  EXPECT_THAT(outbox_->Due("OTHER", 5000, 10), IsEmpty());
  EXPECT_THAT(outbox_->PeersWithPending(), ElementsAre("PACS", "SECOND"));
  EXPECT_EQ(outbox_->NextTry(), 5000);
}

TEST_F(OutboxTest, SentRowsAreDone) {
  const auto row = Row("1.9.1", "SECOND");
  outbox_->MarkSent(row.id, "0000", 6000);
  EXPECT_EQ(Row("1.9.1", "SECOND").state, OutboxState::kSent);
  EXPECT_EQ(Row("1.9.1", "SECOND").attempts, 1);
  EXPECT_EQ(Row("1.9.1", "SECOND").last_status, "0000");
  EXPECT_THAT(outbox_->PeersWithPending(), ElementsAre("PACS"));
  EXPECT_EQ(outbox_->RetryNow({row.id}, 7000), 0) << "never sent twice";
  EXPECT_EQ(outbox_->RetryPeer("SECOND", 7000), 0);
  outbox_->MarkRetry(row.id, "late", 8000);
  outbox_->MarkDead(row.id, OutboxState::kDead, "late");
  EXPECT_EQ(Row("1.9.1", "SECOND").state, OutboxState::kSent);
}

TEST_F(OutboxTest, RetriesComeAtTheirTime) {
  const auto row = Row("1.9.1", "PACS");
  outbox_->MarkRetry(row.id, "connection refused", 1763740000000);
  EXPECT_EQ(Row("1.9.1", "PACS").attempts, 1);
  EXPECT_EQ(Row("1.9.1", "PACS").last_status, "connection refused");
  EXPECT_EQ(outbox_->Due("PACS", 1763739999999, 10).size(), 1u);
  EXPECT_EQ(outbox_->Due("PACS", 1763740000000, 10).size(), 2u);
  EXPECT_EQ(outbox_->NextTry(), 5000);
  Reopen();
  EXPECT_EQ(Row("1.9.1", "PACS").next_try, 1763740000000) << "every deadline is a column";
}

TEST_F(OutboxTest, AClockThatWasSetBackStrandsNoRow) {
  const auto row = Row("1.9.1", "PACS");
  const WallMs ahead = 1763740000000, now = ahead - WallMs{365} * 86400 * 1000;
  outbox_->MarkRetry(row.id, "connection refused", ahead);
  EXPECT_EQ(outbox_->Due("PACS", now, 10).size(), 2u);
  EXPECT_EQ(outbox_->Due("PACS", now, 1).size(), 1u);
  EXPECT_EQ(outbox_->Due("PACS", ahead - 3600001, 10).size(), 2u) << "longer than any delay";
  EXPECT_EQ(outbox_->Due("PACS", ahead - 3600000, 10).size(), 1u) << "the longest delay";
}

TEST_F(OutboxTest, ARetryByHandKeepsThatARowWasTried) {
  const auto tried = Row("1.9.1", "PACS"), untried = Row("1.9.2", "PACS");
  for (int i = 0; i < 5; ++i) outbox_->MarkRetry(tried.id, "connection lost", 6000);
  EXPECT_EQ(outbox_->RetryPeer("PACS", 7000), 2);
  EXPECT_EQ(Row("1.9.1", "PACS").attempts, 1);
  EXPECT_EQ(Row("1.9.2", "PACS").attempts, 0);
  EXPECT_EQ(outbox_->RetryNow({tried.id, untried.id}, 8000), 2);
  EXPECT_EQ(Row("1.9.1", "PACS").attempts, 1);
  EXPECT_EQ(Row("1.9.2", "PACS").attempts, 0);
}

TEST_F(OutboxTest, DeadRowsWaitForAHand) {
  const auto dead = Row("1.9.1", "PACS"), parked = Row("1.9.2", "PACS"), withdrawn = Row("1.9.1", "SECOND");
  outbox_->MarkRetry(dead.id, "busy", 5500);
  outbox_->MarkDead(dead.id, OutboxState::kDead, "A900");
  outbox_->MarkDead(parked.id, OutboxState::kParked, "identity");
  outbox_->MarkDead(withdrawn.id, OutboxState::kWithdrawn, "mixed identity");
  EXPECT_EQ(Row("1.9.1", "PACS").attempts, 2);
  EXPECT_EQ(Row("1.9.1", "SECOND").attempts, 0);
  EXPECT_THAT(outbox_->PeersWithPending(), IsEmpty());
  EXPECT_FALSE(outbox_->NextTry());
  EXPECT_THAT(outbox_->CountsByState(),
              ElementsAre(std::pair("dead", 1), std::pair("parked", 1), std::pair("withdrawn", 1)));
  EXPECT_EQ(outbox_->RetryNow({dead.id, withdrawn.id, 999}, 8000), 1);
  EXPECT_EQ(Row("1.9.1", "PACS").state, OutboxState::kPending);
  EXPECT_EQ(Row("1.9.1", "PACS").attempts, 1) << "that it was tried is kept: the PACS may have it";
  EXPECT_EQ(Row("1.9.1", "PACS").next_try, 8000);
  EXPECT_EQ(outbox_->RetryPeer("PACS", 9000), 2) << "the pending one is due now too";
  EXPECT_EQ(outbox_->Due("PACS", 9000, 10).size(), 2u);
  EXPECT_EQ(Row("1.9.1", "SECOND").state, OutboxState::kWithdrawn);
  EXPECT_THROW(outbox_->MarkDead(dead.id, OutboxState::kSent, ""), Error);
  EXPECT_THROW(outbox_->MarkDead(dead.id, OutboxState::kPending, ""), Error);
}

TEST_F(OutboxTest, WithdrawUnsentKeepsWhatWasSent) {
  outbox_->MarkSent(Row("1.9.2", "PACS").id, "0000", 6000);
  EXPECT_EQ(outbox_->WithdrawUnsent("1.2", "mixed identity", 7000), 2);
  EXPECT_EQ(Row("1.9.1", "PACS").state, OutboxState::kWithdrawn);
  EXPECT_EQ(Row("1.9.1", "PACS").last_status, "mixed identity");
  EXPECT_EQ(Row("1.9.2", "PACS").state, OutboxState::kSent);
  EXPECT_EQ(outbox_->WithdrawUnsent("1.2", "again", 7000), 0);
  EXPECT_EQ(outbox_->WithdrawUnsent("none", "x", 7000), 0);
  // The sender may have been at it at that very moment: what happened is kept.
  outbox_->MarkSent(Row("1.9.1", "PACS").id, "0000", 7001);
  EXPECT_EQ(Row("1.9.1", "PACS").state, OutboxState::kSent);
}

TEST_F(OutboxTest, AnotherEncodingReplacesAnObject) {
  const auto row = Row("1.9.1", "PACS");
  const auto other = Object("1.9.7", {}).object;
  outbox_->ReplaceObject(row.id, other, 6000);
  EXPECT_EQ(Row("1.9.1", "PACS").state, OutboxState::kWithdrawn);
  const auto added = Row("1.9.7", "PACS");
  EXPECT_EQ(added.state, OutboxState::kPending);
  EXPECT_EQ(added.next_try, 6000);
  EXPECT_EQ(added.study_uid, "1.2");
  EXPECT_EQ(added.object.result_id, row.object.result_id);
  EXPECT_TRUE(jobs_->IsOwnObject("1.9.7"));
  EXPECT_EQ(Row("1.9.1", "SECOND").state, OutboxState::kPending) << "another peer's row is its own";

  outbox_->ReplaceObject(Row("1.9.1", "SECOND").id, other, 6500);
  EXPECT_EQ(Row("1.9.7", "SECOND").object_id, added.object_id) << "encoded once";

  EXPECT_THROW(outbox_->ReplaceObject(row.id, Object("1.9.8", {}).object, 7000), Error) << "withdrawn already";
  EXPECT_THROW(outbox_->ReplaceObject(999, other, 7000), Error);
  EXPECT_THROW(outbox_->ReplaceObject(added.id, other, 7000), Error) << "by itself";
  EXPECT_FALSE(jobs_->IsOwnObject("1.9.8"));
}

TEST_F(OutboxTest, Pages) {
  EXPECT_EQ(outbox_->Page(2, 0).size(), 2u);
  EXPECT_EQ(outbox_->Page(2, 2).size(), 1u);
  EXPECT_GT(outbox_->Page(1, 0).at(0).id, outbox_->Page(1, 1).at(0).id);
  EXPECT_EQ(outbox_->OfStudy("1.2").size(), 3u);
  EXPECT_THAT(outbox_->OfStudy("none"), IsEmpty());
  EXPECT_THAT(outbox_->CountsByState(), ElementsAre(std::pair("pending", 3)));
}

TEST(RetryDelay, DoublesFromFiveSecondsToAnHourWithJitter) {
  EXPECT_EQ(RetryDelayMs(1, 1.0), 5000);
  EXPECT_EQ(RetryDelayMs(2, 1.0), 10000);
  EXPECT_EQ(RetryDelayMs(5, 1.0), 80000);
  EXPECT_EQ(RetryDelayMs(1, 0.0), 2500);
  for (const int attempts : {11, 12, 1000000}) EXPECT_EQ(RetryDelayMs(attempts, 1.0), 3600000) << attempts;
  for (const int attempts : {-5, 0}) EXPECT_EQ(RetryDelayMs(attempts, 1.0), 5000) << attempts;
  std::int64_t before = 0;
  for (int attempts = 1; attempts < 20; ++attempts) {
    EXPECT_GE(RetryDelayMs(attempts, 0.3), before);
    before = RetryDelayMs(attempts, 0.3);
  }
}

}  // namespace
}  // namespace glionode::storage
