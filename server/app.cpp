#include "server/app.h"

#include "config/error.h"
#include "config/log.h"
#include "config/settings_loader.h"
#include "dicom/sender.h"
#include "dicom/uid.h"
#include "server/admin_audit.h"
#include "server/metrics.h"
#include "server/outcome_routes.h"
#include "server/reload_scope.h"
#include "server/version.h"

#include <algorithm>
#include <chrono>
#include <fstream>

namespace glionode::server {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 250ms;
constexpr auto kModelRetry = 60s;
constexpr auto kModelTestEvery = 24h;

LogLevel LevelFromText(const std::string& text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

// An archive that reports on the association that it was asked on does so at once.
constexpr int kReportWaitSeconds = 3;
constexpr auto kCertificateCheckEvery = 24h;

AuditEvent Event(AuditKind kind, const std::string& text = {}) {
  AuditEvent event;
  event.kind = kind;
  event.text = text;
  return event;
}

}  // namespace

App::App(Settings settings, std::filesystem::path config_file)
    : settings_(std::move(settings)),
      config_file_(std::move(config_file)),
      tls_(dicom::LoadTls(settings_.dicom.tls)),
      files_(settings_.node.data_dir),
      database_(SoundIndex()),
      index_(database_),
      jobs_(database_),
      outbox_(database_),
      listing_(database_),
      releases_(database_),
      outcomes_(database_),
      proofs_(database_),
      peers_(database_),
      removals_(database_),
      audit_(files_.Root(), settings_.audit, settings_.node.ae_title, clock_),
      ingest_(files_, index_, jobs_, peers_, clock_, dicom::DeviceUid(files_.NodeId()), [this] { Notify(); }),
      sink_(ingest_, audit_, settings_.node.ae_title),
      housekeeping_({files_, removals_, clock_, audit_, [this] { return files_.FreeBytes(); },
                     [this](const std::string& study_uid) { return sweeping_ || ingest_.IsArriving(study_uid); }},
                    settings_.housekeeping, settings_.peers),
      verifier_(files_.Root(), database_),
      pipeline_(
          {files_, index_, jobs_, outbox_, peers_, clock_, settings_.node.ae_title,
           [this](const WorkerRequest& request, int limit) { return RunWorker(request, limit, cancel_workers_); }},
          settings_.model, settings_.peers),
      watcher_({files_, index_, jobs_, outbox_, ingest_, clock_, Version(),
                [this](const WorkerRequest& request) {
                  return RunWorker(request, settings_.model.time_limit_seconds, cancel_workers_);
                },
                &releases_},
               settings_.study, settings_.accept, settings_.roles),
      confirmation_({proofs_, clock_,
                     [this](const PeerSettings& peer, const std::string& transaction_uid,
                            const std::vector<dicom::KeptObject>& objects) {
                       return dicom::AskCommitment(peer, SenderFor(), transaction_uid, objects, kReportWaitSeconds);
                     },
                     [this](const PeerSettings& peer, const std::string& study_uid, const std::string& series_uid) {
                       return dicom::FindImages(peer, SenderFor(), study_uid, series_uid);
                     }}) {
  settings_in_force_ = settings_;
  started_at_ = clock_.Wall();
  // The check at the start has little time: damage behind it may end this start, and would end every other.
  struct AtTheEnd {
    App& app;
    ~AtTheEnd() { app.NoteDamageThatWasMet(); }
  } const at_the_end{*this};
  ConfigureLog(LevelFromText(settings_.log.level), settings_.log.format);
  if (const int found = ingest_.RecoverStaged(); found > 0)
    LogInfo("app", std::to_string(found) + " received instances of an earlier run were put to their places");
  if (const int left = files_.CleanStaging(); left > 0)
    LogInfo("app", std::to_string(left) + " unfinished files of an earlier run were removed");
  if (const int removals = housekeeping_.FinishUnfinished(); removals > 0)
    LogInfo("app", std::to_string(removals) + " removals that an earlier run began were brought to their end");
  RestoreIndex();
  if (const int jobs = jobs_.ReleaseAbandoned(); jobs > 0)
    LogInfo("app", std::to_string(jobs) + " jobs that an earlier run left are ready again");
  pipeline_.SetCodes(settings_.codes);
  sender_ = std::make_unique<OutboxWorker>(
      OutboxWorker::Parts{files_, index_, jobs_, outbox_, peers_, clock_,
                          [this](const PeerSettings& peer, const std::vector<dicom::OutgoingObject>& objects) {
                            return dicom::SendObjects(peer, SenderFor(), objects);
                          },
                          [this] { return pipeline_.Model().ready; },
                          [this](const PeerSettings& peer) { return confirmation_.Step(peer); },
                          [this](AuditEvent event) {
                            event.source = {settings_.node.ae_title, ""};
                            audit_.Write(std::move(event));
                          }},
      settings_.peers);
  staging_ = std::make_unique<storage::StagingPool>(files_.StagingDir());
  receiver_ = std::make_unique<dicom::Receiver>(
      dicom::ReceiverOptions{settings_.node.ae_title, settings_.dicom, files_.StagingDir(),
                             [this] { return staging_->Take(); }, settings_.storage.MinFreeBytes(), tls_,
                             [this](const dicom::CommitmentReport& report, const std::string& calling_ae) {
                               return confirmation_.Take(report, calling_ae);
                             }},
      settings_.peers, sink_);
  AddNodeRoutes(router_, *this, Version());
  AddOutcomeRoutes(router_, outcomes_, clock_, [this] { return InForce().model.bundle; });
  router_.OnChange([this](const AdminChange& change) {
    if (auto event = AuditOf(change)) audit_.Write(std::move(*event));
    LogInfo("admin",
            change.caller + ": " + change.method + " " + change.path + " answered " + std::to_string(change.status));
  });
  admin_ = std::make_unique<AdminHttp>(settings_.admin, router_, [this] { return Pulse(); });
  // For the command line, when the port is any free one.
  std::ofstream(files_.Root() / "admin-port") << admin_->Port() << "\n";
  sweep_thread_ = std::thread([this] { Sweep(); });
  watch_thread_ = std::thread([this] { WatchLoop(); });
  pipeline_thread_ = std::thread([this] { PipelineLoop(); });
  housekeeping_thread_ = std::thread([this] { HousekeepingLoop(); });
  audit_.Write(Event(AuditKind::kStart));
}

App::~App() { Stop(); }

std::string App::ReadyLine() const {
  const int plain = receiver_->Port(), tls = receiver_->TlsPort();
  return "ready dicom=" + (plain ? std::to_string(plain) : "off") + " admin=" + std::to_string(admin_->Port()) +
         (tls ? " dicom_tls=" + std::to_string(tls) : "");
}

std::shared_ptr<const dicom::TlsContext> App::Tls() const {
  const std::lock_guard lock(mutex_);
  return tls_;
}

dicom::SenderOptions App::SenderFor() const {
  dicom::SenderOptions options;
  options.calling_ae = settings_.node.ae_title;
  options.tls = Tls();
  return options;
}

void App::WarnOfCertificates() {
  if (const auto tls = Tls())
    for (const std::string& warning : tls->Warnings(clock_.Wall() / 1000)) LogWarning("tls", warning);
}

void App::Notify() {
  const std::lock_guard lock(mutex_);
  ++notices_;
  changed_.notify_all();
}

bool App::WaitFor(std::chrono::milliseconds time, std::uint64_t& seen) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return stopping_ || notices_ != seen; });
  seen = notices_;
  return !stopping_;
}

