#pragma once
// Internal header of dicom/: it shows OpenSSL's types, so no other folder may include it.
#include "dicom/peer_access.h"
#include "dicom/tls.h"

#include <functional>
#include <memory>
#include <openssl/ssl.h>
#include <string>
#include <vector>

namespace glionode::dicom {

struct SslContextCloser {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextCloser>;

struct TlsContext::Impl {
  SslContext server, client;
  std::filesystem::path key;
  bool has_ca = false;
};

/// Names that a certificate bears: DNS names (SubjectAltName), then common names. Printable.
std::vector<std::string> NamesOf(X509* certificate);

/// TLS over any stream of bytes: it reads and writes through two functions, so that deadlines, budgets and
/// acknowledgements stay with whoever owns the socket.
/// Threads: one.
class TlsStream {
 public:
  /// As recv(2) and send(2) on a blocking socket.
  struct Raw {
    std::function<ssize_t(void*, std::size_t)> read;
    std::function<ssize_t(const void*, std::size_t)> write;
  };
  TlsStream(const TlsContext& context, bool as_server, Raw raw);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// False: see FailureWord and FailureText.
  bool Handshake();
  ssize_t Read(void* buffer, std::size_t size);
  ssize_t Write(const void* buffer, std::size_t size);
  /// Bytes that are decrypted already and wait to be read.
  bool HasPending() const;
  /// Tells the other end that nothing more comes. Does not wait for its answer.
  void Close();

  /// What the other end showed; empty when it showed none.
  const CallerCertificate& Peer() const { return peer_; }
  /// "TLSv1.3, TLS_AES_128_GCM_SHA256"
  std::string Describe() const;
  /// Why the handshake failed, or the connection later: a short fixed word for counting (tls_expired, tls_foreign,
  /// tls_no_certificate, tls_version, tls_suite, tls_not_tls, tls_alert, tls_failed), and words for people. Empty: no
  /// error of TLS, the connection just ended.
  const std::string& FailureWord() const { return word_; }
  const std::string& FailureText() const { return text_; }

 private:
  struct SslCloser {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  void Judge(int result);

  Raw raw_;
  const bool as_server_;
  std::unique_ptr<SSL, SslCloser> ssl_;
  CallerCertificate peer_;
  std::string word_, text_;
  bool broken_ = false;
};

}  // namespace glionode::dicom
