#include "config/error.h"
#include "dicom/header_reader.h"
#include "dicom/sr_report.h"
#include "outbox_fixture.h"

#include <gmock/gmock.h>

#include <condition_variable>

namespace glionode::server {
namespace {

using storage::OutboxState;
using storage::StudyState;

TEST_F(OutboxWorkerTest, WhatIsStoredIsSentOnce) {
  EXPECT_GE(Send({dicom::SendOutcome::kSent, 0, "stored"}), 2);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
  for (const auto& row : outbox_->OfStudy(StudyUid())) EXPECT_EQ(row.state, OutboxState::kSent);
}

TEST_F(OutboxWorkerTest, ATransientRefusalIsTriedAgainLaterWithTheSameUid) {
  const int rows = Send({dicom::SendOutcome::kTransient, 0xA700, "out of resources"});
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
  clock_.Advance(3600);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), rows);
  ASSERT_EQ(sent_.size(), 2 * static_cast<std::size_t>(rows));
  for (int i = 0; i < rows; ++i) EXPECT_EQ(sent_[i].sop_instance_uid, sent_[i + rows].sop_instance_uid);
}

TEST_F(OutboxWorkerTest, APermanentRefusalIsDeadUntilAPersonRetries) {
  const int rows = Send({dicom::SendOutcome::kPermanent, 0xC000, "cannot understand"});
  clock_.Advance(1e6);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
  EXPECT_EQ(outbox_->RetryPeer("PACS", clock_.Wall()), rows);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), rows);
}

TEST_F(OutboxWorkerTest, AnIdentityConflictParksTheStudy) {
  Send({dicom::SendOutcome::kIdentity, 0xA778, "patient differs"});
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kParked);
  clock_.Advance(1e6);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
}

TEST_F(OutboxWorkerTest, AnIdentityConflictThatIsSettledUnparksTheStudy) {
  const int rows = Send({dicom::SendOutcome::kIdentity, 0xA778, "patient differs"});
  const auto first = outbox_->OfStudy(StudyUid()).front().id;
  EXPECT_EQ(outbox_->RetryNow({first}, clock_.Wall()), 1);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 1);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kParked) << "other rows are parked still";
  EXPECT_EQ(outbox_->RetryPeer("PACS", clock_.Wall()), rows - 1);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), rows - 1);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_TRUE(index_->Find(StudyUid())->why.empty());
}

TEST_F(OutboxWorkerTest, AConflictChangesNotWhyAStudyIsParked) {
  index_->ForceState(StudyUid(), StudyState::kParked, "mixed_identity: images name different patients");
  const std::string report = dicom::SrClassUid(dicom::SrClass::kComprehensive3D);
  Send({dicom::SendOutcome::kIdentity, 0xA778, "patient differs"}, report);
  outbox_->RetryPeer("PACS", clock_.Wall());
  Send({dicom::SendOutcome::kSent, 0, "stored"});
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kParked);
  EXPECT_EQ(index_->Find(StudyUid())->why.rfind("mixed_identity", 0), 0u);
}

TEST_F(OutboxWorkerTest, APeerWithoutTheReportsClassGetsTheNextOne) {
  const std::string best = dicom::SrClassUid(dicom::SrClass::kComprehensive3D);
  Send({dicom::SendOutcome::kNoContext, 0xFFFF, "no context"}, best);
  sent_.clear();
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 1);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].sop_class_uid, dicom::SrClassUid(dicom::SrClass::kComprehensive));
  EXPECT_TRUE(std::filesystem::exists(sent_[0].file));
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
}

