#pragma once
// Internal to admin_http.cpp: one connection.
#include "server/admin_events.h"
#include "server/admin_router.h"

#include <utility>
// <utility> goes before Asio: Boost 1.74 misses it under C++20.
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <type_traits>
#include <unistd.h>

namespace glionode::server::admin_detail {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::size_t kMaxHeaderBytes = 8 * 1024;
constexpr std::size_t kMaxBodyBytes = 64 * 1024;
constexpr std::size_t kMaxStreams = 16;
constexpr auto kRequestTime = std::chrono::seconds(10);
constexpr auto kIdleTime = std::chrono::seconds(30);

/// On Linux a thread has a nice value of its own: whoever asks this interface at full speed takes no time from the
/// receiver. For the calling thread, once.
inline void YieldToOthers() {
  thread_local const bool done = [] {
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 10);
    return true;
  }();
  (void)done;
}

/// What all connections share; outlives them.
struct Shared {
  const AdminRouter& router;
  EventHub& events;
  asio::thread_pool& handlers;
  asio::thread_pool& slow_handlers;
  std::atomic<int>& open;
};

/// One connection; keeps itself alive through its pending operations. All but the handler runs on the I/O thread.
template <typename Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  template <typename... Arguments>
  Session(Shared& shared, std::shared_ptr<const AdminAccess> access, Arguments&&... stream)
      : shared_(shared), access_(std::move(access)), stream_(std::forward<Arguments>(stream)...) {}
  ~Session() {
    if (listening_ != 0) shared_.events.Remove(listening_);
    --shared_.open;
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Start() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      Socket().expires_after(kRequestTime);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](beast::error_code error) {
                                if (!error) self->Read(kRequestTime);
                              });
    } else {
      Read(kRequestTime);
    }
  }

 private:
  beast::tcp_stream& Socket() { return beast::get_lowest_layer(stream_); }

  void Read(std::chrono::seconds time) {
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(kMaxBodyBytes);
    Socket().expires_after(time);
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) return self->Handle();
                       if (error == http::error::body_limit)
                         return self->Refuse(413, "body", "the body of a request has at most 64 KiB");
                       if (error == http::error::header_limit)
                         return self->Refuse(431, "header", "the header of a request has at most 8 KiB");
                     });
  }

  void Refuse(int status, const char* code, const char* text) {
    broken_ = true;  // what follows of the request is not read
    Write(ProblemAnswer(status, code, text));
  }

  void Handle() {
    // The handler may take as long as a SQL query: the socket's own deadline is for the peer only.
    Socket().expires_never();
    const auto& message = parser_->get();
    AdminRequest request{std::string(message.method_string()),
                         std::string(message.target()),
                         std::string(message[http::field::host]),
                         std::string(message[http::field::content_type]),
                         message.body(),
                         std::string(message[http::field::origin]),
                         std::string(message[http::field::authorization])};
    asio::thread_pool& pool = shared_.router.IsSlow(request) ? shared_.slow_handlers : shared_.handlers;
    asio::post(pool, [self = this->shared_from_this(), request = std::move(request)] {
      YieldToOthers();
      AdminResponse answer = self->shared_.router.Handle(request, *self->access_);
      asio::post(self->stream_.get_executor(),
                 [self, answer = std::move(answer)]() mutable { self->Write(std::move(answer)); });
    });
  }

  void SetHeaders(const AdminResponse& answer) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(answer.status));
    response_.set(http::field::content_type, answer.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.set("X-Frame-Options", "DENY");
    response_.set("Referrer-Policy", "no-referrer");
    response_.set("Cross-Origin-Resource-Policy", "same-origin");
    response_.set("Cross-Origin-Opener-Policy", "same-origin");
    response_.set("Content-Security-Policy",
                  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    if (access_->has_tls) response_.set("Strict-Transport-Security", "max-age=31536000");
    for (const auto& [name, value] : answer.headers) response_.set(name, value);
  }

  void Write(AdminResponse answer) {
    if (answer.is_stream && shared_.events.Listeners() >= kMaxStreams)
      answer = ProblemAnswer(503, "busy", "too many pages are open; close one");
    SetHeaders(answer);
    if (answer.is_stream) return StartStream();
    response_.keep_alive(!broken_ && parser_->get().keep_alive());
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
    Socket().expires_after(kRequestTime);
    http::async_write(stream_, response_, [self = this->shared_from_this()](beast::error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) return self->Read(kIdleTime);
      if (!error && self->broken_) return self->Linger();
      self->Close();
    });
  }

  /// Reads what the peer still sends for a short while: closing at once would reset the connection before our answer
  /// has been read.
  void Linger() {
    beast::error_code ignored;
    Socket().socket().shutdown(tcp::socket::shutdown_send, ignored);
    Socket().expires_after(std::chrono::seconds(2));
    Discard();
  }
  void Discard() {
    Socket().async_read_some(asio::buffer(scratch_),
                             [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                               if (!error && ++self->discarded_ < 4096) self->Discard();
                             });
  }

  void Close() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      Socket().expires_after(std::chrono::seconds(2));
      stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) {});
    } else {
      beast::error_code ignored;
      Socket().socket().shutdown(tcp::socket::shutdown_send, ignored);
    }
  }

  // --- server-sent events: the answer has no length and ends with the connection

  void StartStream() {
    response_.keep_alive(false);
    serializer_.emplace(response_);
    Socket().expires_after(kRequestTime);
    writing_ = true;
    http::async_write_header(stream_, *serializer_,
                             [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                               if (error) return;
                               self->writing_ = false;
                               self->Listen();
                             });
  }

  void Listen() {
    const std::weak_ptr<Session> weak = this->shared_from_this();
    listening_ = shared_.events.Add([weak, executor = stream_.get_executor()](std::shared_ptr<const std::string> text) {
      asio::post(executor, [weak, text = std::move(text)] {
        if (const auto self = weak.lock()) self->Offer(text);
      });
    });
    // Nothing more is expected of the peer: this read ends when it goes away, and keeps this object alive until then.
    Socket().expires_never();
    stream_.async_read_some(asio::buffer(scratch_), [self = this->shared_from_this()](beast::error_code, std::size_t) {
      self->shared_.events.Remove(self->listening_);
      self->listening_ = 0;
      self->Socket().close();
    });
  }

  /// A slow reader gets the newest state, not all that came in between.
  void Offer(const std::shared_ptr<const std::string>& text) {
    if (writing_) {
      waiting_ = text;
      return;
    }
    sending_ = text;
    writing_ = true;
    Socket().expires_after(kRequestTime);
    asio::async_write(stream_, asio::buffer(*sending_),
                      [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                        self->writing_ = false;
                        if (error) return self->Socket().close();
                        if (const auto next = std::exchange(self->waiting_, nullptr)) self->Offer(next);
                      });
  }

  Shared& shared_;
  std::shared_ptr<const AdminAccess> access_;
  Stream stream_;
  beast::flat_buffer buffer_{kMaxHeaderBytes + kMaxBodyBytes};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  std::array<char, 4096> scratch_{};
  int discarded_ = 0;
  bool broken_ = false, writing_ = false;
  std::uint64_t listening_ = 0;
  std::shared_ptr<const std::string> sending_, waiting_;
};

}  // namespace glionode::server::admin_detail
