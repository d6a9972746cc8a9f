// How the node knows that its model is fit to answer, and where it computes.
#include "pipeline_fixture.h"
#include "server/pipeline.h"

namespace glionode::server {
namespace {

using storage::StudyState;

TEST_F(PipelineTest, AGpuThatAnswersWrongIsLeftOutUntilItPassesATest) {
  PushStudy({.name = "second"});
  auto watcher = MakeWatcher(StudySettings{});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  std::vector<std::string> jobs_on;
  auto pipeline = MakePipeline(
      [&](const WorkerRequest& request) {
        jobs_on.push_back(request.device);
        return Answered(0.2);
      },
      "all", "auto");
  EXPECT_EQ(pipeline->Model().device, "cuda:0");
  const auto healthy = self_test_;
  self_test_ = [&](const WorkerRequest& request) {  // no CUDA error: just another number
    return request.device == "cpu"
               ? healthy(request)
               : Refused("bundle.json: reference: logit: the reference input gives 3, the bundle says 0.5", "cuda:0");
  };
  for (int day = 0; day < 2; ++day) {  // the second finds a node that says "cpu" of itself
    pipeline->SelfTest();
    EXPECT_TRUE(pipeline->Model().ready);
    EXPECT_EQ(pipeline->Model().device, "cpu");
    EXPECT_NE(pipeline->Model().text.find("the test failed on the GPU"), std::string::npos) << pipeline->Model().text;
  }
  EXPECT_TRUE(pipeline->RunOne());
  self_test_ = healthy;
  pipeline->SelfTest();
  EXPECT_EQ(pipeline->Model().device, "cuda:0");
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(jobs_on, (std::vector<std::string>{"cpu", "auto"}));
}

TEST_F(PipelineTest, AGpuThatHangsInTheFirstTestIsLeftForTheCpu) {
  self_test_ = [](const WorkerRequest& request) {
    return request.device == "cpu" ? SelfTested("cpu") : Ended(WorkerEnd::kTimeLimit, "too long");
  };
  std::string job_on;
  auto pipeline = MakePipeline(
      [&](const WorkerRequest& request) {
        job_on = request.device;
        return Answered(0.2);
      },
      "all", "auto");
  EXPECT_TRUE(pipeline->Model().ready);
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(job_on, "cpu");
}

TEST_F(PipelineTest, ABrokenBundleIsNotTakenForABrokenGpu) {
  self_test_ = [](const WorkerRequest&) { return Refused("weights.safetensors: the hash differs", ""); };
  auto pipeline = MakePipeline([](const WorkerRequest&) { return Answered(0.2); }, "all", "auto");
  EXPECT_FALSE(pipeline->Model().ready);
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(pipeline->Counters().cpu_reruns, 0u);
}

/// A worker's answer with the bundle that lies there now: what server/worker_steps.cpp does.
class ReplacedBundle : public PipelineTest {
 protected:
  std::unique_ptr<Pipeline> Start() {
    self_test_ = [this](const WorkerRequest&) {
      ++tests_;
      if (!is_sound_) return Refused("bundle.json: reference: logit: another one", "cpu");
      WorkerRun run = SelfTested("cpu");
      run.answer.bundle->sha256 = on_disk_;
      return run;
    };
    return MakePipeline([this](const WorkerRequest& request) {
      if (request.proven_sha256 == on_disk_) return Answered(0.9);
      WorkerRun run = Refused("was replaced by a bundle that has not proven itself", "");
      run.answer.bundle_unproven = true;
      return run;
    });
  }
  std::string on_disk_ = "first";
  bool is_sound_ = true;
  int tests_ = 0;
};

TEST_F(ReplacedBundle, ProvesItselfBeforeItAnswers) {
  auto pipeline = Start();
  on_disk_ = "second";
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReady);
  EXPECT_EQ(jobs_->OfStudy(StudyUid())[0].attempt, 0) << "it costs the study nothing";
  EXPECT_EQ(tests_, 2);
  EXPECT_EQ(pipeline->Model().bundle->sha256, "second");
  clock_.Advance(6);
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
}

TEST_F(ReplacedBundle, AnswersNothingWhileItDoesNotProveItself) {
  auto pipeline = Start();
  on_disk_ = "second";
  is_sound_ = false;
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_FALSE(pipeline->Model().ready);
  clock_.Advance(6);
  EXPECT_FALSE(pipeline->RunOne());
  EXPECT_EQ(tests_, 2);
  clock_.Advance(60);
  EXPECT_FALSE(pipeline->RunOne());
  EXPECT_EQ(tests_, 3) << "it is asked again, once a minute";
  is_sound_ = true;
  clock_.Advance(61);
  EXPECT_TRUE(pipeline->RunOne());
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
  clock_.Advance(61);
  pipeline->RunOne();
  EXPECT_EQ(tests_, 4) << "and no more";
}

}  // namespace
}  // namespace glionode::server