TEST_F(OutboxWorkerTest, AReportUnderAnotherIdentityIsNotSent) {
  PushStudy({.patient_id = "MERGED"});
  EXPECT_GT(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
  EXPECT_TRUE(sent_.empty());
  for (const auto& row : outbox_->OfStudy(StudyUid())) EXPECT_EQ(row.state, OutboxState::kWithdrawn);
}

TEST_F(OutboxWorkerTest, AReportWaitsWhileTheImagesNameTwoPatients) {
  PushStudy({.patient_id = "MERGED", .roles = {"t2"}});
  Send({dicom::SendOutcome::kSent, 0, "stored"});
  EXPECT_TRUE(sent_.empty());
  for (const auto& row : outbox_->OfStudy(StudyUid())) {
    EXPECT_EQ(row.state, OutboxState::kPending);
    EXPECT_EQ(row.attempts, 0);
  }
  PushStudy({.roles = {"t2"}});
  clock_.Advance(6);
  Send({dicom::SendOutcome::kSent, 0, "stored"});
  EXPECT_FALSE(sent_.empty());
}

TEST_F(OutboxWorkerTest, TheClassThatAPeerTookIsEncodedNextTime) {
  const std::string best = dicom::SrClassUid(dicom::SrClass::kComprehensive3D);
  Send({dicom::SendOutcome::kNoContext, 0xFFFF, "no context"}, best);
  EXPECT_FALSE(outbox_->AcceptedSrClass("PACS"));
  Send({dicom::SendOutcome::kSent, 0, "stored"});
  EXPECT_EQ(outbox_->AcceptedSrClass("PACS"), dicom::SrClassUid(dicom::SrClass::kComprehensive));
  PushStudy({.roles = {"t2"}, .content = "b"});
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  MakePipeline([](const WorkerRequest&) { return Answered(0.9); })->RunOne();
  EXPECT_EQ(Objects()[0].sop_class_uid, dicom::SrClassUid(dicom::SrClass::kComprehensive));
}

TEST_F(OutboxWorkerTest, AWithdrawalRejectsWhatThePeerHasAndNothingElse) {
  Send({dicom::SendOutcome::kTransient, 0xA700, "out of resources"}, "1.2.840.10008.5.1.4.1.1.7");
  const auto before = outbox_->OfStudy(StudyUid());
  sent_.clear();
  const WithdrawalDone done = TakeBack(dicom::RejectionReason::kPatientSafety);
  EXPECT_EQ(done.peers, std::vector<std::string>{"PACS"});
  EXPECT_EQ(done.unsent, static_cast<int>(before.size()) - 1);
  clock_.Advance(1e6);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 1);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].sop_class_uid, dicom::kKeyObjectClass);
  const auto note = dicom::ReadHeader(sent_[0].file);
  EXPECT_EQ(note.study_uid, StudyUid());
  EXPECT_EQ(note.Attribute("PatientID"), "P1");
  // The report was taken, and of the captures it is not known: the tries were answered, or the answer was lost.
  EXPECT_EQ(note.rejected_instances.size(), before.size());
  EXPECT_THROW(TakeBack(), Error);
  EXPECT_EQ(outbox_->Withdrawals(StudyUid()).at(0).reason, "patient-safety");
}

TEST_F(OutboxWorkerTest, AWithdrawalRejectsWhatWasTriedAndWithdrawnSince) {
  Send({dicom::SendOutcome::kTransient, 0xFFFF, "connection lost"});
  outbox_->RetryPeer("PACS", clock_.Wall());
  outbox_->WithdrawUnsent(StudyUid(), "the patient identity was corrected before this was sent", clock_.Wall());
  EXPECT_EQ(TakeBack().peers, std::vector<std::string>{"PACS"}) << "only the answer may have been lost";
}

TEST_F(OutboxWorkerTest, AReportThatNeverLeftNeedsNoNote) {
  const auto rows = outbox_->OfStudy(StudyUid()).size();
  const WithdrawalDone done = TakeBack();
  EXPECT_TRUE(done.peers.empty());
  EXPECT_EQ(done.unsent, static_cast<int>(rows));
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
  EXPECT_EQ(outbox_->OfStudy(StudyUid()).size(), rows);
}

