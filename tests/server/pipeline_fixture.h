#pragma once
#include "dicom/sr_report.h"
#include "node_fixture.h"
#include "server/pipeline.h"

namespace glionode::server {

/// A study with a ready job, and a pipeline whose worker the test writes.
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
        Pipeline::Parts{*files_, *index_, *jobs_, *outbox_, *peers_, clock_, "GLIONODE",
                        [this, evaluate](const WorkerRequest& request, int) {
                          requests_.push_back(request);
                          return request.step == WorkerStep::kSelfTest ? self_test_(request) : evaluate(request);
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
  static WorkerRun Refused(const std::string& error, const std::string& device) {
    WorkerRun run;
    run.end = WorkerEnd::kAnswered;
    run.answer.error = error;
    run.answer.device = device;
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
  std::function<WorkerRun(const WorkerRequest&)> self_test_ = [](const WorkerRequest& request) {
    return SelfTested(request.device);
  };
};

}  // namespace glionode::server
