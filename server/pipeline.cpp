#include "server/pipeline.h"

#include "config/error.h"
#include "config/log.h"
#include "server/result_folder.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace glionode::server {
namespace {

constexpr int kAttempts = 2;
/// After trouble of the node's own.
constexpr std::chrono::seconds kRest{5};
/// Between the tests of a bundle that was replaced and does not prove itself.
constexpr std::chrono::seconds kTestAgain{60};
/// Pictures, report, captures and the index's log, several times over.
constexpr std::int64_t kRoomForAResult = std::int64_t{32} << 20;

bool IsGpu(const std::string& device) { return device.starts_with("cuda"); }

/// Whether a run that went wrong may have done so because of a GPU. A worker that answers says where it computed. One
/// that crashed or hung does not: then the GPU is suspected where jobs run on one (`jobs_on`), and of a test always.
bool MayBeTheGpu(const WorkerRequest& request, const WorkerRun& run, const std::string& jobs_on) {
  if (request.device == "cpu" || request.step == WorkerStep::kDigest) return false;
  // Over the time limit counts too: a GPU that is lost may hang instead of failing.
  if (run.end == WorkerEnd::kCrashed || run.end == WorkerEnd::kTimeLimit)
    return request.step == WorkerStep::kSelfTest || IsGpu(jobs_on);
  return run.end == WorkerEnd::kAnswered && !run.answer.ok &&
         (IsGpu(run.answer.device) || run.answer.error.find("CUDA") != std::string::npos);
}

std::string ReadFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw Error(ErrorCode::kInternal, file.string() + ": cannot be read");
  return text.str();
}

/// An empty folder under the data folder's staging, removed unless it was moved to its place.
class StagingFolder {
 public:
  explicit StagingFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~StagingFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;
  const std::filesystem::path& Path() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

/// The peer holds it, or will before it gets anything newer: rows leave in the order of their making.
bool LeavesBefore(const storage::OutboxRecord& row) {
  return row.state == storage::OutboxState::kSent || row.state == storage::OutboxState::kConfirmed ||
         row.state == storage::OutboxState::kPending;
}

void WriteJobFile(const storage::JobRecord& job, const StudyInputs& inputs, WallMs reported_at,
                  const std::filesystem::path& folder) {
  const nlohmann::json text = {{"format", 1},
                               {"study_uid", job.study_uid},
                               {"input_key", job.input_key},
                               {"revision", job.revision},
                               {"created_at", job.created_at},
                               {"reported_at", reported_at},
                               {"inputs", ToJson(inputs)}};
  std::ofstream out(folder / "job.json", std::ios::binary);
  out << text.dump(2) << "\n";
  if (!out.flush()) throw Error(ErrorCode::kOutOfSpace, (folder / "job.json").string() + ": cannot be written");
}

}  // namespace

Pipeline::Pipeline(Parts parts, ModelSettings model, std::vector<PeerSettings> peers)
    : parts_(std::move(parts)), settings_(std::move(model)), peers_(std::move(peers)) {}

void Pipeline::SetPeers(std::vector<PeerSettings> peers) {
  const std::lock_guard lock(mutex_);
  peers_ = std::move(peers);
}

void Pipeline::SetModel(ModelSettings model) {
  const std::lock_guard lock(mutex_);
  settings_ = std::move(model);
}

void Pipeline::SetCodes(ReportCodes codes) {
  const std::lock_guard lock(mutex_);
  codes_ = std::move(codes);
}

ModelState Pipeline::Model() const {
  const std::lock_guard lock(mutex_);
  return model_;
}

PipelineCounters Pipeline::Counters() const {
  const std::lock_guard lock(mutex_);
  PipelineCounters counters = counters_;
  counters.results = statistics_.Counts();
  return counters;
}

