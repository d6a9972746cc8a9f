#include "dicom/uid.h"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid.hpp>

#include <algorithm>

namespace glionode::dicom {
namespace {

// The node's own namespace. Never change it: every UID of a result ever sent hangs on it (promise 3).
constexpr boost::uuids::uuid kNamespace = {
    {0x48, 0x94, 0x01, 0x87, 0x3a, 0xd5, 0x4b, 0x48, 0xb8, 0x2e, 0x95, 0xa6, 0x87, 0x9b, 0xd4, 0x1b}};

__extension__ using Unsigned128 = unsigned __int128;

// PS3.5 B.2: a UUID as one unsigned integer, most significant byte first, in decimal.
std::string Decimal(const boost::uuids::uuid& uuid) {
  Unsigned128 value = 0;
  for (const std::uint8_t byte : uuid) value = value << 8 | byte;
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace

bool IsValidUid(std::string_view uid) {
  if (uid.empty() || uid.size() > 64) return false;
  char previous = '.';
  for (const char c : uid) {
    if (c == '.' ? previous == '.' : c < '0' || c > '9') return false;
    previous = c;
  }
  return previous != '.';
}

std::string NamedUid(std::string_view name) {
  // RFC 4122 section 4.3: version 5, over the bytes of the name.
  boost::uuids::name_generator_sha1 generator(kNamespace);
  return "2.25." + Decimal(generator(name.data(), name.size()));
}

std::string NewTransactionUid() { return "2.25." + Decimal(boost::uuids::random_generator()()); }

std::string DeviceUid(std::string_view node_id) { return NamedUid("device|" + std::string(node_id)); }

}  // namespace glionode::dicom
