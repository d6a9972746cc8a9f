#include "dicom/receiver.h"

#include "config/error.h"
#include "config/log.h"
#include "dicom/association.h"
#include "dicom/tls.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace glionode::dicom {
namespace {

constexpr std::string_view kArea = "receiver";
// DCMTK's own limit, fixed when its network starts: above any connect_seconds, whose timer ends a connection.
constexpr int kLongestFirstRead = 3600;
constexpr std::size_t kAssociationStack = 16 << 20;

/// What a caller can nest in one command set (kCommandBytes in association.cpp) takes DCMTK's parser 9 MB of stack.
/// Only the process's default can be set for std::thread; pages that nobody touches cost nothing.
void WidenThreadStacks() {
  pthread_attr_t attributes;
  if (pthread_getattr_default_np(&attributes) != 0) return;
  std::size_t size = 0;
  if (pthread_attr_getstacksize(&attributes, &size) == 0 && size < kAssociationStack &&
      pthread_attr_setstacksize(&attributes, kAssociationStack) == 0)
    pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

/// An event that poll(2) can wait for.
class Event {
 public:
  Event() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw Error(ErrorCode::kInternal, std::string("no eventfd: ") + std::strerror(errno));
  }
  ~Event() { close(fd_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  int Fd() const { return fd_; }
  void Set() { eventfd_write(fd_, 1); }
  void Clear() {
    eventfd_t value;
    eventfd_read(fd_, &value);
  }

 private:
  const int fd_;
};

/// The listening socket, as long as it is open.
class Listener {
 public:
  Listener(bool wanted, const std::string& bind, int port)
      : fd_(wanted ? Listen(bind, port) : -1), port_(wanted ? LocalPort(fd_) : 0) {}
  ~Listener() { Close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int Fd() const { return fd_; }  // negative when closed
  int Port() const { return port_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  const int port_;
};

}  // namespace

bool ReceiverStatistics::Enter(std::uint64_t limit) {
  std::uint64_t open = open_associations_;
  while (open < limit)
    if (open_associations_.compare_exchange_weak(open, open + 1)) return true;
  return false;
}

void ReceiverStatistics::Leave() { --open_associations_; }

void ReceiverStatistics::Refuse(const std::string& word) {
  const std::lock_guard lock(mutex_);
  ++refusals_[word];
}

ReceiverCounters ReceiverStatistics::Snapshot() const {
  ReceiverCounters counters;
  counters.associations = associations;
  counters.open_associations = open_associations_;
  counters.open_connections = open_connections;
  counters.echoes = echoes;
  counters.instances = instances;
  counters.bytes = bytes;
  counters.failures = failures;
  const std::lock_guard lock(mutex_);
  counters.refusals = refusals_;
  return counters;
}

/// One keeper thread accepts and joins; each connection has a thread of its own. Both counts are bounded by
/// max_connections. Members are in the order in which they are built; the destructor stops what uses them first.
class Receiver::Impl {
 public:
  Impl(ReceiverOptions given, std::vector<PeerSettings> peers, InstanceSink& sink)
      : options_(std::make_shared<const ReceiverOptions>(std::move(given))),
        plain_(options_->network.plain, options_->network.bind, options_->network.port),
        secure_(options_->tls != nullptr, options_->network.bind, options_->network.tls.port),
        network_(kLongestFirstRead),
        tls_(options_->tls),
        sink_(sink) {
    SetPeers(std::move(peers));
    WidenThreadStacks();
    keeper_ = std::thread([this] { Keep(); });
    const auto port = [](const Listener& listener, const char* kind) {
      return listener.Port() ? " port " + std::to_string(listener.Port()) + kind : std::string();
    };
    LogInfo(kArea, "AE title " + options_->ae_title + " listens on " + options_->network.bind + port(plain_, "") +
                       port(secure_, " (TLS)"));
  }

  ~Impl() {
    timer_.CutAll();
    quit_ = true;
    stopping_ = true;
    event_.Set();
    keeper_.join();
    for (Worker& worker : workers_) worker.thread.join();
  }

  int Port() const { return plain_.Port(); }
  int TlsPort() const { return secure_.Port(); }

  void SetTls(std::shared_ptr<const TlsContext> tls) {
    const std::lock_guard lock(access_mutex_);
    if (tls_ && tls) tls_ = std::move(tls);
  }

  void SetPeers(std::vector<PeerSettings> peers) {
    const auto before = Access();
    auto access = std::make_shared<const PeerAccess>(peers, PeerAccess::ResolveHost, before.get());
    const std::lock_guard lock(access_mutex_);
    access_ = std::move(access);
  }

  void SetLimits(const DicomSettings& network, std::int64_t min_free_bytes) {
    auto options = std::make_shared<ReceiverOptions>(*Options());
    options->network = network;
    options->min_free_bytes = min_free_bytes;
    const std::lock_guard lock(access_mutex_);
    options_ = std::move(options);
  }

  ReceiverCounters Counters() const { return statistics_.Snapshot(); }

  void StopAccepting() {
    stopping_ = true;
    event_.Set();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return listener_closed_; });
  }

  int Drain(int seconds) {
    StopAccepting();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(seconds), [this] { return statistics_.Open() == 0; });
    const auto left = static_cast<int>(statistics_.Open());
    timer_.CutAll();
    // What is left now ends at once, but for a sink that is at work.
    changed_.wait(lock, [this] { return statistics_.Open() == 0; });
    return left;
  }

 private:
  struct Worker {
    std::thread thread;
    bool done = false;
    bool stranger = false;
  };

  std::shared_ptr<const PeerAccess> Access() const {
    const std::lock_guard lock(access_mutex_);
    return access_;
  }

  std::shared_ptr<const ReceiverOptions> Options() const {
    const std::lock_guard lock(access_mutex_);
    return options_;
  }

  void Left() {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }

  void Keep() {
    while (!quit_) {
      std::array<pollfd, 3> waiting = {{{event_.Fd(), POLLIN, 0}, {plain_.Fd(), POLLIN, 0}, {secure_.Fd(), POLLIN, 0}}};
      // A negative descriptor is left out by poll.
      if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
      event_.Clear();
      Join();
      if (stopping_) {
        CloseListeners();
        continue;
      }
      if (waiting[1].revents != 0) Accept(plain_, nullptr);
      if (waiting[2].revents != 0) Accept(secure_, Tls());
    }
    CloseListeners();
  }

  void CloseListeners() {
    const std::lock_guard lock(mutex_);
    plain_.Close();
    secure_.Close();
    listener_closed_ = true;
    changed_.notify_all();
  }

  void Join() {
    std::list<Worker> ended;
    {
      const std::lock_guard lock(mutex_);
      for (auto worker = workers_.begin(); worker != workers_.end();) {
        const auto next = std::next(worker);
        if (worker->done) ended.splice(ended.end(), workers_, worker);
        worker = next;
      }
    }
    for (Worker& worker : ended) worker.thread.join();
  }

  std::shared_ptr<const TlsContext> Tls() const {
    const std::lock_guard lock(access_mutex_);
    return tls_;
  }

  // `tls`: null on the plain port.
  void Accept(const Listener& listener, std::shared_ptr<const TlsContext> tls) {
    const int fd = accept4(listener.Fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      // Out of descriptors: the connection stays in the queue; without a pause this would spin.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        statistics_.Refuse("descriptors");
        LogError(kArea, std::string("cannot accept a connection: ") + std::strerror(errno));
        pollfd pause{event_.Fd(), POLLIN, 0};
        poll(&pause, 1, 100);
      }
      return;
    }
    const std::string address = PeerAddress(fd);
    if (address.empty()) {
      close(fd);
      return;
    }
    const bool stranger = !Access()->KnowsAddress(address);
    auto options = Options();
    if (!HasRoom(options->network.max_connections, stranger)) {
      statistics_.Refuse("connections");
      LogWarning(kArea, "refused a connection from " + address +
                            ": [dicom] max_connections = " + std::to_string(options->network.max_connections) +
                            " is reached" + (stranger ? " (a quarter of them is for unknown addresses)" : ""));
      close(fd);
      return;
    }
    Start(fd, address, stranger, std::move(tls), std::move(options));
  }

