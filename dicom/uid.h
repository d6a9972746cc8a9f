#pragma once
#include <string>
#include <string_view>

namespace glionode::dicom {

/// [0-9.]{1,64}, no empty component (PS3.5 9.1). Leading zeros of a component are tolerated: scanners write them.
bool IsValidUid(std::string_view uid);

/// "2.25." + decimal UUIDv5 (RFC 4122) of `name` in the node's own namespace: the same name gives the same UID for ever
/// (promise 3).
std::string NamedUid(std::string_view name);

/// "2.25." + a random UUID (PS3.5 B.2): never used before.
std::string NewTransactionUid();

/// The device UID of this node in ContributingEquipment: named by data folder identity (a UUID kept there).
std::string DeviceUid(std::string_view node_id);

}  // namespace glionode::dicom