TEST_F(OutboxWorkerTest, OurOwnNoteComingBackStartsNothing) {
  Send({dicom::SendOutcome::kSent, 0, "stored"});
  TakeBack();
  Send({dicom::SendOutcome::kSent, 0, "stored"});
  const auto before = *index_->Find(StudyUid());
  Push(sent_.back().file);
  EXPECT_EQ(index_->Find(StudyUid())->changes, before.changes);
}

TEST_F(OutboxWorkerTest, NothingIsTakenBackWhileItIsOnItsWay) {
  std::string refusal;
  OutboxWorker* self = nullptr;
  OutboxWorker worker(
      {*files_, *index_, *jobs_, *outbox_, *peers_, clock_,
       [&](const PeerSettings&, const std::vector<dicom::OutgoingObject>& objects) {
         try {
           self->WithoutSending(StudyUid(), [] {});
         } catch (const Error& e) {
           refusal = e.what();
         }
         return std::vector<dicom::SendResult>(objects.size(), {dicom::SendOutcome::kSent, 0, "stored"});
       },
       [] { return true; }},
      {});
  self = &worker;
  PeerSettings peer;
  peer.ae_title = "PACS";
  worker.SendDue(peer);
  EXPECT_NE(refusal.find("is being sent just now"), std::string::npos);
  bool ran = false;
  worker.WithoutSending(StudyUid(), [&] { ran = true; });
  EXPECT_TRUE(ran);
}

/// A week of a dead PACS, at the node's own back-off: never given up, and delivered with the same UIDs at its end.
TEST_F(OutboxWorkerTest, APeerThatIsAwayForAWeekGetsEverything) {
  const WallMs end = clock_.Wall() + WallMs{7} * 86400 * 1000;
  int rounds = 0;
  for (; clock_.Wall() < end; ++rounds) {
    Send({dicom::SendOutcome::kTransient, 0xFFFF, "cannot be reached"});
    clock_.Advance(static_cast<double>(*outbox_->NextTry() - clock_.Wall()) / 1000 + 0.001);
  }
  EXPECT_GT(rounds, 100);
  const auto rows = outbox_->OfStudy(StudyUid());
  for (const auto& row : rows) EXPECT_EQ(row.state, OutboxState::kPending);
  clock_.Advance(3600);
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), static_cast<int>(rows.size()));
}

TEST_F(OutboxWorkerTest, APausedPeerGetsNothingUntilItIsResumed) {
  peers_->Pause("PACS", "it moves", clock_.Wall());
  EXPECT_EQ(Send({dicom::SendOutcome::kSent, 0, "stored"}), 0);
  peers_->Resume("PACS");
  EXPECT_GE(Send({dicom::SendOutcome::kSent, 0, "stored"}), 2);
}

/// Two PACS, one of which takes a connection and says nothing: the other one is served at once.
TEST_F(OutboxWorkerTest, APeerThatHangsHoldsUpNobody) {
  peers_->NoteSender(StudyUid(), "SECOND", clock_.Wall());
  PeerSettings first, second;
  first.ae_title = "PACS", second.ae_title = "SECOND";
  first.deliver = second.deliver = "all";
  std::mutex mutex;
  std::condition_variable changed;
  bool let_go = false, hangs = false;
  std::size_t served = 0;
  OutboxWorker worker({*files_, *index_, *jobs_, *outbox_, *peers_, clock_,
                       [&](const PeerSettings& peer, const std::vector<dicom::OutgoingObject>& objects) {
                         std::unique_lock lock(mutex);
                         if (peer.ae_title == "PACS") {
                           hangs = true;
                           changed.notify_all();
                           changed.wait(lock, [&] { return let_go; });
                           return std::vector<dicom::SendResult>(objects.size());
                         }
                         served += objects.size();
                         changed.notify_all();
                         return std::vector<dicom::SendResult>(
                             objects.size(), dicom::SendResult{dicom::SendOutcome::kSent, 0, "stored"});
                       },
                       [] { return true; }},
                      {first, second});
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return hangs; }));
  }
  EXPECT_GE(worker.ServeLateSenders(), 2);
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return served >= 2; })) << "held up by PACS";
  EXPECT_TRUE(hangs && !let_go);
  let_go = true;
  changed.notify_all();
}

