#include "server/pipeline.h"

#include "config/error.h"
#include "dicom/header_reader.h"
#include "dicom/sr_report.h"
#include "pipeline_fixture.h"
#include "storage/rows.h"

#include <fstream>

namespace glionode::server {
namespace {

using storage::JobState;
using storage::OutboxState;
using storage::StudyState;

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

/// Takes page after page until one is refused.
void FillIndex(storage::Database& database) {
  for (int i = 0; i < 10000; ++i)
    database.Write([](auto& session) { storage::Execute(session, "INSERT INTO filler VALUES (zeroblob(4000))"); });
}

TEST_F(PipelineTest, AFullIndexCostsNoAttemptAndTheStudyWaits) {
  const auto limit_pages = [this](const char* pages) {
    database_->Write(
        [&](auto& session) { storage::Execute(session, std::string("PRAGMA max_page_count = ") + pages); });
  };
  database_->Write([](auto& session) { storage::Execute(session, "CREATE TABLE filler (block BLOB)"); });
  bool is_full = true;
  auto pipeline = MakePipeline([&](const WorkerRequest&) {
    if (!is_full) return Answered(0.9);
    limit_pages("1");  // as many as it has; and none of these stays free
    EXPECT_THROW(FillIndex(*database_), Error);
    WorkerRun run = Answered(0.9);  // its row needs several pages
    for (int i = 0; i < 150; ++i)
      run.answer.reasons.push_back({ReasonCode::kGeometry, "a gap of 12 mm, and more of it, and more"});
    return run;
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(pipeline->RunOne());
    EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady);
    EXPECT_EQ(jobs_->OfStudy(StudyUid())[0].attempt, 0);
    EXPECT_FALSE(pipeline->RunOne()) << "it rests";
    clock_.Advance(6);
  }
  EXPECT_EQ(pipeline->Counters().jobs_failed, 0);
  limit_pages("1073741823");
  is_full = false;
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
}

TEST_F(PipelineTest, AJobWhoseEndCouldNotBeWrittenIsTakenUpAgain) {
  const auto rename = [this](const char* from, const char* to) {
    database_->Write(
        [&](auto& session) { storage::Execute(session, std::string("ALTER TABLE ") + from + " RENAME TO " + to); });
  };
  bool index_is_away = true;
  auto pipeline = MakePipeline([&](const WorkerRequest&) {
    if (index_is_away) rename("jobs", "jobs_away");
    return Answered(0.9);
  });
  EXPECT_THROW(pipeline->RunOne(), Error);
  EXPECT_THROW(pipeline->RunOne(), Error);
  rename("jobs_away", "jobs");
  index_is_away = false;
  EXPECT_EQ(jobs_->OfStudy(StudyUid())[0].state, storage::JobState::kRunning);
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
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
  Pipeline pipeline({*files_, *index_, *jobs_, *outbox_, *peers_, clock_, "GLIONODE",
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

TEST_F(PipelineTest, APeerOverItsHourlyLimitWaitsAndOthersDoNot) {
  PushStudy({.name = "second"});
  PushStudy({.name = "third"});
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 2);
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  PeerSettings slow;
  slow.ae_title = "PACS", slow.deliver = "all", slow.max_jobs_per_hour = 2;
  pipeline->SetPeers({slow});
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_FALSE(pipeline->RunOne()) << "two an hour";
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady) << "the newest were first";
  clock_.Advance(3601);
  EXPECT_TRUE(pipeline->RunOne());
}

TEST_F(PipelineTest, AGpuThatHangsIsLeftForTheCpu) {
  auto pipeline = MakePipeline(
      [](const WorkerRequest& request) {
        return request.device == "cpu" ? Answered(0.2) : Ended(WorkerEnd::kTimeLimit, "too long");
      },
      "all", "auto");
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  EXPECT_EQ(pipeline->Counters().cpu_reruns, 1u);
}

TEST_F(PipelineTest, EveryPacsThatSentTheStudyGetsTheResultIfItMayHaveIt) {
  for (const char* sender : {"SECOND", "SILENT"}) peers_->NoteSender(StudyUid(), sender, clock_.Wall());
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.9); });
  std::vector<PeerSettings> peers(4);
  peers[0].ae_title = "PACS", peers[1].ae_title = "SECOND", peers[2].ae_title = "SILENT", peers[3].ae_title = "OTHER";
  for (PeerSettings& peer : peers) peer.deliver = peer.ae_title == "SILENT" ? "none" : "all";
  pipeline->SetPeers(peers);
  pipeline->RunOne();
  std::map<std::string, int> rows;
  for (const auto& row : outbox_->OfStudy(StudyUid())) ++rows[row.peer_ae];
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows["PACS"], rows["SECOND"]);
  // Whoever is not addressed is settled by who serves late senders, which makes no rows without delivery.
  const auto late = peers_->LateSenders();
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0].peer_ae, "SILENT");
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

}  // namespace
}  // namespace glionode::server