  // Addresses that no peer may call from share a quarter of the connections, so that they cannot take all of them.
  bool HasRoom(int max_connections, bool stranger) const {
    const std::lock_guard lock(mutex_);
    const auto all = static_cast<std::size_t>(std::max(max_connections, 1));
    const auto strangers = static_cast<std::size_t>(
        std::count_if(workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.stranger; }));
    return workers_.size() < all && (!stranger || strangers < std::max<std::size_t>(all / 4, 1));
  }

  // `options`: what this connection lives by to its end, also when a reload sets others.
  void Start(int fd, const std::string& address, bool stranger, std::shared_ptr<const TlsContext> tls,
             std::shared_ptr<const ReceiverOptions> options) {
    auto socket = std::make_shared<WatchedSocket>(timer_, fd);
    socket->Arm(std::chrono::seconds(options->network.connect_seconds), false);
    const std::lock_guard lock(mutex_);
    Worker& worker = workers_.emplace_back();
    worker.stranger = stranger;
    try {
      ++statistics_.open_connections;
      worker.thread = std::thread([this, &worker, address, tls = std::move(tls), socket = std::move(socket),
                                   options = std::move(options)]() mutable {
        const ReceiverContext context{
            *options, sink_, network_, statistics_, [this] { return Access(); }, stopping_, [this] { Left(); }};
        ServeConnection(context, std::move(socket), address, std::move(tls));
        --statistics_.open_connections;
        {
          const std::lock_guard done(mutex_);
          worker.done = true;
        }
        event_.Set();
      });
    } catch (const std::system_error& error) {
      --statistics_.open_connections;
      workers_.pop_back();
      statistics_.Refuse("threads");
      LogError(kArea, std::string("cannot start a thread for a connection: ") + error.what());
    }
  }

  std::shared_ptr<const ReceiverOptions> options_;
  Listener plain_, secure_;  // of the keeper thread
  Event event_;
  DeadlineTimer timer_;
  AcceptorNetwork network_;
  ReceiverStatistics statistics_;
  std::atomic<bool> stopping_{false}, quit_{false};
  mutable std::mutex access_mutex_;  // options_, tls_, access_
  std::shared_ptr<const TlsContext> tls_;
  std::shared_ptr<const PeerAccess> access_;
  InstanceSink& sink_;
  mutable std::mutex mutex_;  // workers_, listener_closed_
  std::condition_variable changed_;
  std::list<Worker> workers_;
  bool listener_closed_ = false;
  std::thread keeper_;
};

Receiver::Receiver(ReceiverOptions options, std::vector<PeerSettings> peers, InstanceSink& sink)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(peers), sink)) {}
Receiver::~Receiver() = default;
int Receiver::Port() const { return impl_->Port(); }
int Receiver::TlsPort() const { return impl_->TlsPort(); }
void Receiver::SetTls(std::shared_ptr<const TlsContext> tls) { impl_->SetTls(std::move(tls)); }
void Receiver::SetPeers(std::vector<PeerSettings> peers) { impl_->SetPeers(std::move(peers)); }
void Receiver::SetLimits(const DicomSettings& network, std::int64_t min_free_bytes) {
  impl_->SetLimits(network, min_free_bytes);
}
ReceiverCounters Receiver::Counters() const { return impl_->Counters(); }
void Receiver::StopAccepting() { impl_->StopAccepting(); }
int Receiver::Drain(int seconds) { return impl_->Drain(seconds); }

}  // namespace glionode::dicom
