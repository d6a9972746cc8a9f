#pragma once
#include "config/settings.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace glionode::dicom {

enum class AccessVerdict {
  kAllowed,
  kUnknownAe,         ///< no peer has this AE title
  kWrongAddress,      ///< a peer has it, but may not call from this address
  kNoCertificate,     ///< a peer has it, and must show its certificate
  kWrongCertificate,  ///< a peer has it, and this is not its certificate
};

/// What a caller showed under TLS, after it was found good. Without TLS: empty.
struct CallerCertificate {
  std::string sha256;  ///< fingerprint, lower-case hexadecimal
  std::vector<std::string> names;
};

/// Who may call: AE titles and the addresses that each may come from. One snapshot of the settings; a reload makes a
/// new one. Default deny. Threads: any.
/// Addresses are IPv4 or IPv6 in text; an IPv4-mapped IPv6 address (::ffff:10.0.0.1) is the IPv4 one.
class PeerAccess {
 public:
  /// Numeric addresses of a host name; empty when it is unknown.
  using Resolver = std::function<std::vector<std::string>(const std::string& name)>;

  /// `before`: what held until now. The addresses that its names had are kept until the names are looked up again, so
  /// that a reload while DNS is away locks nobody out.
  explicit PeerAccess(const std::vector<PeerSettings>& peers, Resolver resolver = ResolveHost,
                      const PeerAccess* before = nullptr);
  ~PeerAccess();

  /// May look names up (again after a minute, or when none matched), so it can take as long as DNS does. An unknown
  /// AE title costs no look-up.
  /// A peer that is bound to a certificate must show it, and may then call from any address, unless its `from` names
  /// some.
  AccessVerdict Check(const std::string& calling_ae, const std::string& address,
                      const CallerCertificate& certificate = {}) const;

  /// Is the address one that some peer may call from, as far as is known without a look-up?
  bool KnowsAddress(const std::string& address) const;

  static std::vector<std::string> ResolveHost(const std::string& name);

 private:
  struct Peer;
  Resolver resolver_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

/// Is this the certificate that the peer is bound to? True when it is bound to none.
bool FitsBinding(const PeerSettings& peer, const CallerCertificate& certificate);

/// Blanks around an AE title carry no meaning (PS3.5 6.2, VR AE).
std::string TrimAeTitle(const std::string& title);

/// The text with every byte that is not printable ASCII as '?': what a stranger sent, fit for a log line.
std::string Printable(const std::string& text);

}  // namespace glionode::dicom
