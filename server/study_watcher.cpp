#include "server/study_watcher.h"

#include "config/error.h"
#include "config/log.h"
#include "dicom/identity_check.h"
#include "server/result_folder.h"

#include <algorithm>
#include <chrono>
#include <set>

namespace glionode::server {
namespace {

/// A study is read from the index again only when it has been quiet this long: a series that streams in is not judged
/// at every slice.
constexpr double kJudgeAfterSeconds = 0.5;

double Seconds(std::chrono::steady_clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

/// What one round remembers of a study, so that waiting runs on the monotonic clock.
struct StudyWatcher::Watched {
  std::int64_t changes = -1;
  SteadyTime first, last;
  std::int64_t judged = -1;  ///< `changes` and rules that the following were made from
  std::shared_ptr<const Rules> judged_by;
  std::optional<std::string> accepted_by;
  std::vector<StoredHeader> headers;
  int rejected = 0;  ///< images that rejection notes took back
  dicom::StudySelection selection;
  double headers_ms = 0;
};

struct StudyWatcher::Rules {
  StudySettings settings;
  AcceptRules accept;
  dicom::SiteRules roles;
};

WaitingVerdict JudgeWaiting(const WaitingFacts& facts, const StudySettings& settings) {
  const bool quiet = facts.since_last_s >= settings.quiet_seconds;
  if (facts.since_first_s >= settings.max_wait_seconds)
    return quiet || facts.complete ? WaitingVerdict::kStart : WaitingVerdict::kStartStillArriving;
  if (facts.complete) {
    if (quiet) return WaitingVerdict::kStart;
    const bool settled = facts.since_last_s >= settings.settle_seconds;
    return settings.early_start && settled && facts.count_evidence && !facts.may_still_arrive ? WaitingVerdict::kStart
                                                                                              : WaitingVerdict::kWait;
  }
  return quiet && facts.since_last_s >= settings.incomplete_wait_seconds ? WaitingVerdict::kStart
                                                                         : WaitingVerdict::kWait;
}

StudyWatcher::StudyWatcher(Parts parts, StudySettings settings, std::vector<AcceptRule> accept,
                           std::vector<RoleRule> roles)
    : parts_(std::move(parts)) {
  SetRules(settings, std::move(accept), std::move(roles));
}

void StudyWatcher::SetRules(StudySettings settings, std::vector<AcceptRule> accept, std::vector<RoleRule> roles) {
  auto made = std::make_shared<const Rules>(Rules{settings, AcceptRules(accept), dicom::SiteRules(roles)});
  const std::lock_guard lock(mutex_);
  rules_ = std::move(made);
}

int StudyWatcher::Tick(const std::optional<BundleSummary>& bundle) {
  const auto studies = parts_.index.List({storage::StudyState::kReceiving});
  std::set<std::string> present;
  int made = 0;
  for (const storage::StudyRecord& study : studies) {
    const LogScope scope("study", study.study_uid);
    present.insert(study.study_uid);
    try {
      made += Look(study, bundle);
    } catch (const std::exception& e) {
      LogError("watcher", "study " + study.study_uid + ": " + e.what());
    }
  }
  std::erase_if(watched_, [&](const auto& entry) { return present.count(entry.first) == 0; });
  return made;
}

bool StudyWatcher::Look(const storage::StudyRecord& study, const std::optional<BundleSummary>& bundle) {
  std::shared_ptr<const Rules> rules;
  {
    const std::lock_guard lock(mutex_);
    rules = rules_;
  }
  auto& slot = watched_[study.study_uid];
  const SteadyTime now = parts_.clock.Steady();
  if (!slot) {
    // First sight since the start: what passed before is taken from the columns; a wall clock that was set back counts
    // as no time at all.
    slot = std::make_shared<Watched>();
    const WallMs wall = parts_.clock.Wall();
    const auto ago = [&](WallMs then) { return now - std::chrono::milliseconds(std::max<WallMs>(0, wall - then)); };
    slot->first = ago(study.first_arrival);
    slot->last = ago(study.last_arrival);
    slot->changes = study.changes;
  }
  Watched& watched = *slot;
  if (watched.changes != study.changes) watched.last = now, watched.changes = study.changes;
  const double since_last = Seconds(now - watched.last), since_first = Seconds(now - watched.first);
  const double judge_after = std::min<double>(kJudgeAfterSeconds, rules->settings.quiet_seconds);
  if (since_last < judge_after && since_first < rules->settings.max_wait_seconds) return false;

  const std::vector<Role> wanted = bundle ? bundle->sequences : std::vector<Role>{Role::kT1, Role::kT2, Role::kT1ce};
  if (watched.judged != study.changes || watched.judged_by != rules) {
    Judge(study, watched, *rules, wanted);
    watched.judged_by = rules;
  }
  if (watched.headers.empty() && watched.rejected > 0 && study.accepted) {
    Park(study, "all_rejected",
         "rejection notes took back every image of this study; a report that has left stays in the PACS until it is "
         "withdrawn (glionode withdraw)");
    return false;
  }
  if (!watched.accepted_by) {
    const bool nothing_left = watched.headers.empty() && watched.rejected > 0;
    parts_.index.SetState(study.study_uid, storage::StudyState::kIgnored,
                          nothing_left ? "rejection notes took back every image" : "no accept rule matches",
                          study.changes);
    return false;
  }
  if (!bundle) return false;
  const WaitingFacts facts{since_first, since_last, watched.selection.reasons.empty(), watched.selection.count_evidence,
                           parts_.ingest.MayStillArrive(study.study_uid)};
  const WaitingVerdict verdict = JudgeWaiting(facts, rules->settings);
  if (verdict == WaitingVerdict::kWait) return false;
  return Start(study, watched, *bundle, verdict == WaitingVerdict::kStartStillArriving);
}

std::vector<StoredHeader> StudyWatcher::LoadHeaders(const std::string& study_uid, int& rejected) const {
  // IOCM: what a note of this study takes back, in whatever order the two arrive. A note speaks for its own study only.
  std::set<std::string> taken_back;
  for (const auto& note : parts_.index.Others(study_uid, dicom::kKeyObjectClass)) {
    const auto uids = dicom::HeaderFromJson(note.header_json).rejected_instances;
    taken_back.insert(uids.begin(), uids.end());
  }
  rejected = 0;
  auto records = parts_.index.Candidates(study_uid);
  std::stable_sort(records.begin(), records.end(),
                   [](const auto& a, const auto& b) { return a.received_at < b.received_at; });
  std::vector<StoredHeader> headers;
  for (const auto& record : records) {
    if (taken_back.count(record.sop_instance_uid))
      ++rejected;
    else
      headers.push_back({dicom::HeaderFromJson(record.header_json), record.file});
  }
  return headers;
}

void StudyWatcher::Judge(const storage::StudyRecord& study, Watched& watched, const Rules& rules,
                         const std::vector<Role>& wanted) {
  const auto start = std::chrono::steady_clock::now();
  watched.headers = LoadHeaders(study.study_uid, watched.rejected);
  watched.accepted_by.reset();
  for (const StoredHeader& instance : watched.headers)
    if (auto rule = rules.accept.Match(instance.header.attributes, study.from_ae, parts_.clock.Wall())) {
      watched.accepted_by = std::move(rule);
      break;
    }
  std::vector<dicom::InstanceHeader> headers;
  for (const StoredHeader& instance : watched.headers) headers.push_back(instance.header);
  watched.selection = dicom::SelectSeries(dicom::SummarizeSeries(headers), wanted, rules.roles, study.from_ae);
  std::vector<storage::SeriesRoleRecord> roles;
  for (const dicom::JudgedSeries& series : watched.selection.series) {
    storage::SeriesRoleRecord role{study.study_uid,
                                   series.facts.series_uid,
                                   std::string(ToText(series.verdict.role)),
                                   series.verdict.why,
                                   series.verdict.rule,
                                   {},
                                   series.verdict.score,
                                   false};
    const auto description = series.facts.attributes.find("SeriesDescription");
    if (description != series.facts.attributes.end()) role.description = description->second;
    for (const auto& [chosen_role, chosen] : watched.selection.chosen)
      if (chosen.series_uid == series.facts.series_uid) role.chosen = true;
    roles.push_back(std::move(role));
  }
  parts_.index.SetRoles(study.study_uid, roles);
  watched.judged = study.changes;
  watched.headers_ms = Seconds(std::chrono::steady_clock::now() - start) * 1000;
}

bool StudyWatcher::Start(const storage::StudyRecord& study, Watched& watched, const BundleSummary& bundle,
                         bool still_arriving) {
  switch (CheckIdentity(watched.headers)) {
    case IdentityVerdict::kMixed:
      // A person has compared exactly these images; the report carries the identity of the newest ones.
      if (parts_.releases && parts_.releases->IsReleased(study.study_uid, study.changes)) break;
      Park(study, std::string(ToText(ReasonCode::kMixedIdentity)), "images of this study name different patients");
      return false;
    case IdentityVerdict::kNone:
      Park(study, std::string(ToText(ReasonCode::kNoPatientId)), "the images carry no Patient ID");
      return false;
    case IdentityVerdict::kOne:
      break;
  }
  StudyInputs inputs = CollectInputs(watched.headers, watched.selection);
  inputs.headers_ms = watched.headers_ms;
  inputs.rejected = watched.rejected;
  // Before anything is read: housekeeping may have removed what the headers came from.
  if (LacksFiles(study, inputs)) return false;
  // Nothing that a PACS would refuse, or that nobody could read, is made under this identity.
  if (const auto problem = dicom::FindIdentityProblem(parts_.files.Root() / inputs.source_file)) {
    Park(study, problem->code, problem->text);
    return false;
  }
  if (still_arriving)
    inputs.reasons.push_back(
        {ReasonCode::kStillArriving, "Images were still arriving when the longest waiting time was over."});
  const WorkerRequest request = MakeRequest(WorkerStep::kDigest, inputs, parts_.files.Root());
  WorkerRun digests = parts_.run_worker(request);
  const auto broke = [&] { return digests.end != WorkerEnd::kAnswered || !digests.answer.ok; };
  // Once more, as for a job: a worker that broke by chance must not make the same images look like others.
  if (digests.end != WorkerEnd::kCancelled && broke()) digests = parts_.run_worker(request);
  if (digests.end == WorkerEnd::kCancelled) return false;
  // One that breaks on these images breaks in the job too, and is counted there; the key then rests on the files.
  if (broke()) digests.answer.digests.clear();
  inputs.selection_key = SelectionKey(inputs, digests.answer.digests);
  if (SameAsBefore(study, inputs)) return false;
  WithdrawOtherIdentity(study, inputs);

  storage::JobRecord job;
  job.study_uid = study.study_uid;
  job.revision = study.revision + 1;
  job.input_key = InputKey(inputs.selection_key, bundle.sha256, parts_.software, job.revision);
  job.inputs_json = ToJson(inputs).dump();
  job.created_at = parts_.clock.Wall();
  const auto created = parts_.jobs.Create(job, study.changes);
  if (!created) went_back_ = true;  // to what became of the job that is known under this key, perhaps
  if (created)
    LogInfo("watcher", "study " + study.study_uid + ": job " + std::to_string(created->id) + " for revision " +
                           std::to_string(job.revision) + ", " + *watched.accepted_by);
  return created.has_value();
}

void StudyWatcher::Park(const storage::StudyRecord& study, const std::string& code, const std::string& text) {
  const std::string why = code + ": " + text;
  if (!parts_.index.SetState(study.study_uid, storage::StudyState::kParked, why, study.changes)) return;
  // What was computed under the identity that is in doubt now must not go out any more (promise 5).
  NoteWithdrawn(parts_.files.Root(), parts_.outbox.OfStudy(study.study_uid));
  parts_.outbox.WithdrawUnsent(study.study_uid, why, parts_.clock.Wall());
  LogWarning("watcher", "study " + study.study_uid + " is parked: " + text);
}

void StudyWatcher::WithdrawOtherIdentity(const storage::StudyRecord& study, const StudyInputs& inputs) {
  for (const storage::JobRecord& job : parts_.jobs.OfStudy(study.study_uid)) {
    if (job.state != storage::JobState::kDone) continue;
    if (InputsFromJson(nlohmann::json::parse(job.inputs_json)).identity == inputs.identity) return;
    const std::string why = "the patient identity was corrected before this was sent";
    NoteWithdrawn(parts_.files.Root(), parts_.outbox.OfStudy(study.study_uid));
    if (parts_.outbox.WithdrawUnsent(study.study_uid, why, parts_.clock.Wall()) > 0)
      LogInfo("watcher", "study " + study.study_uid + ": unsent results are withdrawn, " + why);
    return;
  }
}

bool StudyWatcher::LacksFiles(const storage::StudyRecord& study, const StudyInputs& inputs) {
  // The source of the identity is one of the selected images, or the newest image where none was selected.
  std::set<std::string> needed = {inputs.source_file};
  for (const auto& [role, input] : inputs.inputs) needed.insert(input.files.begin(), input.files.end());
  int missing = 0;
  std::error_code ignored;
  for (const std::string& file : needed) missing += !std::filesystem::exists(parts_.files.Root() / file, ignored);
  if (missing == 0) return false;
  // An answer from what is left would contradict the one from the whole.
  const auto newest = parts_.jobs.NewestResult(study.study_uid);
  parts_.index.SetState(
      study.study_uid, newest ? storage::StudyState::kReported : storage::StudyState::kParked,
      std::to_string(missing) +
          " of the images that would be evaluated are not kept here any more: send the whole study again",
      study.changes);
  went_back_ = true;
  LogWarning("watcher", "study " + study.study_uid + " got new images, but " + std::to_string(missing) +
                            " of the others were removed: it is not evaluated");
  return true;
}

bool StudyWatcher::SameAsBefore(const storage::StudyRecord& study, const StudyInputs& inputs) {
  const auto jobs = parts_.jobs.OfStudy(study.study_uid);
  const auto newest =
      std::max_element(jobs.begin(), jobs.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  if (newest == jobs.end() ||
      (newest->state != storage::JobState::kDone && newest->state != storage::JobState::kFailed))
    return false;
  if (InputsFromJson(nlohmann::json::parse(newest->inputs_json)).selection_key != inputs.selection_key) return false;
  // What arrived is no new input: another series, a resend in another syntax. The study keeps what it had.
  const bool failed = newest->state == storage::JobState::kFailed;
  parts_.index.SetState(study.study_uid, failed ? storage::StudyState::kFailed : storage::StudyState::kReported,
                        failed ? newest->last_error : "the selected images did not change", study.changes);
  went_back_ = true;
  return true;
}

}  // namespace glionode::server
