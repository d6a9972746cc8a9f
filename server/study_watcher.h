#pragma once
#include "config/clock.h"
#include "config/settings.h"
#include "server/accept_rules.h"
#include "server/ingest.h"
#include "server/study_inputs.h"
#include "server/worker_client.h"
#include "storage/jobs.h"
#include "storage/outbox.h"
#include "storage/releases.h"
#include "storage/study_index.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace glionode::server {

/// When a study starts (design section 2). Pure, so that every waiting rule has a test.
struct WaitingFacts {
  double since_first_s = 0;  ///< seconds since the first image of this round
  double since_last_s = 0;
  bool complete = false;          ///< all roles present and complete
  bool count_evidence = false;    ///< headers prove that nothing is missing
  bool may_still_arrive = false;  ///< an association that brought images is open or was lost
};
enum class WaitingVerdict { kWait, kStart, kStartStillArriving };
WaitingVerdict JudgeWaiting(const WaitingFacts& facts, const StudySettings& settings);

/// Looks at every study that is receiving: accepted? which series? quiet long enough? identity? then makes the job row.
/// Threads: Tick from one thread; SetRules and TakeWentBack from any.
class StudyWatcher {
 public:
  struct Parts {
    storage::FileStore& files;
    storage::StudyIndex& index;
    storage::Jobs& jobs;
    storage::Outbox& outbox;
    const Ingest& ingest;
    const Clock& clock;
    std::string software;  ///< goes into input keys
    std::function<WorkerRun(WorkerRequest)> run_worker;
    const storage::Releases* releases = nullptr;  ///< what persons decided; none: nobody can
  };
  StudyWatcher(Parts parts, StudySettings settings, std::vector<AcceptRule> accept, std::vector<RoleRule> roles);

  /// In force from the next round on: studies that are still waiting are judged again.
  void SetRules(StudySettings settings, std::vector<AcceptRule> accept, std::vector<RoleRule> roles);
  /// One round. `bundle` is empty while no bundle has proven itself: studies are then accepted or ignored, but none
  /// starts. Returns how many jobs were made.
  int Tick(const std::optional<BundleSummary>& bundle);
  /// Has a study gone back to the result that it had, since this was asked last? Who sent it meanwhile may want that
  /// result (OutboxWorker::ServeLateSenders). From any thread.
  bool TakeWentBack() { return went_back_.exchange(false); }

 private:
  struct Watched;
  struct Rules;
  bool Look(const storage::StudyRecord& study, const std::optional<BundleSummary>& bundle);
  /// Candidate images in the order of their arrival, without those that a rejection note took back.
  std::vector<StoredHeader> LoadHeaders(const std::string& study_uid, int& rejected) const;
  void Judge(const storage::StudyRecord& study, Watched& watched, const Rules& rules, const std::vector<Role>& wanted);
  bool Start(const storage::StudyRecord& study, Watched& watched, const BundleSummary& bundle, bool still_arriving);
  void Park(const storage::StudyRecord& study, const std::string& code, const std::string& text);
  /// The newest report was made under another identity: what of it has not left will not.
  void WithdrawOtherIdentity(const storage::StudyRecord& study, const StudyInputs& inputs);
  bool LacksFiles(const storage::StudyRecord& study, const StudyInputs& inputs);
  bool SameAsBefore(const storage::StudyRecord& study, const StudyInputs& inputs);

  Parts parts_;
  mutable std::mutex mutex_;  ///< of rules_
  std::shared_ptr<const Rules> rules_;
  std::map<std::string, std::shared_ptr<Watched>> watched_;
  std::atomic<bool> went_back_{false};
};

}  // namespace glionode::server