TEST_F(OutboxWorkerTest, ASecondPacsWithTheSameStudyGetsTheResultIfItMayHaveIt) {
  for (const auto& [role, files] : MakeStudy({}))
    for (const auto& file : files) Push(file, "SECOND"), Push(file, "SILENT");
  EXPECT_TRUE(ingest_->TakeNewSender());
  EXPECT_FALSE(ingest_->TakeNewSender());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported) << "the same bytes are no new input";
  PeerSettings second, silent;
  second.ae_title = "SECOND", second.deliver = "all";
  silent.ae_title = "SILENT", silent.deliver = "none";
  const auto before = outbox_->OfStudy(StudyUid()).size();
  OutboxWorker worker({*files_, *index_, *jobs_, *outbox_, *peers_, clock_, {}, [] { return false; }},
                      {second, silent});
  EXPECT_EQ(worker.ServeLateSenders(), static_cast<int>(before));
  EXPECT_EQ(worker.ServeLateSenders(), 0);
  std::map<std::string, std::size_t> rows;
  for (const auto& row : outbox_->OfStudy(StudyUid())) ++rows[row.peer_ae];
  EXPECT_EQ(rows, (std::map<std::string, std::size_t>{{"PACS", before}, {"SECOND", before}}));
}

/// Its images are no resend of the same bytes: the study is judged again, and goes back to what it had.
TEST_F(OutboxWorkerTest, ASecondPacsWithMoreOfTheStudyGetsTheResultWhenItGoesBackToReported) {
  const auto before = outbox_->OfStudy(StudyUid()).size();
  for (const auto& [role, files] : MakeStudy({.roles = {"flair"}}))
    for (const auto& file : files) Push(file, "SECOND");
  PeerSettings second;
  second.ae_title = "SECOND", second.deliver = "all";
  OutboxWorker worker({*files_, *index_, *jobs_, *outbox_, *peers_, clock_, {}, [] { return false; }}, {second});
  EXPECT_EQ(worker.ServeLateSenders(), 0) << "it is being judged";
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  EXPECT_FALSE(watcher->TakeWentBack());
  clock_.Advance(61);
  EXPECT_EQ(watcher->Tick(Bundle()), 0);
  ASSERT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_TRUE(watcher->TakeWentBack());
  EXPECT_FALSE(watcher->TakeWentBack());
  EXPECT_EQ(worker.ServeLateSenders(), static_cast<int>(before));
}

TEST_F(OutboxWorkerTest, APeerUnderANewNameAndAddressGetsWhatWaited) {
  Send({dicom::SendOutcome::kTransient, 0xFFFF, "cannot be reached"});
  PeerSettings renamed;
  renamed.ae_title = "PACS2", renamed.host = "10.0.0.9", renamed.deliver = "all", renamed.formerly = {"PACS"};
  std::vector<std::string> hosts;
  OutboxWorker worker({*files_, *index_, *jobs_, *outbox_, *peers_, clock_,
                       [&](const PeerSettings& peer, const std::vector<dicom::OutgoingObject>& objects) {
                         hosts.push_back(peer.host);
                         return std::vector<dicom::SendResult>(
                             objects.size(), dicom::SendResult{dicom::SendOutcome::kSent, 0, "stored"});
                       },
                       [] { return false; }},
                      {renamed});
  EXPECT_GE(worker.SendDue(renamed), 0);
  for (const auto& row : outbox_->OfStudy(StudyUid())) EXPECT_EQ(row.peer_ae, "PACS2");
  clock_.Advance(10);
  worker.SendDue(renamed);
  for (const auto& row : outbox_->OfStudy(StudyUid())) EXPECT_EQ(row.state, OutboxState::kSent);
  EXPECT_EQ(hosts, std::vector<std::string>{"10.0.0.9"});
}

}  // namespace
}  // namespace glionode::server
