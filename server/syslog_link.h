#pragma once
#include <filesystem>
#include <memory>
#include <string>

namespace glionode::server {

/// A way to a syslog collector. Threads: one at a time.
class SyslogLink {
 public:
  /// `url`: "udp://host:port", "tcp://host:port" (RFC 6587, octet counting) or "tls://host:port" (RFC 5425; the
  /// collector's certificate must name the host and come from `tls_ca`, or from the system's certificates when that is
  /// empty).
  SyslogLink(const std::string& url, const std::filesystem::path& tls_ca);
  ~SyslogLink();

  /// Sends one RFC 5424 message; connects when needed, within 10 seconds. Throws Error naming the collector when that
  /// fails; the connection is then given up. (UDP knows of a collector that is away only when its machine says so.)
  void Send(const std::string& message);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glionode::server
