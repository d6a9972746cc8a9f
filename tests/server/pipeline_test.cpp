#include "server/pipeline.h"

#include "config/error.h"
#include "dicom/header_reader.h"
#include "dicom/sr_report.h"
#include "node_fixture.h"
#include "server/outbox_worker.h"
#include "server/withdrawal.h"

#include <fstream>

namespace glionode::server {
namespace {

using storage::JobState;
using storage::OutboxState;
using storage::StudyState;

class PipelineTest : public NodeTest {
 protected:
  /// A study with a ready job.
  void SetUp() override {
    PushStudy({});
    auto watcher = MakeWatcher(StudySettings{});
    watcher->Tick(Bundle());
    clock_.Advance(61);
    ASSERT_EQ(watcher->Tick(Bundle()), 1);
  }

  std::unique_ptr<Pipeline> MakePipeline(std::function<WorkerRun(const WorkerRequest&)> evaluate,
                                         const std::string& deliver = "all", const std::string& device = "cpu") {
    ModelSettings model;
    model.device = device;
    PeerSettings peer;
    peer.ae_title = "PACS";
    peer.deliver = deliver;
    auto pipeline = std::make_unique<Pipeline>(
        Pipeline::Parts{*files_, *index_, *jobs_, *outbox_, clock_, "GLIONODE",
                        [this, evaluate](const WorkerRequest& request, int) {
                          requests_.push_back(request);
                          return request.step == WorkerStep::kSelfTest ? SelfTested(request.device) : evaluate(request);
                        }},
        model, std::vector<PeerSettings>{peer});
    pipeline->SelfTest();
    return pipeline;
  }

  static WorkerRun SelfTested(const std::string& device) {
    WorkerRun run = Answered(0);
    run.answer.probability_of_necrosis.reset();
    run.answer.device = device == "auto" ? "cuda:0" : device;
    return run;
  }
  static WorkerRun Ended(WorkerEnd end, const std::string& text) {
    WorkerRun run;
    run.end = end;
    run.text = text;
    return run;
  }
  nlohmann::json Result() const { return nlohmann::json::parse(jobs_->NewestResult(StudyUid())->result_json); }

  /// Of the newest result; the report first.
  std::vector<storage::ObjectRecord> Objects() const { return jobs_->Objects(jobs_->NewestResult(StudyUid())->id); }

  std::vector<WorkerRequest> requests_;
};

TEST_F(PipelineTest, AnAnswerBecomesResultObjectsAndOutboxRowsAtOnce) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_FALSE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_EQ(Result().at("decision"), "necrosis");
  EXPECT_DOUBLE_EQ(Result().at("probability_of_necrosis"), 0.9);
  const auto rows = outbox_->OfStudy(StudyUid());
  ASSERT_GE(rows.size(), 2u);
  for (const auto& row : rows) {
    EXPECT_EQ(row.peer_ae, "PACS");
    EXPECT_EQ(row.state, OutboxState::kPending);
    EXPECT_TRUE(std::filesystem::exists(files_->Root() / row.object.file));
  }
}

TEST_F(PipelineTest, DeliverNoneComputesAndSendsNothing) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.1); }, "none");
  pipeline->RunOne();
  EXPECT_EQ(Result().at("decision"), "recurrence");
  EXPECT_TRUE(outbox_->OfStudy(StudyUid()).empty());
}

TEST_F(PipelineTest, ReasonsWithholdTheNumber) {
  auto pipeline = MakePipeline([](const WorkerRequest&) {
    WorkerRun run = Answered(0.9);
    run.answer.reasons = {{ReasonCode::kPhantomModel, "made from phantoms"}};
    return run;
  });
  pipeline->RunOne();
  EXPECT_EQ(Result().at("decision"), "not evaluable");
  EXPECT_TRUE(Result().at("probability_of_necrosis").is_null());
  EXPECT_TRUE(Result().at("probability_of_recurrence").is_null());
  EXPECT_DOUBLE_EQ(Result().at("withheld_probability"), 0.9);
  const std::string text = dicom::RenderSrText(files_->Root() / Objects()[0].file);
  EXPECT_NE(text.find("not evaluable"), std::string::npos) << text;
  for (const char* number : {"90 %", "10 %", "0.9", "0.1 "}) EXPECT_EQ(text.find(number), std::string::npos) << text;
}