Pipeline::Work Pipeline::DoWork(WorkerRequest request) {
  int limit;
  std::string jobs_on;
  {
    const std::lock_guard lock(mutex_);
    request.bundle = settings_.bundle.string();
    request.bundle_sha256 = settings_.sha256;
    const bool is_job = request.step == WorkerStep::kEvaluate;
    request.device = is_job && gpu_is_out_ ? "cpu" : settings_.device;
    if (is_job && model_.bundle) request.proven_sha256 = model_.bundle->sha256;
    jobs_on = model_.device;
    request.threads = settings_.threads;
    request.memory_limit_mib = settings_.memory_limit_mib;
    limit = settings_.time_limit_seconds;
  }
  WorkerRun run = parts_.run_worker(request, limit);
  if (!MayBeTheGpu(request, run, jobs_on)) return {std::move(run), false};
  // Promise 9: a GPU that fails costs no attempt; the job runs again on the CPU, said and counted.
  LogWarning("pipeline", "the worker failed, on the GPU if there is one (" +
                             (run.end == WorkerEnd::kAnswered ? run.answer.error : run.text) +
                             "); running again on the CPU");
  {
    const std::lock_guard lock(mutex_);
    ++counters_.cpu_reruns;
  }
  request.device = "cpu";
  return {parts_.run_worker(request, limit), true};
}

void Pipeline::SelfTest() {
  WorkerRequest request;
  request.step = WorkerStep::kSelfTest;
  const auto [run, left_gpu] = DoWork(request);
  if (run.end == WorkerEnd::kCancelled) return;
  ModelState state;
  if (run.end == WorkerEnd::kAnswered && run.answer.ok && run.answer.bundle) {
    state.ready = true;
    state.bundle = run.answer.bundle;
    state.device = run.answer.device;
    state.text = state.bundle->name + " " + state.bundle->version + " on " + state.device;
    if (left_gpu)
      state.text += "; the test failed on the GPU, if there is one: no study is evaluated on it until it passes one";
    tests_again_at_.reset();
    LogInfo("pipeline", "the bundle has proven itself: " + state.text);
  } else {
    state.text = run.end == WorkerEnd::kAnswered ? run.answer.error : run.text;
    LogError("pipeline", "the bundle has not proven itself, nothing is evaluated or sent: " + state.text);
  }
  const std::lock_guard lock(mutex_);
  model_ = std::move(state);
  gpu_is_out_ = left_gpu;
}

void Pipeline::TestAgain() {
  tests_again_at_ = parts_.clock.Steady() + kTestAgain;
  SelfTest();  // forgets it if all is well
}

bool Pipeline::HasRoom() const { return parts_.files.FreeBytes() >= kRoomForAResult; }

bool Pipeline::RunOne() {
  if (tests_again_at_ && parts_.clock.Steady() >= *tests_again_at_) TestAgain();
  if (!Model().ready || parts_.clock.Steady() < rests_until_ || !HasRoom()) return false;
  if (has_loose_end_) {
    parts_.jobs.ReleaseAbandoned();  // throws while the index is still out of reach
    has_loose_end_ = false;
  }
  const WallMs now = parts_.clock.Wall();
  int limit;
  {
    const std::lock_guard lock(mutex_);
    limit = settings_.time_limit_seconds;
  }
  // The lease outlives the longest possible run, the CPU rerun included; only a process that is gone lets it run out.
  const auto job = parts_.jobs.Claim("pid " + std::to_string(getpid()), now, now + WallMs{1000} * (2 * limit + 60),
                                     RestingPeers(now));
  if (!job) return false;
  has_loose_end_ = true;  // until Break, PutBack or Finish has written how it ended, whatever throws in between
  const LogScope scope("study", job->study_uid);
  const auto start = std::chrono::steady_clock::now();
  try {
    const StudyInputs inputs = InputsFromJson(nlohmann::json::parse(job->inputs_json));
    const StagingFolder staging(parts_.files.NewResultStaging()), views(parts_.files.NewResultStaging());
    WorkerRequest request = MakeRequest(WorkerStep::kEvaluate, inputs, parts_.files.Root());
    request.out_dir = views.Path().string();
    const WorkerRun run = DoWork(std::move(request)).run;
    WorkerAnswer answer = run.answer;
    if (run.end == WorkerEnd::kCancelled) return true;  // stays `running`; the next start makes it ready again
    if (run.end == WorkerEnd::kAnswered && !answer.ok && answer.bundle_unproven) {
      PutBack(*job, answer.error);
      TestAgain();
      return true;
    }
    if (run.end == WorkerEnd::kTimeLimit && job->attempt >= kAttempts) {
      answer = {};
      answer.ok = true;
      answer.bundle = Model().bundle;
      answer.reasons = inputs.reasons;
      answer.reasons.push_back({ReasonCode::kTimeLimit, "The evaluation took longer than the time limit of " +
                                                            std::to_string(limit) + " s, twice."});
    } else if (run.end != WorkerEnd::kAnswered || !answer.ok) {
      const std::string& error = run.end != WorkerEnd::kAnswered ? run.text : answer.error;
      HasRoom() ? Break(*job, error) : PutBack(*job, error);
      return true;
    }
    std::error_code ignored;
    if (std::filesystem::exists(views.Path() / "views.bin", ignored))
      std::filesystem::rename(views.Path() / "views.bin", staging.Path() / "views.bin");
    Finish(*job, inputs, std::move(answer), staging.Path());
    const std::lock_guard lock(mutex_);
    counters_.last_job_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  } catch (const Error& e) {
    const bool of_the_node = e.Code() == ErrorCode::kOutOfSpace || e.Code() == ErrorCode::kBusy || !HasRoom();
    of_the_node ? PutBack(*job, e.what()) : Break(*job, e.what());
  } catch (const std::exception& e) {
    HasRoom() ? Break(*job, e.what()) : PutBack(*job, e.what());
  }
  return true;
}

