#include "server/syslog_link.h"

#include <utility>
// <utility> goes before Asio: Boost 1.74 misses it under C++20.
#include "config/error.h"

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include <chrono>
#include <functional>

namespace glionode::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

constexpr auto kTimeLimit = std::chrono::seconds(10);

}  // namespace

/// One operation after the other, each with a deadline: started asynchronously, run until it is done or time is over.
class SyslogLink::Impl {
 public:
  Impl(const std::string& url, const std::filesystem::path& tls_ca) : url_(url), tls_ca_(tls_ca) {
    const std::size_t colon = url.rfind(':');
    scheme_ = url.substr(0, 3);
    host_ = url.substr(6, colon - 6);
    if (host_.size() > 2 && host_.front() == '[') host_ = host_.substr(1, host_.size() - 2);
    port_ = url.substr(colon + 1);
  }

  void Send(const std::string& message) {
    try {
      if (scheme_ == "udp") return SendDatagram(message);
      const std::string framed = std::to_string(message.size()) + " " + message;
      if (!Connected()) Connect();
      // A collector that has gone shows itself only when it is read from: what was written then would be lost.
      RequireOpen();
      const auto written = [this](boost::system::error_code error, std::size_t) { Done(error); };
      if (tls_)
        asio::async_write(*tls_, asio::buffer(framed), written);
      else
        asio::async_write(*tcp_, asio::buffer(framed), written);
      Run();
    } catch (const boost::system::system_error& e) {
      Close();
      throw Error(ErrorCode::kNotFound, "the audit collector " + url_ + ": " + e.code().message());
    }
  }

 private:
  bool Connected() const { return tls_ || tcp_; }
  void Close() {
    tls_.reset();
    tcp_.reset();
    context_.reset();
  }
  void Done(boost::system::error_code error) {
    error_ = error;
    done_ = true;
  }
  void Run() {
    io_.restart();
    io_.run_for(kTimeLimit);
    if (!std::exchange(done_, false)) {
      Close();
      io_.restart();
      io_.poll();  // lets the cancelled operation end
      done_ = false;
      error_ = asio::error::timed_out;
    }
    if (error_) throw boost::system::system_error(std::exchange(error_, {}));
  }

  template <typename Stream>
  void ConnectSocket(Stream& socket) {
    const auto addresses = tcp::resolver(io_).resolve(host_, port_);
    asio::async_connect(socket, addresses,
                        [this](boost::system::error_code error, const tcp::endpoint&) { Done(error); });
    Run();
  }

  void Connect() {
    if (scheme_ == "tcp") {
      auto socket = std::make_unique<tcp::socket>(io_);
      ConnectSocket(*socket);
      tcp_ = std::move(socket);
      return;
    }
    context_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
    if (tls_ca_.empty())
      context_->set_default_verify_paths();
    else
      context_->load_verify_file(tls_ca_.string());
    context_->set_verify_mode(asio::ssl::verify_peer);
    SSL_CTX_set_min_proto_version(context_->native_handle(), TLS1_2_VERSION);
    auto stream = std::make_unique<asio::ssl::stream<tcp::socket>>(io_, *context_);
    stream->set_verify_callback(asio::ssl::host_name_verification(host_));
    SSL_set_tlsext_host_name(stream->native_handle(), host_.c_str());
    ConnectSocket(stream->next_layer());
    stream->async_handshake(asio::ssl::stream_base::client, [this](boost::system::error_code error) { Done(error); });
    Run();
    tls_ = std::move(stream);
  }

  void RequireOpen() {
    char byte;
    boost::system::error_code error;
    (tls_ ? tls_->next_layer() : *tcp_).non_blocking(true);
    if (tls_)
      // Through TLS: its session tickets (RFC 8446 4.6.1) wait in the socket as well, and hide the end behind them.
      tls_->read_some(asio::buffer(&byte, 1), error);
    else
      tcp_->receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
    if (!error || error == asio::error::would_block) return;  // what it says is nothing that we need
    Close();
    Connect();
  }

  void SendDatagram(const std::string& message) {
    if (!udp_) {
      auto socket = std::make_unique<udp::socket>(io_);
      const auto addresses = udp::resolver(io_).resolve(host_, port_);
      asio::connect(*socket, addresses);
      udp_ = std::move(socket);
    }
    try {
      udp_->send(asio::buffer(message));
    } catch (const boost::system::system_error&) {
      udp_.reset();
      throw;
    }
  }

  const std::string url_;
  const std::filesystem::path tls_ca_;
  std::string scheme_, host_, port_;
  asio::io_context io_;
  bool done_ = false;
  boost::system::error_code error_;
  std::unique_ptr<udp::socket> udp_;
  std::unique_ptr<tcp::socket> tcp_;
  std::unique_ptr<asio::ssl::context> context_;
  std::unique_ptr<asio::ssl::stream<tcp::socket>> tls_;
};

SyslogLink::SyslogLink(const std::string& url, const std::filesystem::path& tls_ca)
    : impl_(std::make_unique<Impl>(url, tls_ca)) {}
SyslogLink::~SyslogLink() = default;
void SyslogLink::Send(const std::string& message) { impl_->Send(message); }

}  // namespace glionode::server
