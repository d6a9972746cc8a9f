#include "dicom/dimse_status.h"

#include <cstdio>

namespace glionode::dicom {
namespace {

struct NamedStatus {
  std::uint16_t status;
  const char* text;
};

// PS3.7 annex C and PS3.4 B.2.3; A771 to A77B are what dcm4chee archives answer.
constexpr NamedStatus kNames[] = {
    {0x0000, "success"},
    {0x0105, "no such attribute"},
    {0x0106, "invalid attribute value"},
    {0x0107, "attribute list error"},
    {0x0110, "processing failure"},
    {0x0111, "duplicate SOP instance"},
    {0x0112, "no such SOP instance"},
    {0x0115, "invalid argument value"},
    {0x0117, "invalid SOP instance UID"},
    {0x0118, "no such SOP class"},
    {0x0119, "class-instance conflict"},
    {0x0120, "missing attribute"},
    {0x0121, "missing attribute value"},
    {0x0122, "SOP class not supported"},
    {0x0124, "not authorised"},
    {0x0210, "duplicate invocation"},
    {0x0211, "unrecognised operation"},
    {0x0212, "mistyped argument"},
    {0x0213, "resource limitation"},
    {0xA700, "out of resources"},
    {0xA771, "object rejected by the archive's rules"},
    {0xA777, "patient ID missing"},
    {0xA778, "patient identity differs from the archive's"},
    {0xA779, "patient demographics differ from the archive's"},
    {0xA77B, "relation to existing objects refused"},
    {0xA900, "data set does not match SOP class"},
    {0xB000, "stored, with coercion of data elements"},
    {0xB006, "stored, with elements discarded"},
    {0xB007, "stored, data set does not match SOP class"},
    {0xC000, "cannot understand"},
    {0xC001, "internal error of the receiver"},
    {0xFE00, "cancelled"},
};

const char* RangeText(std::uint16_t status) {
  switch (status & 0xFF00) {
    case 0xA700:
      return "out of resources";
    case 0xA900:
      return "data set does not match SOP class";
    default:
      break;
  }
  switch (status & 0xF000) {
    case 0xA000:
      return "refused";
    case 0xB000:
      return "stored, with a warning";
    case 0xC000:
      return "cannot understand";
    default:
      return "unknown status";
  }
}

}  // namespace

std::uint16_t StoreStatusFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutOfSpace:
    case ErrorCode::kBusy:
      return 0xA700;
    case ErrorCode::kBadDataset:
      return 0xC000;
    case ErrorCode::kWrongSopClass:
      return 0xA900;
    case ErrorCode::kNotAllowed:
      return 0x0124;
    // What follows has no meaning of its own for a C-STORE: one code of ours in the range of failures.
    case ErrorCode::kNotFound:
    case ErrorCode::kUsage:
    case ErrorCode::kMissingPart:
    case ErrorCode::kInternal:
      break;
  }
  return 0xC001;
}

StoreVerdict JudgeStoreStatus(std::uint16_t status) {
  switch (status) {
    case 0x0000:
    case 0x0111:  // The peer holds the very instance: UIDs of ours never stand for other bytes (promise 3).
      return StoreVerdict::kStored;
    case 0x0110:
    case 0x0210:
    case 0x0213:
    case 0xFE00:
      return StoreVerdict::kTransient;
    case 0xA777:
    case 0xA778:
    case 0xA779:
      return StoreVerdict::kIdentity;
    case 0xA771:
    case 0xA77B:
      return StoreVerdict::kPermanent;
    default:
      break;
  }
  if ((status & 0xF000) == 0xB000) return StoreVerdict::kStored;
  if ((status & 0xFF00) == 0xA700) return StoreVerdict::kTransient;
  return StoreVerdict::kPermanent;
}

std::string DescribeStatus(std::uint16_t status) {
  const char* text = RangeText(status);
  for (const NamedStatus& name : kNames)
    if (name.status == status) text = name.text;
  char code[8];
  std::snprintf(code, sizeof code, "%04X ", status);
  return code + std::string(text);
}

}  // namespace glionode::dicom