void App::Sweep() {
  try {
    if (const int found = ingest_.SweepUnindexed(&stop_sweep_); found > 0)
      LogInfo("app", std::to_string(found) + " stored instances had no row in the index; they have one now");
  } catch (const std::exception& e) {
    LogError("app", std::string("looking for stored instances without a row failed: ") + e.what() +
                        "; studies that a crash interrupted may miss images until the next start");
  }
  sweeping_ = false;
  Notify();
}

void App::WatchLoop() {
  SteadyTime next_warning = clock_.Steady();
  while (true) {
    try {
      if (clock_.Steady() >= next_warning) {
        next_warning = clock_.Steady() + kCertificateCheckEvery;
        WarnOfCertificates();
      }
      // A study of which a crash has left images without rows is not judged before they have them.
      if (!sweeping_ && watcher_.Tick(pipeline_.Model().bundle) > 0) Notify();
    } catch (const std::exception& e) {
      LogError("watcher", e.what());
    }
    // Waiting times are looked at in ticks; an arriving image needs no quicker look.
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kTick, [&] { return stopping_; })) return;
  }
}

void App::PipelineLoop() {
  std::uint64_t seen = 0;
  bool late_senders = false;  // until they are served, whatever throws in between
  SteadyTime next_test = clock_.Steady();
  do {
    bool asked;
    {
      const std::lock_guard lock(mutex_);
      asked = std::exchange(test_model_, false);
    }
    if (asked || clock_.Steady() >= next_test) {
      pipeline_.SelfTest();
      next_test = clock_.Steady() + (pipeline_.Model().ready ? std::chrono::milliseconds(kModelTestEvery)
                                                             : std::chrono::milliseconds(kModelRetry));
      sender_->Wake();
    }
    try {
      while (!cancel_workers_ && pipeline_.RunOne()) {
        late_senders = true;  // one may have been noted while the job ran
        sender_->Wake();
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        if (test_model_ || clock_.Steady() >= next_test) break;  // a long queue does not put the daily test off
      }
      if (ingest_.TakeNewSender()) late_senders = true;
      if (watcher_.TakeWentBack()) late_senders = true;
      if (late_senders) sender_->ServeLateSenders();
      late_senders = false;
    } catch (const std::exception& e) {
      LogError("pipeline", e.what());
    }
  } while (WaitFor(1s, seen));
}

