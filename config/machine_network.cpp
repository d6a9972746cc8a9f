#include "config/machine_network.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ifaddrs.h>
#include <netdb.h>
#include <optional>
#include <sstream>
#include <sys/socket.h>

namespace glionode {
namespace {

// IPv4 as IPv4-mapped IPv6 (RFC 4291 2.5.5.2): one length, one comparison.
using Address = std::array<std::uint8_t, 16>;
constexpr int kMappedBits = 96;

std::optional<Address> Parse(const std::string& text) {
  Address address{};
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  if (inet_pton(AF_INET, text.c_str(), address.data() + 12) != 1) return std::nullopt;
  address[10] = address[11] = 0xFF;
  return address;
}

bool SameBits(const Address& a, const Address& b, int bits) {
  for (int i = 0; i < bits; ++i) {
    const auto byte = static_cast<std::size_t>(i / 8);
    if (((a[byte] ^ b[byte]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

void ReadGateways(MachineNetwork& network) {
  // Interface, destination, gateway (hexadecimal, as the machine stores them), ...
  std::ifstream ipv4("/proc/net/route");
  for (std::string line; std::getline(ipv4, line);) {
    std::istringstream words(line);
    std::string interface, destination, gateway;
    words >> interface >> destination >> gateway;
    if (destination != "00000000" || gateway == "00000000") continue;
    in_addr address{};
    const auto [end, error] = std::from_chars(gateway.data(), gateway.data() + gateway.size(), address.s_addr, 16);
    char text[INET_ADDRSTRLEN];
    if (error == std::errc() && inet_ntop(AF_INET, &address, text, sizeof text)) network.gateways.emplace_back(text);
  }
  // Destination, its length, source, its length, next hop, ...
  std::ifstream ipv6("/proc/net/ipv6_route");
  for (std::string line; std::getline(ipv6, line);) {
    std::istringstream words(line);
    std::string destination, bits, source, source_bits, hop;
    words >> destination >> bits >> source >> source_bits >> hop;
    if (bits != "00" || hop.size() != 32 || hop.find_first_not_of('0') == std::string::npos) continue;
    for (std::size_t colon = 28; colon > 0; colon -= 4) hop.insert(colon, ":");
    network.gateways.push_back(hop);
  }
}

}  // namespace

MachineNetwork ReadMachineNetwork() {
  MachineNetwork network;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) == 0) {
    for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
      if (!entry->ifa_addr) continue;
      const int family = entry->ifa_addr->sa_family;
      if (family != AF_INET && family != AF_INET6) continue;
      char text[NI_MAXHOST];
      const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      if (getnameinfo(entry->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
      const std::string address = std::string(text).substr(0, std::string(text).find('%'));
      if (Holds("127.0.0.0/8", address) || address == "::1") continue;
      network.own.push_back(address);
      const std::string name = entry->ifa_name;
      for (const char* bridge : {"docker", "br-", "podman", "cni", "virbr"})
        if (name.rfind(bridge, 0) == 0) network.bridges.push_back(address);
    }
    freeifaddrs(list);
  }
  ReadGateways(network);
  std::error_code ignored;
  network.in_container =
      std::filesystem::exists("/.dockerenv", ignored) || std::filesystem::exists("/run/.containerenv", ignored);
  return network;
}

bool IsIpv6(const std::string& range) { return range.find(':') != std::string::npos; }

int FixedBits(const std::string& range) {
  const auto slash = range.find('/');
  if (!Parse(range.substr(0, slash))) return -1;
  if (slash == std::string::npos) return IsIpv6(range) ? 128 : 32;
  int bits = -1;
  std::from_chars(range.data() + slash + 1, range.data() + range.size(), bits);
  return bits;
}

bool Holds(const std::string& range, const std::string& address) {
  const auto base = Parse(range.substr(0, range.find('/'))), asked = Parse(address);
  const int bits = FixedBits(range);
  return base && asked && bits >= 0 && SameBits(*base, *asked, IsIpv6(range) ? bits : bits + kMappedBits);
}

bool IsPrivate(const std::string& address) {
  static const std::array<const char*, 9> kRanges = {
      "127.0.0.0/8",   "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
      "100.64.0.0/10", "::1",        "fc00::/7",      "fe80::/10"};
  return std::any_of(kRanges.begin(), kRanges.end(), [&](const char* range) { return Holds(range, address); });
}

}  // namespace glionode
