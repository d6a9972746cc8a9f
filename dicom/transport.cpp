#include "dicom/transport.h"

#include "config/error.h"
#include "dicom/tls_stream.h"
#include "dicom/toolkit_log.h"

#include <dcmtk/dcmnet/dul.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace glionode::dicom {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

void SetOption(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

constexpr std::size_t kLingerBytes = 256 * 1024;

// What DCMTK's variable holds when it means "none".
constexpr int kNoSocket = -1;

std::mutex& ExternalSocketMutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

// ---------------------------------------------------------------------------------------------- WatchedSocket

WatchedSocket::WatchedSocket(DeadlineTimer& timer, int fd)
    : timer_(timer), fd_(fd), send_flags_(MSG_NOSIGNAL), id_(timer.Add(fd)) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

WatchedSocket::~WatchedSocket() { Close(); }

void WatchedSocket::Arm(milliseconds from_now, bool abort) { timer_.Arm(id_, from_now, abort && !tls_); }

void WatchedSocket::ArmAtFirstByte(milliseconds after_it) { at_first_byte_ = after_it; }

void WatchedSocket::Disarm() {
  at_first_byte_ = milliseconds(0);
  timer_.Disarm(id_);
}

void WatchedSocket::Close() {
  if (fd_ < 0) return;
  timed_out_ = timer_.Expired(id_);
  if (tls_) {
    // The word of farewell must not wait for a peer that reads nothing.
    send_flags_ |= MSG_DONTWAIT;
    tls_->Close();
  }
  timer_.Remove(id_);
  ::close(std::exchange(fd_, -1));
}

bool WatchedSocket::StartTls(const TlsContext& context, bool as_server) {
  tls_ = std::make_unique<TlsStream>(
      context, as_server,
      TlsStream::Raw{[this](void* buffer, std::size_t size) { return ReadRaw(buffer, size); },
                     [this](const void* buffer, std::size_t size) { return WriteRaw(buffer, size); }});
  return tls_->Handshake();
}

void WatchedSocket::Linger(milliseconds limit) {
  Arm(limit, false);
  shutdown(fd_, SHUT_WR);
  char ignored[4096];
  std::size_t taken = 0;
  for (ssize_t got = 1; got > 0 && taken < kLingerBytes; taken += static_cast<std::size_t>(std::max<ssize_t>(got, 0)))
    got = ReadRaw(ignored, sizeof ignored);
}

bool WatchedSocket::HasPending() const { return tls_ && tls_->HasPending(); }

ssize_t WatchedSocket::Read(void* buffer, std::size_t size) {
  return tls_ ? tls_->Read(buffer, size) : ReadRaw(buffer, size);
}

ssize_t WatchedSocket::Write(const void* buffer, std::size_t size) {
  return tls_ ? tls_->Write(buffer, size) : WriteRaw(buffer, size);
}

ssize_t WatchedSocket::ReadRaw(void* buffer, std::size_t size) {
  if (fd_ < 0 || over_budget_) return 0;
  // Linux drops out of this mode by itself: renewed before we wait and after we got something.
  SetOption(fd_, IPPROTO_TCP, TCP_QUICKACK, 1);
  ssize_t got;
  do got = ::recv(fd_, buffer, size, 0);
  while (got < 0 && errno == EINTR);
  if (got <= 0) return got;
  SetOption(fd_, IPPROTO_TCP, TCP_QUICKACK, 1);
  saw_bytes_ = true;
  if (at_first_byte_.count() > 0) Arm(std::exchange(at_first_byte_, milliseconds(0)), true);
  if (budget_ >= 0 && (budget_ -= got) < 0) {
    over_budget_ = true;
    timer_.Cut(id_);
    return 0;
  }
  return got;
}

ssize_t WatchedSocket::WriteRaw(const void* buffer, std::size_t size) {
  if (fd_ < 0) return -1;
  ssize_t sent;
  do sent = ::send(fd_, buffer, size, send_flags_);
  while (sent < 0 && errno == EINTR);
  return sent;
}

// ---------------------------------------------------------------------------------------------- DCMTK's side

WatchedConnection::WatchedConnection(std::shared_ptr<WatchedSocket> socket)
    : DcmTCPConnection(socket->Fd()), socket_(std::move(socket)) {
  // The base class has set time-outs of 60 s; deadlines are ours to give.
  const timeval none{};
  setsockopt(socket_->Fd(), SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
  setsockopt(socket_->Fd(), SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
}

WatchedConnection::~WatchedConnection() { WatchedConnection::close(); }

void WatchedConnection::close() {
  setSocket(kNoSocket);
  socket_->Close();
}

OFBool WatchedConnection::networkDataAvailable(int timeout) {
  return socket_->HasPending() || DcmTCPConnection::networkDataAvailable(timeout);
}

void AssociationDeleter::operator()(T_ASC_Association* association) const { ASC_destroyAssociation(&association); }

class AcceptorNetwork::Layer : public DcmTransportLayer {
 public:
  DcmTransportConnection* createConnection(DcmNativeSocketType, OFBool) override {
    auto* connection = new WatchedConnection(std::move(socket));
    *opened = true;
    Open();
    return connection;
  }
  void Open() {
    dcmExternalSocketHandle.set(kNoSocket);
    // The lock leaves this object before it is opened: the next thread puts its own here.
    const std::unique_lock<std::mutex> mine = std::move(lock);
  }
  // All of them belong to the thread that holds ExternalSocketMutex.
  std::shared_ptr<WatchedSocket> socket;
  std::unique_lock<std::mutex> lock;
  bool* opened = nullptr;
};

AcceptorNetwork::AcceptorNetwork(int first_read_seconds) : layer_(std::make_unique<Layer>()) {
  PrepareDcmtk();
  const std::lock_guard lock(ExternalSocketMutex());
  // With a descriptor set, DCMTK opens no listener of its own; it does not look at the value here.
  dcmExternalSocketHandle.set(1);
  const OFCondition result = ASC_initializeNetwork(NET_ACCEPTOR, 0, first_read_seconds, &network_);
  dcmExternalSocketHandle.set(kNoSocket);
  if (result.bad()) throw Error(ErrorCode::kInternal, std::string("DCMTK cannot start its network: ") + result.text());
  ASC_setTransportLayer(network_, layer_.get(), 0);
}

AcceptorNetwork::~AcceptorNetwork() { ASC_dropNetwork(&network_); }

OFCondition AcceptorNetwork::Receive(std::shared_ptr<WatchedSocket> socket, AssociationPtr& association) {
  std::unique_lock lock(ExternalSocketMutex());
  dcmExternalSocketHandle.set(socket->Fd());
  bool opened = false;
  layer_->opened = &opened;
  layer_->socket = std::move(socket);
  layer_->lock = std::move(lock);
  T_ASC_Association* raw = nullptr;
  const OFCondition result = ASC_receiveAssociation(network_, &raw, kMaxPdu);
  association.reset(raw);
  if (!opened) {  // DCMTK gave up before it asked for a connection: the caller is gone already
    layer_->socket.reset();
    layer_->Open();
  }
  return result;
}

class RequestorNetwork::Layer : public DcmTransportLayer {
 public:
  DcmTransportConnection* createConnection(DcmNativeSocketType placeholder, OFBool) override {
    // DCMTK sets options on its descriptor after this call: it becomes a second name of the real socket.
    if (dup3(socket->Fd(), placeholder, O_CLOEXEC) < 0) return nullptr;  // DCMTK closes it then
    second_name = placeholder;
    return new WatchedConnection(std::move(socket));
  }
  std::shared_ptr<WatchedSocket> socket;
  int second_name = -1;
};

RequestorNetwork::RequestorNetwork() : layer_(std::make_unique<Layer>()) {
  PrepareDcmtk();
  const OFCondition result = ASC_initializeNetwork(NET_REQUESTOR, 0, 30, &network_);
  if (result.bad()) throw Error(ErrorCode::kInternal, std::string("DCMTK cannot start its network: ") + result.text());
  ASC_setTransportLayer(network_, layer_.get(), 0);
}

RequestorNetwork::~RequestorNetwork() { ASC_dropNetwork(&network_); }

OFCondition RequestorNetwork::Request(std::shared_ptr<WatchedSocket> socket, T_ASC_Parameters* params,
                                      AssociationPtr& association) {
  // DCMTK insists on connecting by itself: it gets a placeholder on the loopback, which the layer throws away for the
  // socket that is really connected.
  const int placeholder = Listen("127.0.0.1", 0);
  const std::string address = "127.0.0.1:" + std::to_string(LocalPort(placeholder));
  ASC_setPresentationAddresses(params, "localhost", address.c_str());
  layer_->socket = std::move(socket);
  T_ASC_Association* raw = nullptr;
  const OFCondition result = ASC_requestAssociation(network_, params, &raw);
  ::close(placeholder);
  if (layer_->second_name >= 0) ::close(std::exchange(layer_->second_name, -1));
  layer_->socket.reset();
  if (raw)
    association.reset(raw);
  else
    ASC_destroyAssociationParameters(&params);
  return result;
}

void PrepareDcmtk() {
  static std::once_flag once;
  std::call_once(once, [] {
    SilenceToolkit();
    dcmDisableGethostbyaddr.set(OFTrue);
  });
}

// ---------------------------------------------------------------------------------------------- sockets

int Listen(const std::string& bind_address, int port) {
  const std::string where = bind_address + " port " + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int found = getaddrinfo(bind_address.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (found != 0) throw Error(ErrorCode::kUsage, "cannot listen on " + where + ": " + gai_strerror(found));
  const int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int failed = fd < 0 ? errno : 0;
  if (fd >= 0) {
    SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (list->ai_family == AF_INET6) SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, list->ai_addr, list->ai_addrlen) != 0 || listen(fd, 128) != 0) failed = errno;
  }
  freeaddrinfo(list);
  if (failed == 0) return fd;
  if (fd >= 0) ::close(fd);
  throw Error(ErrorCode::kUsage, "cannot listen on " + where + ": " + std::strerror(failed));
}

int LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // Both families have the port at the same place (RFC 3493 3.3); asked by name all the same.
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

std::string PeerAddress(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char text[NI_MAXHOST];
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&address), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0)
    return {};
  const std::string numeric = text;
  return numeric.rfind("::ffff:", 0) == 0 && numeric.find('.') != std::string::npos ? numeric.substr(7) : numeric;
}

int Connect(const std::string& host, int port, milliseconds limit, std::string* why) {
  const auto deadline = steady_clock::now() + limit;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int found = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list); found != 0) {
    *why = std::string("the host name cannot be resolved (") + gai_strerror(found) + ")";
    return -1;
  }
  int connected = -1;
  for (const addrinfo* entry = list; entry && connected < 0; entry = entry->ai_next) {
    const int fd = socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
      *why = std::strerror(errno);
      continue;
    }
    int failed = connect(fd, entry->ai_addr, entry->ai_addrlen) == 0 ? 0 : errno;
    if (failed == EINPROGRESS) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
      pollfd waiting{fd, POLLOUT, 0};
      socklen_t size = sizeof failed;
      if (poll(&waiting, 1, static_cast<int>(std::max<decltype(left)>(left, 0))) <= 0)
        failed = ETIMEDOUT;
      else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
        failed = errno;
    }
    if (failed == 0) {
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
      connected = fd;
    } else {
      *why = std::strerror(failed);
      ::close(fd);
    }
  }
  freeaddrinfo(list);
  return connected;
}

}  // namespace glionode::dicom
