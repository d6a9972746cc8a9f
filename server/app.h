#pragma once
#include "config/clock.h"
#include "config/settings.h"
#include "dicom/receiver.h"
#include "dicom/sender.h"
#include "dicom/tls.h"
#include "server/admin_http.h"
#include "server/admin_routes.h"
#include "server/audit.h"
#include "server/audited_sink.h"
#include "server/confirmation.h"
#include "server/housekeeping.h"
#include "server/index_view.h"
#include "server/ingest.h"
#include "server/outbox_worker.h"
#include "server/pipeline.h"
#include "server/study_watcher.h"
#include "server/verify.h"
#include "storage/database.h"
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/listing.h"
#include "storage/outbox.h"
#include "storage/outcomes.h"
#include "storage/peers.h"
#include "storage/proofs.h"
#include "storage/releases.h"
#include "storage/removals.h"
#include "storage/staging_pool.h"
#include "storage/study_index.h"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace glionode::server {

/// The node: builds its parts, runs them, takes them down in reverse.
/// Threads: main calls the methods; NodeView's are called by HTTP handlers.
class App : public NodeView {
 public:
  /// Opens data folder and index, binds both ports, and starts to look for what a crash left without a row. Throws
  /// Error with what an administrator must change.
  App(Settings settings, std::filesystem::path config_file);
  ~App() override;

  /// "ready dicom=11112 admin=8080 dicom_tls=2762"; the last only with TLS, and "off" for dicom when that is all.
  std::string ReadyLine() const;
  /// SIGHUP: reads the file again; with mistakes the old settings stay in force.
  void ReloadAndLog();
  /// Refuses new work, lets running work end for up to drain_seconds, says what was left. Idempotent.
  void Stop();

  nlohmann::json Ready() const override;
  nlohmann::json Status() const override;
  /// As Status, without waiting for rows that are still to be written: cheap enough to ask all the time.
  nlohmann::json Pulse() const;
  std::string Metrics() const override;
  nlohmann::json Studies(const StudyQuery& query) const override;
  std::optional<nlohmann::json> Study(const std::string& study_uid) const override;
  std::optional<CapturePicture> Capture(const std::string& study_uid, int page) const override;
  nlohmann::json Outbox(const OutboxQuery& query) const override;
  nlohmann::json Peers() const override;
  nlohmann::json Problems() const override;
  nlohmann::json Echo(const std::string& peer_ae) override;
  int RetryOutbox(const std::vector<std::int64_t>& ids) override;
  int RetryPeer(const std::string& peer_ae) override;
  bool RetryStudy(const std::string& study_uid) override;
  nlohmann::json Rerun(const std::string& study_uid) override;
  nlohmann::json Release(const std::string& study_uid, const std::string& caller, const std::string& reason) override;
  nlohmann::json Reload() override;
  nlohmann::json Withdraw(const std::string& study_uid, const std::string& reason, const std::string& text) override;
  nlohmann::json Do(const std::string& action, const nlohmann::json& body, const std::string& caller) override;

 private:
  void Sweep();
  void WatchLoop();
  void HousekeepingLoop();
  /// Puts the index right before it is used: a damaged one goes aside. Returns its file.
  std::filesystem::path SoundIndex();
  void CheckIndexDeeply();
  /// Damage that an access met, not a check: the next start makes a new index, instead of ending like this one.
  void NoteDamageThatWasMet();
  void MarkDamaged();
  void RestoreIndex();
  /// paused-peers.json follows the index, so that a new index knows who was paused.
  void NotePauses();
  nlohmann::json Delete(const nlohmann::json& body, const std::string& caller);
  void PipelineLoop();
  void Notify();
  /// Waits for a notice or the time; false when the node is stopping.
  bool WaitFor(std::chrono::milliseconds time, std::uint64_t& seen);
  storage::StudyCounts Counts() const;
  IndexView View() const;
  Settings InForce() const;
  std::shared_ptr<const dicom::TlsContext> Tls() const;
  dicom::SenderOptions SenderFor() const;
  void WarnOfCertificates();

  const Settings settings_;  ///< as at start: what a reload changes is in settings_in_force_
  std::filesystem::path config_file_;
  Clock clock_;
  mutable std::mutex mutex_;  ///< of tls_ and of the seven from settings_in_force_ on
  std::shared_ptr<const dicom::TlsContext> tls_;
  std::atomic<bool> cancel_workers_{false};
  std::atomic<bool> sweeping_{true}, stop_sweep_{false};
  storage::FileStore files_;
  storage::Database database_;
  storage::StudyIndex index_;
  storage::Jobs jobs_;
  storage::Outbox outbox_;
  storage::Listing listing_;
  storage::Releases releases_;
  storage::Outcomes outcomes_;
  storage::Proofs proofs_;
  storage::Peers peers_;
  storage::Removals removals_;
  AuditTrail audit_;
  Ingest ingest_;
  AuditedSink sink_;
  Housekeeping housekeeping_;
  Verifier verifier_;
  Pipeline pipeline_;
  StudyWatcher watcher_;
  WallMs started_at_ = 0;
  mutable std::mutex counts_mutex_;  ///< of the three below
  mutable std::optional<storage::StudyCounts> counts_;
  mutable SteadyTime counts_at_;
  mutable std::uint64_t counts_at_writes_ = 0;
  Settings settings_in_force_;
  std::map<std::string, nlohmann::json> echoes_;  ///< last answer of each peer since the start
  std::condition_variable changed_;
  bool stopping_ = false;
  bool pipeline_ended_ = false;
  bool test_model_ = false;  ///< a reload asked for the self-test
  std::uint64_t notices_ = 0;
  std::mutex reload_mutex_;  ///< one reload at a time
  Confirmation confirmation_;
  std::unique_ptr<OutboxWorker> sender_;
  std::unique_ptr<storage::StagingPool> staging_;
  std::unique_ptr<dicom::Receiver> receiver_;
  AdminRouter router_;
  std::unique_ptr<AdminHttp> admin_;
  std::atomic<bool> index_damaged_{false}, stop_checks_{false};
  std::thread sweep_thread_, watch_thread_, pipeline_thread_, housekeeping_thread_;
};

}  // namespace glionode::server