std::vector<std::string> Pipeline::RestingPeers(WallMs now) const {
  std::map<std::string, int> limits;
  {
    const std::lock_guard lock(mutex_);
    for (const PeerSettings& peer : peers_)
      if (peer.max_jobs_per_hour > 0) limits[peer.ae_title] = peer.max_jobs_per_hour;
  }
  std::vector<std::string> resting;
  if (limits.empty()) return resting;
  for (const auto& [peer, count] : parts_.jobs.StartedSince(now - 3600000, now))
    if (const auto found = limits.find(peer); found != limits.end() && count >= found->second) resting.push_back(peer);
  return resting;
}

void Pipeline::Break(const storage::JobRecord& job, const std::string& error) {
  const bool again = job.attempt < kAttempts;
  LogError("pipeline", "job " + std::to_string(job.id) + " of study " + job.study_uid + ", attempt " +
                           std::to_string(job.attempt) + ": " + error + (again ? "; tried once more" : "; given up"));
  parts_.jobs.Fail(job.id, error, again);
  has_loose_end_ = false;
  const std::lock_guard lock(mutex_);
  ++(again ? counters_.retries : counters_.jobs_failed);
}

void Pipeline::PutBack(const storage::JobRecord& job, const std::string& error) {
  LogError("pipeline", "job " + std::to_string(job.id) + " of study " + job.study_uid + " waits: " + error);
  rests_until_ = parts_.clock.Steady() + kRest;
  parts_.jobs.PutBack(job.id, error);
  has_loose_end_ = false;
}

ResultContext Pipeline::ContextFor(const storage::JobRecord& job, const StudyInputs& inputs) const {
  ResultContext context;
  context.input_key = job.input_key;
  context.node_id = parts_.files.NodeId();
  context.ae_title = parts_.ae_title;
  context.now = parts_.clock.Wall();
  context.revision = job.revision;
  {
    const std::lock_guard lock(mutex_);
    context.codes = codes_;
  }
  std::int64_t job_id = 0;
  if (job.revision > 1) context.predecessor = PredecessorOf(job.study_uid, job_id);
  if (!context.predecessor) return context;
  if (const auto old_job = parts_.jobs.Find(job_id))
    context.revision_reason = DescribeChange(InputsFromJson(nlohmann::json::parse(old_job->inputs_json)), inputs);
  return context;
}