void App::ReloadAndLog() { Reload(); }

nlohmann::json App::Reload() {
  const std::lock_guard one_at_a_time(reload_mutex_);
  nlohmann::json findings = nlohmann::json::array(), restart = nlohmann::json::array();
  const LoadedSettings loaded = LoadSettings(config_file_);
  for (const Finding& finding : loaded.findings) {
    const std::string text = FormatFinding(config_file_, finding);
    Log(finding.is_error ? LogLevel::kError : LogLevel::kWarning, "app", text);
    findings.push_back(text);
  }
  const auto answer = [&](bool reloaded) -> nlohmann::json {
    return {{"reloaded", reloaded}, {"findings", findings}, {"needs_restart", restart}};
  };
  if (!loaded.settings) {
    LogError("app", "the configuration was not reloaded; the old one stays in force");
    return answer(false);
  }
  const Settings& now = *loaded.settings;
  std::shared_ptr<const dicom::TlsContext> tls;
  try {
    tls = dicom::LoadTls(now.dicom.tls);
    if (admin_) admin_->SetAccess(now.admin);
  } catch (const Error& e) {
    LogError("app", std::string(e.what()) + "; the configuration was not reloaded, the old one stays in force");
    findings.push_back(e.what());
    return answer(false);
  }
  ConfigureLog(LevelFromText(now.log.level), now.log.format);
  // Whether TLS is listened on is decided at the start; which certificates are used, now.
  if (tls) {
    receiver_->SetTls(tls);
    const std::lock_guard lock(mutex_);
    tls_ = std::move(tls);
  }
  WarnOfCertificates();
  receiver_->SetPeers(now.peers);
  receiver_->SetLimits(now.dicom, now.storage.MinFreeBytes());
  sender_->SetPeers(now.peers);
  pipeline_.SetPeers(now.peers);
  pipeline_.SetModel(now.model);
  pipeline_.SetCodes(now.codes);
  watcher_.SetRules(now.study, now.accept, now.roles);
  housekeeping_.SetSettings(now.housekeeping, now.peers);
  audit_.Write(Event(AuditKind::kConfiguration, "the configuration was reloaded"));
  {
    const std::lock_guard lock(mutex_);
    settings_in_force_ = now;
    test_model_ = true;
    ++notices_;
    changed_.notify_all();
  }
  std::string words;
  for (const std::string& key : KeysThatNeedRestart(settings_, now)) {
    restart.push_back(key);
    words += (words.empty() ? "" : ", ") + key;
  }
  LogInfo("app", "the configuration was reloaded" + (words.empty() ? "" : "; a restart is needed for: " + words));
  return answer(true);
}

void App::Stop() {
  int drain_seconds = 0;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    drain_seconds = settings_in_force_.node.drain_seconds;
    changed_.notify_all();
  }
  const auto deadline = clock_.Steady() + std::chrono::seconds(drain_seconds);
  receiver_->StopAccepting();
  stop_sweep_ = true;
  sweep_thread_.join();
  stop_checks_ = true;
  watch_thread_.join();
  housekeeping_thread_.join();
  verifier_.Stop();
  const int left =
      static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(deadline - clock_.Steady()).count());
  if (const int cut = receiver_->Drain(std::max(0, left)); cut > 0)
    LogWarning("app",
               std::to_string(cut) + " associations were cut; their senders were told nothing and will send again");
  // The pipeline thread ends after the job in hand; past the deadline its worker is ended, and the job is ready again
  // at the next start.
  std::thread guard([this, deadline] {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [this] { return pipeline_ended_; })) cancel_workers_ = true;
  });
  pipeline_thread_.join();
  {
    const std::lock_guard lock(mutex_);
    pipeline_ended_ = true;
    changed_.notify_all();
  }
  guard.join();
  sender_->Stop();
  admin_->Stop();
  if (const int ready = jobs_.CountReady(); ready > 0 || cancel_workers_)
    LogInfo("app", "left for the next start: " + std::to_string(ready) + " waiting jobs" +
                       (cancel_workers_ ? ", one that was running" : ""));
  std::int64_t unsent = 0;
  for (const auto& [state, count] : outbox_.CountsByState())
    if (state == storage::ToText(storage::OutboxState::kPending)) unsent = count;
  if (unsent > 0)
    LogInfo("app", "left for the next start: " + std::to_string(unsent) + " results that are not sent yet");
  audit_.Write(Event(AuditKind::kStop));
  LogInfo("app", "stopped");
}

}  // namespace glionode::server
