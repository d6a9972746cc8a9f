#include "storage/peers.h"

#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

namespace glionode::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using PeersTest = IndexTest;

TEST_F(PeersTest, EverySenderOfAStudyIsKnownOnce) {
  index_->Add(Image("1.1"));
  InstanceRecord other = Image("1.2", "a", 2000);
  other.from_ae = "SECOND";
  index_->Add(other);
  EXPECT_FALSE(peers_->NoteSender("1.2", "PACS", 3000));
  EXPECT_TRUE(peers_->NoteSender("1.2", "THIRD", 3000));
  EXPECT_FALSE(peers_->NoteSender("1.2", "THIRD", 4000));
  EXPECT_THAT(peers_->Senders("1.2"), ElementsAre("PACS", "SECOND", "THIRD"));
}

TEST_F(PeersTest, ALateSenderIsFoundUntilItIsServed) {
  index_->Add(Image("1.1"));
  Report("key", {Object("1.9.1", {"PACS"}), Object("1.9.2", {"PACS"}, "sr"), Object("1.9.3", {"PACS"}, "sc")});
  EXPECT_THAT(peers_->LateSenders(), IsEmpty());
  peers_->NoteSender("1.2", "SECOND", 6000);
  ASSERT_EQ(peers_->LateSenders().size(), 1u);
  const LateSender late = peers_->LateSenders().front();
  EXPECT_EQ(late.peer_ae, "SECOND");
  EXPECT_EQ(late.revision, 1);
  EXPECT_EQ(outbox_->AddReceiver("1.2", "SECOND", 6000), 2) << "of two encodings of the report, the first";
  EXPECT_EQ(outbox_->AddReceiver("1.2", "SECOND", 6000), 0) << "never twice";
  EXPECT_EQ(outbox_->Due("SECOND", 6000, 10).size(), 2u);
  peers_->MarkServed("1.2", "SECOND", late.revision);
  EXPECT_THAT(peers_->LateSenders(), IsEmpty());
}

TEST_F(PeersTest, ASenderThatWasNotedWhileTheReportWasWrittenIsALateOne) {
  index_->Add(Image("1.1"));
  const auto job = jobs_->Create(NewJob("key"), Study().changes);
  ASSERT_TRUE(job && jobs_->Claim("me", 3000, 9000));
  const std::vector<NewObject> for_pacs = {Object("1.9.1", {"PACS"})};  // the receivers are chosen
  peers_->NoteSender("1.2", "SECOND", 4000);
  jobs_->Finish(job->id, NewResult(), for_pacs, 5000);
  ASSERT_EQ(peers_->LateSenders().size(), 1u);
  EXPECT_EQ(peers_->LateSenders().front().peer_ae, "SECOND");
  EXPECT_EQ(peers_->LateSenders().front().revision, 1);
}

TEST_F(PeersTest, PausesSurviveARestart) {
  peers_->Pause("PACS", "moving", 1000);
  peers_->Pause("PACS", "still moving", 2000);
  Reopen();
  ASSERT_EQ(peers_->Paused().size(), 1u);
  EXPECT_EQ(peers_->Paused().at("PACS").why, "still moving");
  EXPECT_EQ(peers_->Paused().at("PACS").paused_at, 1000);
  EXPECT_TRUE(peers_->Resume("PACS"));
  EXPECT_FALSE(peers_->Resume("PACS"));
  EXPECT_TRUE(peers_->Paused().empty());
}

TEST_F(PeersTest, ANewAeTitleTakesOverWhatWasNotSent) {
  index_->Add(Image("1.1"));
  Report("key", {Object("1.9.1", {"PACS"}), Object("1.9.2", {"PACS"}, "sc"), Object("1.9.3", {"PACS", "NEW"}, "sc")});
  const auto rows = outbox_->Due("PACS", 9000, 10);
  outbox_->MarkSent(rows.at(0).id, "0000", 6000);
  EXPECT_EQ(outbox_->TakeOver("PACS", "NEW", 7000), 1) << "one is sent, of one the new title has its own row";
  EXPECT_EQ(outbox_->Due("NEW", 9000, 10).size(), 2u);
  EXPECT_EQ(outbox_->TakeOver("PACS", "NEW", 7000), 0);
  EXPECT_THAT(peers_->Senders("1.2"), ElementsAre("NEW"));
}

TEST_F(PeersTest, TheOutboxByPeer) {
  index_->Add(Image("1.1"));
  Report("key", {Object("1.9.1", {"PACS", "SECOND"}), Object("1.9.2", {"PACS"}, "sc")}, 5000);
  const auto rows = outbox_->Due("PACS", 9000, 10);
  outbox_->MarkSent(rows.at(0).id, "0000", 6000);
  outbox_->MarkRetry(rows.at(1).id, "no route", 8000);
  const auto peers = outbox_->ByPeer();
  ASSERT_EQ(peers.size(), 2u);
  EXPECT_EQ(peers[0].peer_ae, "PACS");
  EXPECT_THAT(peers[0].by_state, ElementsAre(::testing::Pair("pending", 1), ::testing::Pair("sent", 1)));
  EXPECT_EQ(peers[0].oldest_pending, 5000);
  EXPECT_EQ(peers[0].next_try, 8000);
  EXPECT_EQ(peers[0].last_status, "no route");
}

/// Seven days of a PACS that does not answer: never given up, and about 170 tries.
TEST(RetryDelay, StaysAliveForAWeek) {
  std::int64_t now = 0;
  int attempts = 0;
  for (; now < std::int64_t{7} * 86400 * 1000; ++attempts) {
    const std::int64_t delay = RetryDelayMs(attempts + 1, 0.5);
    EXPECT_GE(delay, 2500);
    EXPECT_LE(delay, 3600000);
    now += delay;
  }
  EXPECT_GT(attempts, 150);
  EXPECT_LT(attempts, 400);
  EXPECT_GE(RetryDelayMs(1, 0.999), 4990);
  EXPECT_NE(RetryDelayMs(5, 0.1), RetryDelayMs(5, 0.9)) << "jitter";
  EXPECT_LE(RetryDelayMs(1000000, 1), 3600000) << "no overflow";
}

}  // namespace
}  // namespace glionode::storage