std::optional<dicom::Predecessor> Pipeline::PredecessorOf(const std::string& study_uid, std::int64_t& job_id) const {
  // A report that never left (withdrawn while the PACS was away) is nothing that a reader could have before him. Where
  // nothing is delivered at all, the newest is what was shown here.
  const auto rows = parts_.outbox.OfStudy(study_uid);
  const auto leaves = [&](const storage::ObjectRecord& object) {
    return std::any_of(rows.begin(), rows.end(), [&](const storage::OutboxRecord& row) {
      return row.object_id == object.id && LeavesBefore(row);
    });
  };
  for (const storage::ResultRecord& before : parts_.jobs.Results(study_uid))
    for (const storage::ObjectRecord& object : parts_.jobs.Objects(before.id)) {
      if (object.kind != "sr" || (!rows.empty() && !leaves(object))) continue;
      dicom::Predecessor predecessor{study_uid, object.series_uid, object.sop_class_uid, object.sop_instance_uid, {},
                                     {}};
      predecessor.date_time = LocalTimeText(before.created_at, "%Y-%m-%d %H:%M");
      predecessor.decision = DecisionFromText(before.decision).value_or(Decision::kNotEvaluable);
      job_id = before.job_id;
      return predecessor;
    }
  return std::nullopt;
}

Pipeline::Delivery Pipeline::DeliveryOf(const std::string& study_uid, const WrittenObjects& written) const {
  // Every PACS that sent images of the study has it, and so may have its result.
  const std::vector<std::string> senders = parts_.peers.Senders(study_uid);
  Delivery delivery;
  std::string remembered;  ///< peer whose last accepted class is taken
  {
    const std::lock_guard lock(mutex_);
    for (const PeerSettings& peer : peers_) {
      if (std::find(senders.begin(), senders.end(), peer.ae_title) == senders.end()) continue;
      if (peer.deliver == "all") delivery.receivers.push_back(peer.ae_title);
      delivery.report = peer.sr_class == "comprehensive" ? 1 : peer.sr_class == "enhanced" ? 2 : 0;
      remembered = peer.sr_class == "auto" ? peer.ae_title : "";
    }
  }
  if (const auto accepted = parts_.outbox.AcceptedSrClass(remembered))
    for (std::size_t i = 0; i < written.reports.size(); ++i)
      if (written.reports[i].sop_class_uid == *accepted) delivery.report = i;
  return delivery;
}

void Pipeline::Finish(const storage::JobRecord& job, const StudyInputs& inputs, WorkerAnswer answer,
                      const std::filesystem::path& staging) {
  const BundleSummary bundle = answer.bundle.value_or(BundleSummary{});
  const ResultContext context = ContextFor(job, inputs);
  StudyResult result = MakeResult(inputs, answer, bundle, context);
  const dicom::CaptureViews views = LoadViews(answer, staging / "views.bin");
  std::filesystem::remove(staging / "views.bin");
  const WrittenObjects written = WriteResult(result, views, parts_.files.Root() / inputs.source_file, staging);
  // What a lost index is rebuilt from: the result as already reported, and the input key that it stands for.
  WriteJobFile(job, inputs, context.now, staging);
  const Delivery delivery = DeliveryOf(job.study_uid, written);
  WriteDelivery(staging, delivery.receivers, delivery.report);
  // A crash behind this line finds the folder again under the same input key: the same bytes go out (promise 3).
  const std::string folder = parts_.files.CommitResults(staging, job.study_uid, job.input_key);
  storage::ResultRecord record;
  record.job_id = job.id;
  record.study_uid = job.study_uid;
  record.input_key = job.input_key;
  record.revision = job.revision;
  record.result_json = ReadFile(parts_.files.Root() / folder / "result.json");
  const nlohmann::json result_json = nlohmann::json::parse(record.result_json);
  record.decision = result_json.at("decision");
  record.created_at = context.now;  // what the report prints
  parts_.jobs.Finish(job.id, record, ObjectsOf(parts_.files.Root(), folder, delivery.receivers, delivery.report),
                     context.now);
  has_loose_end_ = false;
  LogInfo("pipeline", "study " + job.study_uid + " revision " + std::to_string(job.revision) + ": " + record.decision);
  statistics_.Add(result_json);
  const std::lock_guard lock(mutex_);
  ++counters_.jobs_done;
}

}  // namespace glionode::server
