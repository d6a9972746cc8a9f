#pragma once
#include "config/error.h"

#include <cstdint>
#include <string>

namespace glionode::dicom {

/// The status that a C-STORE is answered with for an error of ours (PS3.4 B.2.3, PS3.7 annex C). The one table for
/// DIMSE.
std::uint16_t StoreStatusFor(ErrorCode code);

/// What a status means that a PACS answers to our C-STORE.
enum class StoreVerdict {
  kStored,     ///< 0000, Bxxx, 0111
  kTransient,  ///< try the same bytes again later
  kIdentity,   ///< A777, A778, A779: the PACS and we disagree whose study it is; a person must look
  kPermanent,  ///< trying again changes nothing
};
StoreVerdict JudgeStoreStatus(std::uint16_t status);
/// "A700 out of resources"
std::string DescribeStatus(std::uint16_t status);

}  // namespace glionode::dicom