TEST_F(PipelineTest, AWorkerThatCrashesTwiceFailsTheStudyAndNothingElse) {
  auto pipeline = MakePipeline(
      [](const WorkerRequest&) { return Ended(WorkerEnd::kCrashed, "the worker was ended by signal 11"); });
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady);
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_FALSE(pipeline->RunOne());
  const auto study = index_->Find(StudyUid());
  EXPECT_EQ(study->state, StudyState::kFailed);
  EXPECT_NE(study->why.find("signal 11"), std::string::npos) << study->why;
  EXPECT_TRUE(outbox_->OfStudy(StudyUid()).empty());
}

TEST_F(PipelineTest, OverTheTimeLimitTwiceIsNotEvaluable) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Ended(WorkerEnd::kTimeLimit, "too long"); });
  pipeline->RunOne();
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady);
  pipeline->RunOne();
  EXPECT_EQ(Result().at("decision"), "not evaluable");
  EXPECT_EQ(Result().at("reasons")[0].at("code"), "time_limit");
}

TEST_F(PipelineTest, AGpuThatFailsCostsNoAttempt) {
  auto pipeline = MakePipeline(
      [](const WorkerRequest& request) {
        if (request.device == "cpu") return Answered(0.2);
        WorkerRun run;
        run.end = WorkerEnd::kAnswered;
        run.answer.error = "CUDA error: out of memory";
        return run;
      },
      "all", "auto");
  pipeline->RunOne();
  EXPECT_EQ(Result().at("decision"), "recurrence");
  EXPECT_EQ(pipeline->Counters().cpu_reruns, 1u);
  EXPECT_EQ(jobs_->OfStudy(StudyUid())[0].attempt, 1);
}

TEST_F(PipelineTest, ABundleThatDoesNotProveItselfEvaluatesNothing) {
  Pipeline pipeline({*files_, *index_, *jobs_, *outbox_, clock_, "GLIONODE",
                     [](const WorkerRequest&, int) {
                       WorkerRun run;
                       run.end = WorkerEnd::kAnswered;
                       run.answer.error = "weights.safetensors: the hash differs";
                       return run;
                     }},
                    ModelSettings{}, {});
  pipeline.SelfTest();
  EXPECT_FALSE(pipeline.Model().ready);
  EXPECT_NE(pipeline.Model().text.find("hash differs"), std::string::npos);
  EXPECT_FALSE(pipeline.RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady);
}

TEST_F(PipelineTest, ACrashBeforeTheRowsKeepsTheBytes) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  // The folder of results is there, its rows are not: as after a kill between the two.
  const auto job = jobs_->OfStudy(StudyUid())[0];
  pipeline->RunOne();
  const auto first = Objects();
  std::filesystem::remove(files_->IndexFile());
  for (const char* more : {"-wal", "-shm"}) std::filesystem::remove(files_->IndexFile().string() + more);
  Reopen();
  ingest_->SweepUnindexed();
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  ASSERT_EQ(jobs_->OfStudy(StudyUid())[0].input_key, job.input_key);
  pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  pipeline->RunOne();
  const auto second = Objects();
  ASSERT_EQ(second.size(), first.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(second[i].sha256, first[i].sha256);
    EXPECT_EQ(second[i].sop_instance_uid, first[i].sop_instance_uid);
  }
}

TEST_F(PipelineTest, ARevisionNamesItsPredecessor) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  pipeline->RunOne();
  PushStudy({.roles = {"t2"}, .content = "b"});
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  pipeline->RunOne();
  EXPECT_EQ(index_->Find(StudyUid())->revision, 2);
  const std::string text = dicom::RenderSrText(files_->Root() / Objects()[0].file);
  EXPECT_NE(text.find("Replaces the report of"), std::string::npos) << text;
}

