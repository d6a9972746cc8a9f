#include "server/admin_http.h"

#include "config/error.h"
#include "server/admin_events.h"
#include "server/admin_session.h"

#include <mutex>
#include <thread>

namespace glionode::server {
namespace {

using namespace admin_detail;

constexpr int kMaxConnections = 64;
constexpr int kHandlers = 2, kSlowHandlers = 2;

std::shared_ptr<asio::ssl::context> MakeTls(const AdminSettings& settings) {
  if (settings.certificate.empty()) return nullptr;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  // RFC 9325 (BCP 195): TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3.
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context->native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  const auto use = [](const std::filesystem::path& file, const char* what, const std::function<void()>& load) {
    try {
      load();
    } catch (const boost::system::system_error& e) {
      throw Error(ErrorCode::kUsage,
                  file.string() + ": cannot be used as the " + what + " of [admin]: " + e.code().message());
    }
  };
  use(settings.certificate, "certificate", [&] { context->use_certificate_chain_file(settings.certificate.string()); });
  use(settings.key, "key", [&] { context->use_private_key_file(settings.key.string(), asio::ssl::context::pem); });
  if (SSL_CTX_check_private_key(context->native_handle()) != 1)
    throw Error(ErrorCode::kUsage, settings.key.string() + ": is not the key of " + settings.certificate.string());
  return context;
}

}  // namespace

class AdminHttp::Impl {
 public:
  Impl(const AdminSettings& settings, const AdminRouter& router, std::function<nlohmann::json()> state)
      : bound_(settings.bind),
        events_(std::move(state), std::chrono::milliseconds(500), std::chrono::seconds(15)),
        shared_{router, events_, handlers_, slow_handlers_, open_},
        acceptor_(io_) {
    SetAccess(settings);
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
    thread_ = std::thread([this] {
      YieldToOthers();
      io_.run();
    });
  }

  ~Impl() { Stop(); }

  int Port() const { return acceptor_.local_endpoint().port(); }

  void SetAccess(const AdminSettings& settings) {
    auto access = std::make_shared<const AdminAccess>(ReadAccess(settings, bound_));
    auto tls = MakeTls(settings);
    const std::lock_guard lock(mutex_);
    access_ = std::move(access);
    tls_ = std::move(tls);
  }

  void Stop() {
    if (!thread_.joinable()) return;
    events_.Stop();
    io_.stop();
    thread_.join();
    handlers_.join();
    slow_handlers_.join();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error) Begin(std::move(socket));
      if (!error || error == asio::error::connection_aborted) return Accept();
      // No descriptors left, say: trying again at once would burn a core until one is free.
      pause_.expires_after(std::chrono::milliseconds(100));
      pause_.async_wait([this](beast::error_code) { Accept(); });
    });
  }

  void Begin(tcp::socket socket) {
    if (open_ >= kMaxConnections) return;  // closed at once
    ++open_;                               // the session counts itself down
    std::shared_ptr<const AdminAccess> access;
    std::shared_ptr<asio::ssl::context> tls;
    {
      const std::lock_guard lock(mutex_);
      access = access_;
      tls = tls_;
    }
    if (tls)
      std::make_shared<Session<TlsStream>>(shared_, std::move(access), std::move(socket), *tls)->Start();
    else
      std::make_shared<Session<PlainStream>>(shared_, std::move(access), std::move(socket))->Start();
  }

  const std::string bound_;  ///< the address that is listened on, whatever a reload asks for
  std::atomic<int> open_{0};
  EventHub events_;
  asio::thread_pool handlers_{kHandlers}, slow_handlers_{kSlowHandlers};
  Shared shared_;
  std::mutex mutex_;  ///< of the two below
  std::shared_ptr<const AdminAccess> access_;
  std::shared_ptr<asio::ssl::context> tls_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_{io_};
  std::thread thread_;
};

AdminHttp::AdminHttp(const AdminSettings& settings, const AdminRouter& router, std::function<nlohmann::json()> state)
    : impl_(std::make_unique<Impl>(settings, router, std::move(state))) {}
AdminHttp::~AdminHttp() = default;
int AdminHttp::Port() const { return impl_->Port(); }
void AdminHttp::SetAccess(const AdminSettings& settings) { impl_->SetAccess(settings); }
void AdminHttp::Check(const AdminSettings& settings) {
  ReadAccess(settings, settings.bind);
  MakeTls(settings);
}
void AdminHttp::Stop() { impl_->Stop(); }

}  // namespace glionode::server
