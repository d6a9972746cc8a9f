#pragma once
#include <string>
#include <vector>

namespace glionode {

/// Internal to config/: addresses of this machine that a `from` rarely means.

struct MachineNetwork {
  std::vector<std::string> gateways;  ///< of the default routes
  std::vector<std::string>
      bridges;                   ///< our own addresses on container bridges: callers through a proxy come from there
  std::vector<std::string> own;  ///< all our own addresses, loopback left out
  bool in_container = false;
};

/// What the kernel says now (getifaddrs, /proc/net/route, /proc/net/ipv6_route). What cannot be read is left out.
MachineNetwork ReadMachineNetwork();

/// How many leading bits of `range` (an address, or ADDRESS/BITS) are fixed, of 32 or 128; -1: it is neither.
int FixedBits(const std::string& range);
bool IsIpv6(const std::string& range);
/// Is the address within the range? False for a host name. An IPv4-mapped IPv6 address is the IPv4 one.
bool Holds(const std::string& range, const std::string& address);
/// Loopback, private (RFC 1918, RFC 4193), link-local or shared (RFC 6598): not to be reached from outside.
bool IsPrivate(const std::string& address);

}  // namespace glionode
