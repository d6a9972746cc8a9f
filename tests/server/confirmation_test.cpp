// Proof of storage: what a PACS says about what was sent to it, and what follows.
#include "server/confirmation.h"

#include "node_fixture.h"
#include "server/outbox_worker.h"
#include "server/pipeline.h"
#include "storage/proofs.h"

#include <gmock/gmock.h>

#include <set>

namespace glionode::server {
namespace {

using storage::OutboxState;
using ::testing::HasSubstr;

class ConfirmationTest : public NodeTest {
 protected:
  /// A study that is reported and sent.
  void SetUp() override {
    peer_.ae_title = "PACS";
    peer_.deliver = "all";
    peer_.confirm = "commitment";
    peer_.confirm_seconds = 1000;
    PushStudy({});
    StudySettings settings;
    auto watcher = MakeWatcher(settings);
    watcher->Tick(Bundle());
    clock_.Advance(settings.quiet_seconds + 1);
    watcher->Tick(Bundle());
    Pipeline pipeline({*files_, *index_, *jobs_, *outbox_, clock_, "GLIONODE",
                       [](const WorkerRequest& request, int) {
                         WorkerRun run = Answered(0.9);
                         if (request.step == WorkerStep::kSelfTest) run.answer.probability_of_necrosis.reset();
                         return run;
                       }},
                      ModelSettings(), {peer_});
    pipeline.SelfTest();
    ASSERT_TRUE(pipeline.RunOne());
    Restart();
    Send();
    ASSERT_GE(sent_.size(), 2U);
    ASSERT_EQ(States(), std::set{OutboxState::kSent});
  }
  void Restart() {
    confirmation_.reset();
    Reopen();
    proofs_ = std::make_unique<storage::Proofs>(*database_);
    confirmation_ = std::make_unique<Confirmation>(Confirmation::Parts{
        *proofs_, clock_,
        [this](const PeerSettings&, const std::string& transaction, const std::vector<dicom::KeptObject>& objects) {
          transactions_.push_back(transaction);
          asked_ = objects;
          // The report can be here before our request is answered.
          if (report_first_) confirmation_->Take(All(transaction), "PACS");
          return answer_;
        },
        [this](const PeerSettings&, const std::string& study_uid, const std::string& series_uid) {
          EXPECT_EQ(study_uid, StudyUid());
          dicom::FindAnswer answer;
          answer.answered = find_answered_;
          answer.text = "PACS said so";
          if (find_answered_)
            for (const auto& row : outbox_->OfStudy(StudyUid()))
              if (row.object.series_uid == series_uid && unlisted_ != row.object.sop_instance_uid)
                answer.found.push_back(row.object.sop_instance_uid);
          return answer;
        }});
  }
  void Send() {
    OutboxWorker worker(
        {*files_, *index_, *jobs_, *outbox_, clock_,
         [&](const PeerSettings&, const std::vector<dicom::OutgoingObject>& objects) {
           for (const auto& object : objects) sent_.push_back(object.sop_instance_uid);
           return std::vector<dicom::SendResult>(objects.size(), {dicom::SendOutcome::kSent, 0, "stored"});
         },
         [] { return true; }},
        {});
    worker.SendDue(peer_);
  }
  std::set<OutboxState> States() const {
    std::set<OutboxState> states;
    for (const auto& row : outbox_->OfStudy(StudyUid()))
      if (row.state != OutboxState::kWithdrawn) states.insert(row.state);
    return states;
  }
  dicom::CommitmentReport All(const std::string& transaction) const {
    dicom::CommitmentReport report;
    report.transaction_uid = transaction;
    for (const auto& object : asked_) report.kept.push_back(object.sop_instance_uid);
    return report;
  }

