#pragma once
#include "node_fixture.h"

namespace glionode::server {

inline StudySettings Times() {
  StudySettings settings;
  settings.quiet_seconds = 60;
  settings.incomplete_wait_seconds = 3600;
  settings.max_wait_seconds = 14400;
  settings.settle_seconds = 5;
  return settings;
}

class WatcherTest : public NodeTest {
 protected:
  /// Pushes the study and lets its quiet time pass: one job.
  void MakeJob(StudyWatcher& watcher) {
    PushStudy({});
    watcher.Tick(Bundle());
    clock_.Advance(61);
    ASSERT_EQ(watcher.Tick(Bundle()), 1);
  }
  /// The same, and the job's result is stored.
  void MakeReport(StudyWatcher& watcher, const std::vector<storage::NewObject>& objects = {}) {
    MakeJob(watcher);
    const auto job = jobs_->Claim("test", clock_.Wall(), clock_.Wall() + 1000);
    storage::ResultRecord result;
    result.decision = "recurrence";
    result.result_json = "{}";
    jobs_->Finish(job->id, result, objects, clock_.Wall());
  }
};

inline StudyInputs InputsOf(const storage::JobRecord& job) { return InputsFromJson(nlohmann::json::parse(job.inputs_json)); }

}  // namespace glionode::server
