#pragma once
#include "config/settings.h"
#include "server/audit_message.h"

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace glionode::server {

/// The audit trail: every message is appended to audit/audit.xml in the data folder (one a line, mode 0600; full files
/// become audit.1.xml and so on), and goes to the collector if there is one. What the collector has not got lies in
/// audit/spool, one file a message, over restarts too.
/// Threads: any. A trail that cannot be written is said in the log and stops nothing.
class AuditTrail {
 public:
  AuditTrail(const std::filesystem::path& data_dir, AuditSettings settings, std::string node_ae, const Clock& clock);
  ~AuditTrail();  ///< tries to send what is left, for a second at most
  AuditTrail(const AuditTrail&) = delete;
  AuditTrail& operator=(const AuditTrail&) = delete;

  /// `at` is set here.
  void Write(AuditEvent event);
  /// Messages that wait for the collector.
  int Waiting() const;

 private:
  void Append(const std::string& line);
  void Rotate();
  void Spool(const std::string& message);
  void SendLoop();

  const std::filesystem::path folder_;
  const AuditSettings settings_;
  const std::string node_ae_, host_;
  const Clock& clock_;
  mutable std::mutex mutex_;  ///< of everything below
  std::condition_variable changed_;
  std::deque<std::filesystem::path> waiting_;
  std::uint64_t next_number_ = 1;
  bool stopping_ = false, failed_ = false, full_ = false;
  std::thread thread_;
};

}  // namespace glionode::server
