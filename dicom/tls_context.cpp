#include "config/error.h"
#include "dicom/tls_stream.h"

#include <algorithm>
#include <cstdio>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

namespace glionode::dicom {
namespace {

constexpr int kWarnDays = 30;
constexpr int kDaySeconds = 86400;

// RFC 9325 4.2: the suites of TLS 1.2 that it recommends, forward secret and authenticated.
constexpr char kSuites12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr char kSuites13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kGroups[] = "X25519:P-256:P-384";

[[noreturn]] void Fail(const std::string& key, const std::filesystem::path& file, const std::string& what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  throw Error(ErrorCode::kUsage, "dicom.tls." + key + ": " + file.string() + " " + what +
                                     (reason ? std::string(" (") + reason + ")" : ""));
}

struct Closer {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

std::int64_t Seconds(const ASN1_TIME* time) {
  tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(timegm(&parts)) : 0;
}

CertificateInfo Describe(X509* certificate, const std::string& use) {
  CertificateInfo info;
  info.use = use;
  const auto names = NamesOf(certificate);
  char subject[256] = "";
  X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
  info.name = names.empty() ? subject : names.front();
  info.not_after = Seconds(X509_get0_notAfter(certificate));
  return info;
}

/// All certificates of a PEM file.
std::vector<CertificateInfo> ReadAll(const std::filesystem::path& file, const std::string& use) {
  std::vector<CertificateInfo> found;
  const std::unique_ptr<BIO, Closer> in(BIO_new_file(file.c_str(), "r"));
  while (in) {
    const std::unique_ptr<X509, Closer> certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    found.push_back(Describe(certificate.get(), use));
  }
  ERR_clear_error();  // the end of the file is one
  return found;
}

SslContext Make(const SSL_METHOD* method, const TlsSettings& settings) {
  SslContext owner(SSL_CTX_new(method));
  SSL_CTX* const context = owner.get();
  if (!context) throw Error(ErrorCode::kInternal, "OpenSSL cannot make a TLS context");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // 112 bits: no RSA key under 2048, no SHA-1 in a chain, whatever the machine's openssl.cnf says.
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  if (SSL_CTX_set_cipher_list(context, kSuites12) != 1 || SSL_CTX_set_ciphersuites(context, kSuites13) != 1 ||
      SSL_CTX_set1_groups_list(context, kGroups) != 1)
    throw Error(ErrorCode::kInternal, "this OpenSSL lacks the cipher suites of BCP 195");
  // A passphrase cannot be asked for: an encrypted key is a mistake that is said.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, settings.certificate.c_str()) != 1)
    Fail("certificate", settings.certificate, "holds no PEM certificate that can be used");
  if (SSL_CTX_use_PrivateKey_file(context, settings.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
      Fail("key", settings.key, "is not the key of " + settings.certificate.string());
    Fail("key", settings.key, "holds no PEM private key that can be used (one without a passphrase)");
  }
  if (SSL_CTX_check_private_key(context) != 1)
    Fail("key", settings.key, "is not the key of " + settings.certificate.string());
  if (!settings.ca.empty()) {
    if (SSL_CTX_load_verify_file(context, settings.ca.c_str()) != 1)
      Fail("ca", settings.ca, "holds no PEM certificate that can be used");
    // A peer's own certificate may be trusted by itself, without the authority that signed it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  }
  return owner;
}

}  // namespace

TlsContext::TlsContext(const TlsSettings& settings) : impl_(std::make_unique<Impl>()) {
  impl_->server = Make(TLS_server_method(), settings);
  impl_->client = Make(TLS_client_method(), settings);
  if (settings.client_certificates != "none") {
    SSL_CTX_set_verify(impl_->server.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_client_CA_list(impl_->server.get(), SSL_load_client_CA_file(settings.ca.c_str()));
  }
  SSL_CTX_set_verify(impl_->client.get(), SSL_VERIFY_PEER, nullptr);
  impl_->key = settings.key;
  impl_->has_ca = !settings.ca.empty();
  certificates_ = ReadAll(settings.certificate, "own");
  // Of the chain, ours is the first; the others are the authorities' matter, and expire as they do.
  for (std::size_t i = 1; i < certificates_.size(); ++i) certificates_[i].use = "ca";
  if (impl_->has_ca)
    for (auto& trusted : ReadAll(settings.ca, "ca")) certificates_.push_back(std::move(trusted));
}

TlsContext::~TlsContext() = default;

int CertificateInfo::DaysLeft(std::int64_t now_seconds) const {
  const std::int64_t left = not_after - now_seconds;
  return static_cast<int>(left >= 0 ? left / kDaySeconds : -((-left + kDaySeconds - 1) / kDaySeconds));
}

std::vector<std::string> TlsContext::Warnings(std::int64_t now_seconds) const {
  std::vector<std::string> out;
  for (const CertificateInfo& certificate : certificates_) {
    const int days = certificate.DaysLeft(now_seconds);
    const std::string whose =
        (certificate.use == "own" ? "our certificate \"" : "the trusted certificate \"") + certificate.name + "\" ";
    if (days < 0)
      out.push_back(whose + "has expired: connections under TLS fail");
    else if (days < kWarnDays)
      out.push_back(whose + "expires in " + std::to_string(days) + " days");
  }
  struct stat info {};
  if (stat(impl_->key.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0)
    out.push_back("the key " + impl_->key.string() + " can be read by everybody on this machine: chmod 600");
  return out;
}

std::shared_ptr<const TlsContext> LoadTls(const TlsSettings& settings) {
  return settings.Enabled() ? std::make_shared<const TlsContext>(settings) : nullptr;
}

}  // namespace glionode::dicom
