#include "server/pipeline.h"

#include "dicom/sr_report.h"
#include "node_fixture.h"
#include "server/outbox_worker.h"

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
        Pipeline::Parts{*files_, *index_, *jobs_, clock_, "GLIONODE",
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
  Pipeline pipeline({*files_, *index_, *jobs_, clock_, "GLIONODE",
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
        {*files_, *index_, *outbox_, clock_,
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

}  // namespace
}  // namespace glionode::server
