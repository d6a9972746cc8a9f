#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glionode::dicom {

/// Where one frame lies, in the patient coordinate system (LPS, mm; PS3.3 C.7.6.2), and how stored values become real
/// ones.
struct FrameGeometry {
  bool valid = false;                   ///< position, orientation and spacing were all there and finite
  std::array<double, 3> position{};     ///< centre of the first pixel
  std::array<double, 6> orientation{};  ///< unit vector along a row (growing column index), then along a column
  std::array<double, 2> spacing{};      ///< between rows, between columns
  double rescale_slope = 1, rescale_intercept = 0;
  std::string volume_key;  ///< what tells volumes of one series apart: echo, time point, b-value, image type value 3
                           ///< ("" if nothing)
};

/// What the index keeps of an instance: read once, at reception, without pixels.
struct InstanceHeader {
  std::string sop_class_uid, sop_instance_uid, series_uid, study_uid, transfer_syntax_uid;
  std::string calling_ae;  ///< (0002,0016), as the receiver wrote it
  int rows = 0, columns = 0, frames = 1;
  int bits_allocated = 0, samples_per_pixel = 0;
  bool has_pixels = false;
  /// DICOM keyword -> value as UTF-8, backslash between values, padding trimmed. All short top-level text and number
  /// attributes of patient, study, series and acquisition, and those that matter out of sequences (docs in
  /// header_reader.cpp list them): ProcedureCodeSequence as ProcedureCode and ProcedureCodeMeaning,
  /// RequestedProcedureDescription, ContrastBolusAgent from its sequence; for Enhanced MR the shared and first-frame
  /// acquisition attributes under their classic keywords (RepetitionTime, EchoTime, InversionTime, FlipAngle).
  std::map<std::string, std::string> attributes;
  std::vector<FrameGeometry> geometry;  ///< one per frame; empty if the object has no image plane at all
  std::vector<std::string>
      contributing_device_uids;  ///< DeviceUID of ContributingEquipmentSequence: ours marks our own objects
  std::vector<std::string> rejected_instances;  ///< key object selection with a rejection title (113001, 113037, 113038
                                                ///< DCM): what it references

  std::string Attribute(const std::string& keyword) const {
    const auto it = attributes.find(keyword);
    return it == attributes.end() ? std::string() : it->second;
  }
};

/// Reads up to the pixel data. Throws Error{kBadDataset} naming what is wrong (not DICOM, truncated, a required UID
/// missing or malformed).
InstanceHeader ReadHeader(const std::filesystem::path& file);

/// For the index: lossless both ways.
std::string HeaderToJson(const InstanceHeader& header);
InstanceHeader HeaderFromJson(const std::string& json);

/// PatientID with issuer, birth date and sex as one comparable text (case and padding as in the standard); empty
/// PatientID gives "".
std::string IdentityKey(const InstanceHeader& header);

/// SOP class of the objects that may hold `rejected_instances`.
inline constexpr char kKeyObjectClass[] = "1.2.840.10008.5.1.4.1.1.88.59";

/// Could this object be an input of a network: MR or Enhanced MR image storage with pixels?
bool IsCandidateImage(const InstanceHeader& header);

}  // namespace glionode::dicom