  PeerSettings peer_;
  std::unique_ptr<storage::Proofs> proofs_;
  std::unique_ptr<Confirmation> confirmation_;
  dicom::CommitmentAnswer answer_ = {true, "PACS answered 0000", {}};
  bool report_first_ = false, find_answered_ = true;
  std::string unlisted_;
  std::vector<dicom::KeptObject> asked_;
  std::vector<std::string> sent_, transactions_;
};

TEST_F(ConfirmationTest, OnlyAReportMakesSentConfirmed) {
  EXPECT_EQ(confirmation_->Step(peer_), static_cast<int>(sent_.size()));
  ASSERT_EQ(transactions_.size(), 1U);
  EXPECT_EQ(asked_.size(), sent_.size());
  EXPECT_EQ(States(), std::set{OutboxState::kSent}) << "the request alone proves nothing";
  EXPECT_EQ(confirmation_->Step(peer_), 0) << "asked once";
  EXPECT_FALSE(confirmation_->Take(All("2.25.1"), "PACS")) << "another transaction";
  EXPECT_EQ(States(), std::set{OutboxState::kSent});
  Restart();
  EXPECT_TRUE(confirmation_->Take(All(transactions_[0]), "PACS"));
  EXPECT_EQ(States(), std::set{OutboxState::kConfirmed});
  EXPECT_EQ(confirmation_->Counters().confirmed, sent_.size());
  clock_.Advance(1e6);
  EXPECT_EQ(confirmation_->Step(peer_), 0);
  EXPECT_TRUE(confirmation_->Take(All(transactions_[0]), "PACS")) << "the same report again";
}

TEST_F(ConfirmationTest, AReportOnTheSameAssociationCountsAndSoDoesOneThatOvertakesTheAnswer) {
  report_first_ = true;
  confirmation_->Step(peer_);
  EXPECT_EQ(States(), std::set{OutboxState::kConfirmed});
}

TEST_F(ConfirmationTest, WithoutAReportInTimeTheSameObjectsAreSentAgain) {
  const auto first = sent_;
  confirmation_->Step(peer_);
  clock_.Advance(999);
  EXPECT_EQ(confirmation_->Step(peer_), 0);
  clock_.Advance(1);
  EXPECT_EQ(confirmation_->Step(peer_), static_cast<int>(first.size()));
  EXPECT_EQ(States(), std::set{OutboxState::kPending});
  EXPECT_EQ(confirmation_->Counters().timed_out, first.size());
  Send();
  ASSERT_EQ(sent_.size(), 2 * first.size());
  EXPECT_EQ(std::vector<std::string>(sent_.begin() + static_cast<long>(first.size()), sent_.end()), first);
  confirmation_->Step(peer_);
  ASSERT_EQ(transactions_.size(), 2U);
  EXPECT_NE(transactions_[0], transactions_[1]);
  clock_.Advance(1500);
  EXPECT_EQ(confirmation_->Step(peer_), 0) << "it waits twice as long now";
  EXPECT_TRUE(confirmation_->Take(All(transactions_[0]), "PACS")) << "the first one, late";
  EXPECT_EQ(States(), std::set{OutboxState::kConfirmed});
}

TEST_F(ConfirmationTest, WhatTheArchiveDoesNotHaveIsSentAgainAndNothingElse) {
  confirmation_->Step(peer_);
  dicom::CommitmentReport report = All(transactions_[0]);
  report.failed.push_back({report.kept.back(), 0x0112});
  report.kept.pop_back();
  EXPECT_TRUE(confirmation_->Take(report, "PACS"));
  EXPECT_EQ(States(), (std::set{OutboxState::kConfirmed, OutboxState::kPending}));
  EXPECT_EQ(confirmation_->Counters().denied, 1U);
  const auto before = sent_.size();
  clock_.Advance(3600);
  Send();
  ASSERT_EQ(sent_.size(), before + 1);
  EXPECT_EQ(sent_.back(), report.failed[0].sop_instance_uid);
}

TEST_F(ConfirmationTest, AnObjectThatIsBothKeptAndFailedIsNotBelieved) {
  confirmation_->Step(peer_);
  dicom::CommitmentReport report = All(transactions_[0]);
  for (const auto& uid : report.kept) report.failed.push_back({uid, 0x0110});
  confirmation_->Take(report, "PACS");
  EXPECT_EQ(States(), std::set{OutboxState::kSent});
}

TEST_F(ConfirmationTest, AnArchiveThatDoesNotTakeTheRequestIsAskedAgain) {
  answer_ = {false, "PACS does not accept the Storage Commitment SOP class", {}};
  confirmation_->Step(peer_);
  EXPECT_EQ(confirmation_->Step(peer_), 0);
  EXPECT_THAT(outbox_->OfStudy(StudyUid()).front().last_status, HasSubstr("does not accept"));
  clock_.Advance(30);
  answer_.taken = true;
  EXPECT_GT(confirmation_->Step(peer_), 0);
  EXPECT_EQ(transactions_.size(), 2U);
}

TEST_F(ConfirmationTest, FindConfirmsWhatTheArchiveLists) {
  peer_.confirm = "find";
  unlisted_ = sent_.front();
  confirmation_->Step(peer_);
  EXPECT_EQ(States(), (std::set{OutboxState::kConfirmed, OutboxState::kSent}));
  EXPECT_EQ(confirmation_->Step(peer_), 0);
  clock_.Advance(30);
  unlisted_.clear();
  EXPECT_EQ(confirmation_->Step(peer_), 1);
  EXPECT_EQ(States(), std::set{OutboxState::kConfirmed});
}

TEST_F(ConfirmationTest, AnArchiveThatCannotBeAskedConfirmsNothing) {
  peer_.confirm = "find";
  find_answered_ = false;
  confirmation_->Step(peer_);
  EXPECT_EQ(States(), std::set{OutboxState::kSent});
  clock_.Advance(1001);
  confirmation_->Step(peer_);
  EXPECT_EQ(States(), std::set{OutboxState::kPending});
}

TEST(ConfirmBy, WaitsLongerWithEachSending) {
  PeerSettings peer;
  peer.confirm_seconds = 10;
  EXPECT_EQ(Confirmation::ConfirmBy(peer, 1, 0), 10000);
  EXPECT_EQ(Confirmation::ConfirmBy(peer, 2, 0), 20000);
  EXPECT_EQ(Confirmation::ConfirmBy(peer, 6, 0), 320000);
  EXPECT_EQ(Confirmation::ConfirmBy(peer, 1000, 0), 320000);
}

}  // namespace
}  // namespace glionode::server
