#pragma once
#include "config/settings.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace glionode::dicom {

/// One certificate of ours or of whom we trust.
struct CertificateInfo {
  std::string use;             ///< "own" or "ca"
  std::string name;            ///< its common name, else its whole subject
  std::int64_t not_after = 0;  ///< seconds since 1970
  /// Whole days until it expires, rounded down: -1 since it expired less than a day ago.
  int DaysLeft(std::int64_t now_seconds) const;
};

/// Certificates, key and rules of [dicom.tls], loaded and checked: TLS 1.2 and 1.3 with the suites of BCP 195 (RFC 9325
/// 4.2), no renegotiation, no resumption (each association is judged by the certificates as they are now).
/// Immutable; a reload makes a new one. Threads: any.
class TlsContext {
 public:
  /// Throws Error{kUsage} naming the file: not PEM, a key that belongs to another certificate, and so on. An expired
  /// certificate is no error here: see Certificates().
  explicit TlsContext(const TlsSettings& settings);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// Ours first, then those that we trust.
  const std::vector<CertificateInfo>& Certificates() const { return certificates_; }
  /// What an administrator should know now: certificates that expire within 30 days or have, a key that everybody may
  /// read. Sentences.
  std::vector<std::string> Warnings(std::int64_t now_seconds) const;

  struct Impl;
  const Impl& Inner() const { return *impl_; }  ///< for dicom/ alone

 private:
  std::unique_ptr<Impl> impl_;
  std::vector<CertificateInfo> certificates_;
};

/// Null without [dicom.tls].
std::shared_ptr<const TlsContext> LoadTls(const TlsSettings& settings);

}  // namespace glionode::dicom
