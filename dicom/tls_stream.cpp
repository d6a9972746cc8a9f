#include "dicom/tls_stream.h"

#include "config/error.h"

#include <climits>

#include <algorithm>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace glionode::dicom {
namespace {

// ---- OpenSSL's view of our two functions

TlsStream::Raw* RawOf(BIO* bio) { return static_cast<TlsStream::Raw*>(BIO_get_data(bio)); }

int ReadRaw(BIO* bio, char* buffer, int size) {
  return static_cast<int>(RawOf(bio)->read(buffer, static_cast<std::size_t>(size)));
}
int WriteRaw(BIO* bio, const char* buffer, int size) {
  // All of it: OpenSSL would take a short write for a socket that does not block.
  int sent = 0;
  while (sent < size) {
    const ssize_t part = RawOf(bio)->write(buffer + sent, static_cast<std::size_t>(size - sent));
    if (part <= 0) return -1;
    sent += static_cast<int>(part);
  }
  return sent;
}
long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* Method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "watched socket");
    if (!made) throw Error(ErrorCode::kInternal, "OpenSSL takes no further kind of stream");
    BIO_meth_set_read(made, ReadRaw);
    BIO_meth_set_write(made, WriteRaw);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

std::string TextOf(const ASN1_STRING* string) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, string);
  if (size < 0) return {};
  const std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return Printable(text);
}

CallerCertificate CertificateOf(SSL* ssl) {
  CallerCertificate out;
  X509* certificate = SSL_get1_peer_certificate(ssl);
  if (!certificate) return out;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
    constexpr char kDigits[] = "0123456789abcdef";
    for (unsigned i = 0; i < size; ++i) {
      out.sha256 += kDigits[digest[i] >> 4];
      out.sha256 += kDigits[digest[i] & 15];
    }
  }
  out.names = NamesOf(certificate);
  X509_free(certificate);
  return out;
}

}  // namespace

std::vector<std::string> NamesOf(X509* certificate) {
  std::vector<std::string> names;
  auto* alternatives =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives, i);
    if (name->type == GEN_DNS) names.push_back(TextOf(name->d.dNSName));
  }
  GENERAL_NAMES_free(alternatives);
  const X509_NAME* subject = X509_get_subject_name(certificate);
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
    names.push_back(TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  return names;
}

TlsStream::TlsStream(const TlsContext& context, bool as_server, Raw raw)
    : raw_(std::move(raw)),
      as_server_(as_server),
      ssl_(SSL_new(as_server ? context.Inner().server.get() : context.Inner().client.get())) {
  BIO* bio = BIO_new(Method());
  if (!ssl_ || !bio) {
    BIO_free(bio);
    throw Error(ErrorCode::kInternal, "OpenSSL cannot start a TLS connection");
  }
  BIO_set_data(bio, &raw_);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsStream::~TlsStream() = default;

bool TlsStream::Handshake() {
  ERR_clear_error();
  const int result = as_server_ ? SSL_accept(ssl_.get()) : SSL_connect(ssl_.get());
  if (result != 1) {
    Judge(result);
    return false;
  }
  peer_ = CertificateOf(ssl_.get());
  return true;
}

ssize_t TlsStream::Read(void* buffer, std::size_t size) {
  ERR_clear_error();
  const int got = SSL_read(ssl_.get(), buffer, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
  if (got > 0) return got;
  Judge(got);
  return SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t TlsStream::Write(const void* buffer, std::size_t size) {
  ERR_clear_error();
  const int sent = SSL_write(ssl_.get(), buffer, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
  if (sent > 0) return sent;
  Judge(sent);
  return -1;
}

bool TlsStream::HasPending() const { return SSL_pending(ssl_.get()) > 0; }

void TlsStream::Close() {
  // After an error OpenSSL must not be called for this.
  if (!broken_ && SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::string TlsStream::Describe() const {
  return std::string(SSL_get_version(ssl_.get())) + ", " + SSL_get_cipher_name(ssl_.get());
}

void TlsStream::Judge(int result) {
  const int kind = SSL_get_error(ssl_.get(), result);
  if (kind == SSL_ERROR_ZERO_RETURN) return;
  broken_ = true;
  const unsigned long error = ERR_peek_error();
  if (kind != SSL_ERROR_SSL || error == 0 || !word_.empty()) return ERR_clear_error();
  const int reason = ERR_GET_REASON(error);
  const char* said = ERR_reason_error_string(error);
  const long verified = SSL_get_verify_result(ssl_.get());
  const auto set = [this](const char* word, std::string text) { word_ = word, text_ = std::move(text); };
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      set("tls_no_certificate", "it showed no certificate ([dicom.tls] client_certificates)");
      break;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      if (verified == X509_V_ERR_CERT_HAS_EXPIRED)
        set("tls_expired", "its certificate has expired");
      else if (verified == X509_V_ERR_CERT_NOT_YET_VALID)
        set("tls_expired", "its certificate is not valid yet: is one of the two clocks wrong?");
      else
        set("tls_foreign", std::string("its certificate is not one that [dicom.tls] ca vouches for (") +
                               X509_verify_cert_error_string(verified) + ")");
      break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      set("tls_version", "it speaks an older version than TLS 1.2");
      break;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      set("tls_suite", "it offers none of the cipher suites of BCP 195");
      break;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_RECORD_TYPE:
      set("tls_not_tls", "what it sent is not TLS");
      break;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      break;
    default:
      // Alerts that the other end sent have numbers of their own in OpenSSL: 1000 and the alert's.
      if (reason >= 1000 && reason < 1256)
        set("tls_alert", std::string("it refused our side of TLS (") + (said ? said : "alert") + ")");
      else
        set("tls_failed", std::string("TLS failed (") + (said ? said : "no reason given") + ")");
  }
  ERR_clear_error();
}

}  // namespace glionode::dicom
