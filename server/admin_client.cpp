#include "server/admin_client.h"

#include <utility>
// <utility> goes before Asio: Boost 1.74 misses it under C++20.
#include "config/error.h"
#include "server/admin_access.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <openssl/x509_vfy.h>

namespace glionode::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

template <typename Stream>
HttpAnswer Exchange(Stream& stream, const http::request<http::string_body>& request) {
  http::write(stream, request);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::uint64_t{64} << 20);
  http::read(stream, buffer, parser);
  return {static_cast<int>(parser.get().result_int()), parser.get().body()};
}

}  // namespace

HttpAnswer AskNode(const AdminSettings& settings, int port, const std::string& method, const std::string& target,
                   const std::string& body, int seconds) {
  const std::string host = settings.bind == "0.0.0.0" ? "127.0.0.1" : settings.bind == "::" ? "::1" : settings.bind;
  const int real_port = port > 0 ? port : settings.port;
  http::request<http::string_body> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, "localhost");
  request.keep_alive(false);
  if (const std::string token = TokenFor(settings, method == "GET" ? Access::kRead : Access::kOperate); !token.empty())
    request.set(http::field::authorization, "Bearer " + token);
  if (method != "GET") request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.prepare_payload();
  try {
    asio::io_context io;
    const tcp::endpoint endpoint(asio::ip::make_address(host), static_cast<unsigned short>(real_port));
    if (settings.certificate.empty()) {
      beast::tcp_stream stream(io);
      stream.expires_after(std::chrono::seconds(seconds));
      stream.connect(endpoint);
      return Exchange(stream, request);
    }
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.load_verify_file(settings.certificate.string());
    context.set_verify_mode(asio::ssl::verify_peer);
    // The certificate stands for itself: that of a node is known by its file here, not by its name.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.native_handle()), X509_V_FLAG_PARTIAL_CHAIN);
    beast::ssl_stream<beast::tcp_stream> stream(io, context);
    beast::get_lowest_layer(stream).expires_after(std::chrono::seconds(seconds));
    beast::get_lowest_layer(stream).connect(endpoint);
    stream.handshake(asio::ssl::stream_base::client);
    return Exchange(stream, request);
  } catch (const boost::system::system_error& e) {
    throw Error(ErrorCode::kNotFound, "no node answers on " + host + " port " + std::to_string(real_port) +
                                          " ([admin] of the configuration): " + e.code().message());
  }
}

}  // namespace glionode::server