TEST_F(PipelineTest, AReportThatNeverLeftIsNoPredecessor) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  pipeline->RunOne();
  outbox_->WithdrawUnsent(StudyUid(), "the PACS was away, and the identity changed", clock_.Wall());
  PushStudy({.roles = {"t2"}, .content = "b"});
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  pipeline->RunOne();
  const std::string text = dicom::RenderSrText(files_->Root() / Objects()[0].file);
  EXPECT_EQ(text.find("Replaces"), std::string::npos) << text;
}

TEST_F(PipelineTest, TheFolderOfAResultHoldsWhatALostIndexIsRebuiltFrom) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  pipeline->RunOne();
  const auto folder = (files_->Root() / Objects()[0].file).parent_path();
  std::ifstream in(folder / "job.json");
  const auto job = nlohmann::json::parse(in);
  const auto stored = *jobs_->NewestResult(StudyUid());
  EXPECT_EQ(job.at("study_uid"), StudyUid());
  EXPECT_EQ(job.at("input_key"), stored.input_key);
  EXPECT_EQ(job.at("revision"), 1);
  EXPECT_EQ(job.at("reported_at"), stored.created_at);
  const auto inputs = nlohmann::json::parse(jobs_->Find(stored.job_id)->inputs_json);
  EXPECT_EQ(InputsFromJson(job.at("inputs")).selection_key, InputsFromJson(inputs).selection_key);
  EXPECT_FALSE(InputsFromJson(inputs).selection_key.empty());
}

TEST_F(PipelineTest, CodesOfTheSiteStandInTheReport) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  ReportCodes codes;
  codes.necrosis = {"N-1", "99SITE", "Radiation necrosis of the brain"};
  pipeline->SetCodes(codes);
  pipeline->RunOne();
  const std::string text = dicom::RenderSrText(files_->Root() / Objects()[0].file);
  EXPECT_NE(text.find("Radiation necrosis of the brain (N-1, 99SITE)"), std::string::npos) << text;
  EXPECT_EQ(text.find("445145001"), std::string::npos) << text;
}

TEST_F(PipelineTest, OurOwnObjectsComingBackStartNothing) {
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  pipeline->RunOne();
  const auto before = *index_->Find(StudyUid());
  for (const auto& object : Objects()) Push(files_->Root() / object.file);
  for (const auto& report : ReadObjects((files_->Root() / Objects()[0].file).parent_path()).reports)
    Push(report.file);  // the other classes are known by our device UID alone
  int own = 0;
  for (const auto& instance : index_->Instances(StudyUid())) own += instance.kind == storage::InstanceKind::kOwn;
  EXPECT_GE(own, 4);
  EXPECT_EQ(index_->Find(StudyUid())->changes, before.changes);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
}

// --- the outbox worker

class OutboxWorkerTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    MakePipeline([](const WorkerRequest&) { return Answered(0.9); })->RunOne();
  }
  int Send(dicom::SendResult answer, const std::string& only_class = "") {
    OutboxWorker worker(
        {*files_, *index_, *jobs_, *outbox_, clock_,
         [&](const PeerSettings&, const std::vector<dicom::OutgoingObject>& objects) {
           std::vector<dicom::SendResult> results;
           for (const auto& object : objects) {
             sent_.push_back(object);
             const bool hit = only_class.empty() || object.sop_class_uid == only_class;
             results.push_back(hit ? answer : dicom::SendResult{dicom::SendOutcome::kSent, 0, "stored"});
           }
           return results;
         },
         [] { return true; }},
        {});
    PeerSettings peer;
    peer.ae_title = "PACS";
    return worker.SendDue(peer);
  }
  WithdrawalDone TakeBack(dicom::RejectionReason reason = dicom::RejectionReason::kQuality) {
    return Withdraw({*files_, *index_, *jobs_, *outbox_, clock_.Wall(), "test"}, {StudyUid(), reason, "a test"});
  }
  std::vector<dicom::OutgoingObject> sent_;
};

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
      {*files_, *index_, *jobs_, *outbox_, clock_,
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

}  // namespace
}  // namespace glionode::server
