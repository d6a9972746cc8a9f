#pragma once
#include "dicom/sr_report.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glionode::dicom {

/// Why objects of ours are taken back (PS3.16 CID 7011, IHE IOCM): 113001 "Rejected for Quality Reasons" (may stay
/// visible to those who look for it) or 113037 "Rejected for Patient Safety Reasons" (must not be seen any more).
enum class RejectionReason { kQuality, kPatientSafety };
/// "quality", "patient-safety"
std::string_view ToText(RejectionReason reason);
std::optional<RejectionReason> RejectionReasonFromText(std::string_view text);

struct RejectedObject {
  std::string series_uid, sop_class_uid, sop_instance_uid;
};

/// A Key Object Selection document that takes objects of one study back.
struct RejectionNote {
  RejectionReason reason = RejectionReason::kQuality;
  std::string text;  ///< why, in the words of who decided it (ASCII after folding); may be empty
  std::string study_uid;
  std::vector<RejectedObject> objects;  ///< at least one
  std::string name;                     ///< names the note's UIDs: the same name, the same UIDs
  std::string software, device_uid;
  std::string content_date, content_time, timezone;  ///< DICOM DA, TM (local time), +0100
};

/// Encodes the note (PS3.3 A.35.4, TID 2010) once into `file`. Identity as in WriteSr, from any object of the study.
/// Throws Error{kBadDataset} if no valid object can be made.
EncodedObject WriteRejectionNote(const RejectionNote& note, const std::filesystem::path& source_file,
                                 const std::filesystem::path& file);

}  // namespace glionode::dicom
