#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmnet/assoc.h>
#include <dcmtk/dcmnet/dcmlayer.h>
#include <dcmtk/dcmnet/dcmtrans.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace glionode::dicom {

class TlsContext;
class TlsStream;

/// Cuts sockets at their deadlines with shutdown(2). DCMTK's own time-outs start again with every byte that arrives, so
/// a peer that drips one byte a second would hold a thread for ever; a deadline does not move. Threads: any.
class DeadlineTimer {
 public:
  using Id = std::uint64_t;
  DeadlineTimer();
  ~DeadlineTimer();
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  Id Add(int fd);
  /// Sets or replaces the deadline. `abort`: the peer gets an A-ABORT (PS3.8 9.3.8) before the socket is cut.
  void Arm(Id id, std::chrono::milliseconds from_now, bool abort);
  void Disarm(Id id);
  bool Expired(Id id) const;
  void Cut(Id id);
  /// Cuts all sockets, also those that are added later.
  void CutAll();
  /// To be called before the descriptor is closed.
  void Remove(Id id);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Entry {
    int fd = -1;
    Time deadline = Time::max();
    bool abort = false, expired = false;
  };
  void Run();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<Id, Entry> entries_;
  Id next_id_ = 1;
  Time sleeping_until_ = Time::max();
  bool cut_all_ = false, stop_ = false;
  std::thread thread_;
};

/// One connected socket with its deadline and a budget of bytes, under TLS or not. Owns the descriptor. Shared by the
/// DCMTK connection, which DCMTK may destroy on its own, and the thread that serves it. Threads: one thread serves it;
/// only the timer acts from outside.
class WatchedSocket {
 public:
  WatchedSocket(DeadlineTimer& timer, int fd);
  ~WatchedSocket();
  WatchedSocket(const WatchedSocket&) = delete;
  WatchedSocket& operator=(const WatchedSocket&) = delete;

  int Fd() const { return fd_; }
  /// Sets the deadline. `abort`: say A-ABORT first; under TLS it is left out, because it could only be said in clear.
  void Arm(std::chrono::milliseconds from_now, bool abort);
  /// The first byte that arrives from now on starts a new deadline.
  void ArmAtFirstByte(std::chrono::milliseconds after_it);
  void Disarm();
  /// At most so many bytes may arrive from now on, then the socket is cut. Negative: no limit.
  void LimitBytes(std::int64_t bytes) { budget_ = bytes; }
  bool TimedOut() const { return timed_out_ || timer_.Expired(id_); }
  bool OverBudget() const { return over_budget_; }
  bool SawBytes() const { return saw_bytes_; }
  void Close();

  /// From here on everything is read and written under TLS. Shakes hands, within the deadline that is armed; false when
  /// that fails: Tls() knows why, unless TimedOut().
  bool StartTls(const TlsContext& context, bool as_server);
  const TlsStream* Tls() const { return tls_.get(); }
  /// Says that nothing more comes, and takes in what the other end still sends until it closes or the time is over:
  /// closed at once, our last words (an alert) could be lost to it.
  void Linger(std::chrono::milliseconds limit);
  /// Is there something to read that poll(2) does not see?
  bool HasPending() const;

  ssize_t Read(void* buffer, std::size_t size);
  ssize_t Write(const void* buffer, std::size_t size);

 private:
  ssize_t ReadRaw(void* buffer, std::size_t size);
  ssize_t WriteRaw(const void* buffer, std::size_t size);

  DeadlineTimer& timer_;
  int fd_;
  int send_flags_;
  std::unique_ptr<TlsStream> tls_;
  const DeadlineTimer::Id id_;
  std::chrono::milliseconds at_first_byte_{0};
  std::int64_t budget_ = -1;
  bool over_budget_ = false, saw_bytes_ = false, timed_out_ = false;
};

/// DCMTK's connection on a WatchedSocket: Nagle off, every segment acknowledged at once (a sender that has Nagle on
/// waits 40 ms per object for a delayed acknowledgement), no SIGPIPE, no time-outs of its own.
class WatchedConnection : public DcmTCPConnection {
 public:
  explicit WatchedConnection(std::shared_ptr<WatchedSocket> socket);
  ~WatchedConnection() override;
  ssize_t read(void* buffer, size_t size) override { return socket_->Read(buffer, size); }
  ssize_t write(void* buffer, size_t size) override { return socket_->Write(buffer, size); }
  void close() override;
  void closeTransportConnection() override { close(); }
  OFBool networkDataAvailable(int timeout) override;
  // With bytes that wait decrypted, DCMTK must not ask the descriptor alone.
  OFBool isTransparentConnection() override { return !socket_->Tls(); }

 private:
  std::shared_ptr<WatchedSocket> socket_;
};

/// An association that is destroyed with its owner, sockets included.
struct AssociationDeleter {
  void operator()(T_ASC_Association* association) const;
};
using AssociationPtr = std::unique_ptr<T_ASC_Association, AssociationDeleter>;

/// Lets DCMTK take associations on descriptors that we accepted ourselves. DCMTK 3.6.7 can neither bind one address nor
/// IPv6, and takes a foreign descriptor only through a global variable: that variable is guarded by a lock from its
/// setting until DCMTK asks for the connection object, which is before the first byte is read. Threads: any.
class AcceptorNetwork {
 public:
  explicit AcceptorNetwork(int first_read_seconds);
  ~AcceptorNetwork();
  AcceptorNetwork(const AcceptorNetwork&) = delete;
  AcceptorNetwork& operator=(const AcceptorNetwork&) = delete;

  /// Reads the A-ASSOCIATE-RQ. `association` may be set even when the result is bad.
  OFCondition Receive(std::shared_ptr<WatchedSocket> socket, AssociationPtr& association);

 private:
  class Layer;
  std::unique_ptr<Layer> layer_;
  T_ASC_Network* network_ = nullptr;
};

/// Asks for associations on sockets that we connected ourselves: any address family, a time limit of its own for every
/// call (DCMTK 3.6.7 has one for the whole process, and IPv4 only), exact reasons. Threads: one call at a time.
class RequestorNetwork {
 public:
  RequestorNetwork();
  ~RequestorNetwork();
  RequestorNetwork(const RequestorNetwork&) = delete;
  RequestorNetwork& operator=(const RequestorNetwork&) = delete;

  /// Takes `params` over in every case.
  OFCondition Request(std::shared_ptr<WatchedSocket> socket, T_ASC_Parameters* params, AssociationPtr& association);

 private:
  class Layer;
  std::unique_ptr<Layer> layer_;
  T_ASC_Network* network_ = nullptr;
};

/// Sets what DCMTK keeps per process: no reverse DNS, no log of its own (it would show attributes of patients, promise
/// 8; every reason comes out in our own words). Call before any other DCMTK call; more calls do nothing.
void PrepareDcmtk();

/// A listening, non-blocking socket. `bind` is an IPv4 or IPv6 address (or a name), port 0 any free one; "::" takes
/// both families. Throws Error{kUsage} with address and reason.
int Listen(const std::string& bind, int port);
int LocalPort(int fd);
/// Numeric address of the other end; an IPv4-mapped one as IPv4. Empty when it is gone.
std::string PeerAddress(int fd);

/// Connects within the time. -1 and a reason when that fails.
int Connect(const std::string& host, int port, std::chrono::milliseconds limit, std::string* why);

constexpr long kMaxPdu = 131072;

}  // namespace glionode::dicom
