#pragma once
#include "config/clock.h"
#include "config/settings.h"
#include "server/result_statistics.h"
#include "server/study_inputs.h"
#include "server/study_result.h"
#include "server/worker_client.h"
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/outbox.h"
#include "storage/peers.h"
#include "storage/study_index.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace glionode::server {

/// Whether the model is fit to answer (promise 10).
struct ModelState {
  bool ready = false;
  std::string text = "the bundle has not been tested yet";  ///< why not, or its name and device
  std::optional<BundleSummary> bundle;
  std::string device;
};

struct PipelineCounters {
  std::uint64_t jobs_done = 0, jobs_failed = 0, retries = 0, cpu_reruns = 0;
  ResultCounts results;
  double last_job_ms = 0;
};

/// Turns jobs into results: claims one job, has the worker do it, stores result, objects and outbox rows in one
/// transaction. Threads: RunOne and SelfTest from one thread; the rest from any.
class Pipeline {
 public:
  struct Parts {
    storage::FileStore& files;
    storage::StudyIndex& index;
    storage::Jobs& jobs;
    storage::Outbox& outbox;
    storage::Peers& peers;
    const Clock& clock;
    std::string ae_title;
    std::function<WorkerRun(WorkerRequest, int time_limit_seconds)> run_worker;
  };
  Pipeline(Parts parts, ModelSettings model, std::vector<PeerSettings> peers);

  void SetPeers(std::vector<PeerSettings> peers);
  void SetModel(ModelSettings model);
  void SetCodes(ReportCodes codes);
  /// The bundle proves itself by its reference input; while it does not, no job runs. Where it does so on the CPU only,
  /// jobs leave the GPU alone until a later test passes on it.
  void SelfTest();
  ModelState Model() const;
  /// Takes the newest ready job and brings it to an end. False: there was none. A bundle that was replaced since its
  /// test answers nothing: it is tested, and the job waits.
  bool RunOne();
  PipelineCounters Counters() const;

 private:
  void Finish(const storage::JobRecord& job, const StudyInputs& inputs, WorkerAnswer answer,
              const std::filesystem::path& staging);
  /// Peers whose studies have had their jobs of this hour.
  std::vector<std::string> RestingPeers(WallMs now) const;
  /// The study's own failure: tried once more, then failed.
  void Break(const storage::JobRecord& job, const std::string& error);
  /// The node's: the job waits, and no attempt counts.
  void PutBack(const storage::JobRecord& job, const std::string& error);
  bool HasRoom() const;
  /// `left_gpu`: it failed on a GPU, and this is what the CPU made of it.
  struct Work {
    WorkerRun run;
    bool left_gpu = false;
  };
  Work DoWork(WorkerRequest request);
  /// The self-test of a bundle that was replaced under the running node.
  void TestAgain();
  std::optional<dicom::Predecessor> PredecessorOf(const std::string& study_uid, std::int64_t& job_id) const;
  ResultContext ContextFor(const storage::JobRecord& job, const StudyInputs& inputs) const;
  /// To whom a study's result goes, and in which class its report.
  struct Delivery {
    std::vector<std::string> receivers;
    std::size_t report = 0;  ///< index into WrittenObjects::reports
  };
  Delivery DeliveryOf(const std::string& study_uid, const WrittenObjects& written) const;

  Parts parts_;
  // Of the one thread that calls RunOne:
  SteadyTime rests_until_{};
  bool has_loose_end_ = false;                ///< the end of a job could not be written into the index
  std::optional<SteadyTime> tests_again_at_;  ///< a replaced bundle that has not proven itself
  mutable std::mutex mutex_;                  ///< of everything below
  ModelSettings settings_;
  std::vector<PeerSettings> peers_;
  ReportCodes codes_;
  ModelState model_;
  bool gpu_is_out_ = false;  ///< it failed the last test that the CPU passed
  PipelineCounters counters_;
  ResultStatistics statistics_;  ///< locks by itself
};

}  // namespace glionode::server
