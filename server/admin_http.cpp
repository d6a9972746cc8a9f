#include "server/admin_http.h"

#include <utility>
// <utility> goes before Asio: Boost 1.74 misses it under C++20.
#include "config/error.h"
#include "config/log.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <atomic>
#include <optional>
#include <thread>

namespace glionode::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

constexpr std::size_t kMaxHeaderBytes = 8 * 1024;
constexpr std::size_t kMaxBodyBytes = 64 * 1024;
constexpr int kMaxConnections = 64;
constexpr auto kRequestTime = std::chrono::seconds(10);
constexpr auto kIdleTime = std::chrono::seconds(30);

/// One connection; keeps itself alive through its pending operation.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, asio::thread_pool& handlers, NodeView& node, std::atomic<int>& open)
      : stream_(std::move(socket)), handlers_(handlers), node_(node), open_(open) {}
  ~Session() { --open_; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Read(std::chrono::seconds time) {
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(kMaxBodyBytes);
    stream_.expires_after(time);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->Handle();
    });
  }

 private:
  void Handle() {
    // The handler may take as long as a SQL query: the socket's own deadline is for the peer only.
    stream_.expires_never();
    asio::post(handlers_, [self = shared_from_this()] {
      const auto& message = self->parser_->get();
      const AdminRequest request{std::string(message.method_string()), std::string(message.target()),
                                 std::string(message[http::field::host]),
                                 std::string(message[http::field::content_type]), message.body()};
      AdminResponse answer = Route(request, self->node_);
      asio::post(self->stream_.get_executor(),
                 [self, answer = std::move(answer)]() mutable { self->Write(std::move(answer)); });
    });
  }

  void Write(AdminResponse answer) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(answer.status));
    response_.set(http::field::content_type, answer.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.keep_alive(parser_->get().keep_alive());
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
    stream_.expires_after(kRequestTime);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) return self->Read(kIdleTime);
      beast::error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{kMaxHeaderBytes + kMaxBodyBytes};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  asio::thread_pool& handlers_;
  NodeView& node_;
  std::atomic<int>& open_;
};

}  // namespace

class AdminHttp::Impl {
 public:
  Impl(const AdminSettings& settings, NodeView& node) : node_(node), acceptor_(io_) {
    try {
      const tcp::endpoint endpoint(asio::ip::make_address(settings.bind), static_cast<unsigned short>(settings.port));
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(tcp::acceptor::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen();
    } catch (const boost::system::system_error& e) {
      throw Error(ErrorCode::kUsage, "[admin] " + settings.bind + " port " + std::to_string(settings.port) +
                                         " cannot be used: " + e.code().message());
    }
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Impl() { Stop(); }

  int Port() const { return acceptor_.local_endpoint().port(); }

  void Stop() {
    if (!thread_.joinable()) return;
    io_.stop();
    thread_.join();
    handlers_.join();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error) {
        // Beyond the limit the connection is closed at once; the session object counts itself down.
        const bool fits = ++open_ <= kMaxConnections;
        auto session = std::make_shared<Session>(std::move(socket), handlers_, node_, open_);
        if (fits) session->Read(kRequestTime);
      }
      Accept();
    });
  }

  NodeView& node_;
  std::atomic<int> open_{0};
  asio::thread_pool handlers_{2};
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  std::thread thread_;
};

AdminHttp::AdminHttp(const AdminSettings& settings, NodeView& node) : impl_(std::make_unique<Impl>(settings, node)) {}
AdminHttp::~AdminHttp() = default;
int AdminHttp::Port() const { return impl_->Port(); }
void AdminHttp::Stop() { impl_->Stop(); }

HttpAnswer AskNode(const std::string& host, int port, const std::string& method, const std::string& target,
                   const std::string& body) {
  try {
    asio::io_context io;
    beast::tcp_stream stream(io);
    stream.expires_after(std::chrono::seconds(10));
    stream.connect(tcp::endpoint(asio::ip::make_address(host), static_cast<unsigned short>(port)));
    http::request<http::string_body> request(http::string_to_verb(method), target, 11);
    request.set(http::field::host, "localhost");
    request.keep_alive(false);
    if (!body.empty()) request.set(http::field::content_type, "application/json");
    request.body() = body;
    request.prepare_payload();
    http::write(stream, request);
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(std::uint64_t{64} << 20);
    http::read(stream, buffer, parser);
    return {static_cast<int>(parser.get().result_int()), parser.get().body()};
  } catch (const boost::system::system_error& e) {
    throw Error(ErrorCode::kNotFound, "no node answers on " + host + " port " + std::to_string(port) +
                                          " ([admin] of the configuration): " + e.code().message());
  }
}

}  // namespace glionode::server
