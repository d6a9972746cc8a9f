#include "server/audit.h"

#include "config/error.h"
#include "config/log.h"
#include "server/syslog_link.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

/// Beyond this the collector has been away for so long that the file must do.
constexpr std::size_t kMaxWaiting = 100000;
constexpr auto kAgainAfter = std::chrono::seconds(5);

std::string HostName() {
  char name[256] = "localhost";
  gethostname(name, sizeof name - 1);
  return name;
}

void WriteAll(const fs::path& file, int flags, const std::string& text, bool sync) {
  const int descriptor = open(file.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) throw Error(ErrorCode::kInternal, file.string() + ": " + std::strerror(errno));
  const ssize_t put = write(descriptor, text.data(), text.size());
  const bool good = put == static_cast<ssize_t>(text.size()) && (!sync || fdatasync(descriptor) == 0);
  const int problem = errno;
  close(descriptor);
  if (!good) throw Error(ErrorCode::kInternal, file.string() + ": " + std::strerror(problem));
}

}  // namespace

AuditTrail::AuditTrail(const fs::path& data_dir, AuditSettings settings, std::string node_ae, const Clock& clock)
    : folder_(data_dir / "audit"),
      settings_(std::move(settings)),
      node_ae_(std::move(node_ae)),
      host_(HostName()),
      clock_(clock) {
  for (const fs::path& folder : {folder_, folder_ / "spool"}) {
    mkdir(folder.c_str(), 0700);
    if (chmod(folder.c_str(), 0700) != 0)
      throw Error(ErrorCode::kUsage, folder.string() + " cannot be used for the audit trail: " + std::strerror(errno));
  }
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder_ / "spool"))
    if (entry.path().extension() == ".msg") left.push_back(entry.path());
  std::sort(left.begin(), left.end());
  waiting_.assign(left.begin(), left.end());
  if (!left.empty()) next_number_ = std::strtoull(left.back().stem().c_str(), nullptr, 10) + 1;
  if (!settings_.syslog.empty()) thread_ = std::thread([this] { SendLoop(); });
}

AuditTrail::~AuditTrail() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(1),
                      [this] { return !thread_.joinable() || waiting_.empty() || failed_; });
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void AuditTrail::Write(AuditEvent event) {
  event.at = clock_.Wall();
  const std::string xml = AuditXml(event, node_ae_, host_, getpid());
  const std::lock_guard lock(mutex_);
  try {
    Append(xml);
    if (!settings_.syslog.empty()) Spool(AuditSyslog(event, xml, host_, getpid()));
  } catch (const std::exception& e) {
    LogError("audit", std::string("a message of the audit trail was not written: ") + e.what());
  }
  changed_.notify_all();
}

int AuditTrail::Waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(waiting_.size());
}

void AuditTrail::Append(const std::string& line) {
  const fs::path file = folder_ / "audit.xml";
  std::error_code none;
  const auto size = fs::file_size(file, none);
  if (!none && size + line.size() > static_cast<std::uintmax_t>(settings_.max_file_mib) << 20) Rotate();
  WriteAll(file, O_APPEND, line + "\n", false);
}

void AuditTrail::Rotate() {
  const auto name = [this](int number) { return folder_ / ("audit." + std::to_string(number) + ".xml"); };
  std::error_code ignored;
  // audit.1.xml is the newest of the full ones. keep_files counts the one that is written to, too.
  for (int number = settings_.keep_files - 1; number >= 1; --number) {
    if (number == settings_.keep_files - 1)
      fs::remove(name(number), ignored);
    else
      fs::rename(name(number), name(number + 1), ignored);
  }
  if (settings_.keep_files > 1)
    fs::rename(folder_ / "audit.xml", name(1));
  else
    fs::remove(folder_ / "audit.xml");
}

void AuditTrail::Spool(const std::string& message) {
  if (waiting_.size() >= kMaxWaiting) {
    if (!std::exchange(full_, true))
      LogError("audit", "too many messages wait for the collector: the newest are in the audit file only");
    return;
  }
  full_ = false;
  char name[32];
  std::snprintf(name, sizeof name, "%012llu.msg", static_cast<unsigned long long>(next_number_++));
  const fs::path file = folder_ / "spool" / name;
  WriteAll(file, O_TRUNC, message, false);
  waiting_.push_back(file);
}

void AuditTrail::SendLoop() {
  SyslogLink link(settings_.syslog, settings_.tls_ca);
  while (true) {
    fs::path next;
    {
      std::unique_lock lock(mutex_);
      if (failed_) changed_.wait_for(lock, kAgainAfter, [this] { return stopping_; });
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      next = waiting_.front();
    }
    try {
      std::ifstream in(next, std::ios::binary);
      std::stringstream text;
      text << in.rdbuf();
      if (!text.str().empty()) link.Send(text.str());  // an empty one was cut off by a crash; the file has it
      std::error_code ignored;
      fs::remove(next, ignored);
      const std::lock_guard lock(mutex_);
      waiting_.pop_front();
      if (std::exchange(failed_, false)) LogInfo("audit", "the collector takes messages again");
      changed_.notify_all();
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(failed_, true))
        LogWarning("audit", std::string(e.what()) + "; messages are kept until it answers");
      changed_.notify_all();
    }
  }
}

}  // namespace glionode::server
