#include "dicom/peer_access.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstring>
#include <mutex>
#include <netdb.h>
#include <optional>
#include <sys/socket.h>

namespace glionode::dicom {
namespace {

constexpr auto kNameLifetime = std::chrono::seconds(60);
constexpr auto kLookUpPause = std::chrono::seconds(10);

// IPv4 addresses are kept as IPv4-mapped IPv6 (RFC 4291 2.5.5.2): one length, one comparison.
using Address = std::array<std::uint8_t, 16>;
constexpr int kMappedBits = 96;

std::optional<Address> ParseAddress(const std::string& with_scope) {
  const std::string text = with_scope.substr(0, with_scope.find('%'));  // fe80::1%eth0
  Address address{};
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  if (inet_pton(AF_INET, text.c_str(), address.data() + 12) != 1) return std::nullopt;
  address[10] = address[11] = 0xFF;
  return address;
}

struct Range {
  Address base;
  int bits;  // of 128

  bool Holds(const Address& address) const {
    for (int i = 0; i < bits / 8; ++i)
      if (address[static_cast<std::size_t>(i)] != base[static_cast<std::size_t>(i)]) return false;
    const int rest = bits % 8;
    if (rest == 0) return true;
    const auto last = static_cast<std::size_t>(bits / 8);
    return (address[last] ^ base[last]) >> (8 - rest) == 0;
  }
};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// "10.20.0.0/24", "2001:db8::/32" or one address.
std::optional<Range> ParseRange(const std::string& text) {
  const auto slash = text.find('/');
  const auto base = ParseAddress(text.substr(0, slash));
  if (!base) return std::nullopt;
  if (slash == std::string::npos) return Range{*base, 128};
  int bits = -1;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, bits);
  const int offset = text.find(':') == std::string::npos ? kMappedBits : 0;
  if (error != std::errc() || rest != end || bits < 0 || bits > 128 - offset) return std::nullopt;
  return Range{*base, bits + offset};
}

}  // namespace

struct PeerAccess::Peer {
  std::string ae_title;
  PeerSettings settings;
  bool any_address = false;
  std::vector<Range> ranges;
  std::vector<std::string> names;

  std::mutex looking;  // held during a look-up: who comes meanwhile waits for its answer
  std::mutex mutex;    // what follows
  std::vector<Address> resolved;
  std::optional<std::chrono::steady_clock::time_point> resolved_at;

  bool InRanges(const Address& address) const {
    return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) { return range.Holds(address); });
  }
  bool InResolved(const Address& address) {
    const std::lock_guard lock(mutex);
    return std::find(resolved.begin(), resolved.end(), address) != resolved.end();
  }
  // True when the names were looked up now. A failed look-up keeps the addresses of the last one: a short failure of
  // DNS must not lock a PACS out.
  bool LookUp(const Resolver& resolver, std::chrono::steady_clock::duration lifetime) {
    if (names.empty()) return false;
    const std::lock_guard turn(looking);
    {
      const std::lock_guard lock(mutex);
      if (resolved_at && std::chrono::steady_clock::now() - *resolved_at < lifetime) return false;
    }
    std::vector<Address> found;
    for (const std::string& name : names)
      for (const std::string& text : resolver(name))
        if (const auto address = ParseAddress(text)) found.push_back(*address);
    const std::lock_guard lock(mutex);
    if (!found.empty()) resolved = std::move(found);
    resolved_at = std::chrono::steady_clock::now();
    return true;
  }
};

PeerAccess::PeerAccess(const std::vector<PeerSettings>& peers, Resolver resolver, const PeerAccess* before)
    : resolver_(std::move(resolver)) {
  for (const PeerSettings& settings : peers) {
    auto peer = std::make_unique<Peer>();
    peer->ae_title = TrimAeTitle(settings.ae_title);
    peer->settings = settings;
    peer->any_address = settings.IsBoundToCertificate() && settings.from.empty();
    const auto& from = settings.from.empty() ? std::vector<std::string>{settings.host} : settings.from;
    for (const std::string& entry : from) {
      if (const auto range = ParseRange(entry))
        peer->ranges.push_back(*range);
      else if (!entry.empty())
        peer->names.push_back(entry);
    }
    if (before != nullptr)
      for (const auto& old : before->peers_)
        if (!peer->names.empty() && old->names == peer->names) {
          const std::lock_guard lock(old->mutex);
          peer->resolved = old->resolved;
        }
    peers_.push_back(std::move(peer));
  }
}

PeerAccess::~PeerAccess() = default;

AccessVerdict PeerAccess::Check(const std::string& calling_ae, const std::string& address,
                                const CallerCertificate& certificate) const {
  const std::string title = TrimAeTitle(calling_ae);
  const auto parsed = ParseAddress(address);
  AccessVerdict verdict = AccessVerdict::kUnknownAe;
  for (const auto& peer : peers_) {
    if (title.empty() || peer->ae_title != title) continue;
    if (!FitsBinding(peer->settings, certificate)) {
      verdict = certificate.sha256.empty() ? AccessVerdict::kNoCertificate : AccessVerdict::kWrongCertificate;
      continue;
    }
    if (peer->any_address) return AccessVerdict::kAllowed;
    verdict = AccessVerdict::kWrongAddress;
    if (!parsed) continue;
    if (peer->InRanges(*parsed)) return AccessVerdict::kAllowed;
    peer->LookUp(resolver_, kNameLifetime);
    if (peer->InResolved(*parsed)) return AccessVerdict::kAllowed;
    if (peer->LookUp(resolver_, kLookUpPause) && peer->InResolved(*parsed)) return AccessVerdict::kAllowed;
  }
  return verdict;
}

bool PeerAccess::KnowsAddress(const std::string& address) const {
  const auto parsed = ParseAddress(address);
  return parsed && std::any_of(peers_.begin(), peers_.end(),
                               [&](const auto& peer) { return peer->InRanges(*parsed) || peer->InResolved(*parsed); });
}

bool FitsBinding(const PeerSettings& peer, const CallerCertificate& certificate) {
  if (!peer.IsBoundToCertificate()) return true;
  if (certificate.sha256.empty()) return false;
  if (!peer.certificate_sha256.empty() && peer.certificate_sha256 != certificate.sha256) return false;
  // Names of machines have no case.
  return peer.certificate_name.empty() ||
         std::any_of(certificate.names.begin(), certificate.names.end(), [&](const std::string& name) {
           return std::equal(name.begin(), name.end(), peer.certificate_name.begin(), peer.certificate_name.end(),
                             [](char a, char b) { return Lower(a) == Lower(b); });
         });
}

std::vector<std::string> PeerAccess::ResolveHost(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  std::vector<std::string> found;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return found;
  for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
      found.emplace_back(text);
  }
  freeaddrinfo(list);
  return found;
}

std::string TrimAeTitle(const std::string& title) {
  const auto first = title.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return title.substr(first, title.find_last_not_of(' ') - first + 1);
}

std::string Printable(const std::string& text) {
  std::string out = text;
  for (char& c : out)
    if (c < 0x20 || c > 0x7E) c = '?';
  return out;
}

}  // namespace glionode::dicom
