#pragma once
// Internal to dicom/: DCMTK types stay in this folder.
#include "dicom/identity_check.h"
#include "dicom/report_content.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include <filesystem>
#include <memory>
#include <optional>

namespace glionode::dicom {

/// Reads an image without its pixels. Throws Error{kBadDataset} when that fails.
std::unique_ptr<DcmFileFormat> LoadHead(const std::filesystem::path& file);
/// Are all terms of SpecificCharacterSet (absent: yes) of the standard (PS3.3 C.12.1.1.2)?
bool HasKnownCharacterSet(DcmItem& source);
/// Have all values of this short text (SH, LO; of PN each group) at most `longest` characters? Counted in characters of
/// the data set that the element is in, as PS3.5 6.2 does, not in bytes.
bool HasLegalLength(DcmElement& element, std::size_t longest);
/// See identity_check.h.
std::optional<IdentityProblem> FindIdentityProblem(DcmItem& source);

/// What of patient, study and request our objects take over from an instance of the study (notes on C.5: byte for
/// byte, with the source's SpecificCharacterSet, so that a PACS files them under the same patient).
class SourceContext {
 public:
  /// Reads up to the pixel data. Throws Error{kBadDataset} when the file cannot be read, has no StudyInstanceUID, or an
  /// identity under which no valid object can be made (FindIdentityProblem).
  explicit SourceContext(const std::filesystem::path& source_file);

  /// Patient, clinical trial, study and patient study modules. Type 2 attributes that the source lacks, or has with a
  /// value that breaks its VR, become empty; optional ones with such a value are left out; Patient ID, issuer and name
  /// are copied byte for byte.
  void CopyPatientAndStudy(DcmItem& target) const;
  /// ReferencedRequestSequence out of RequestAttributesSequence (PS3.3 C.17.2); nothing if the source has none.
  void CopyRequests(DcmItem& target) const;
  std::string StudyUid() const;
  bool IsLossy() const;  ///< LossyImageCompression 01: what was once lossy stays so (PS3.3 C.7.6.1.1.5)

 private:
  std::unique_ptr<DcmFileFormat> file_;
};

/// A result that could be misread or filed wrongly is not made at all: throws Error{kBadDataset} with the reason
/// (another study's source image, a decision without a probability or without source images, no input key or device
/// UID).
void RequireComplete(const ReportContent& content, const SourceContext& source);

/// Attributes of series, equipment and SOP common that SR and SC share: UIDs, dates, Manufacturer, SoftwareVersions,
/// TimezoneOffsetFromUTC, ContributingEquipmentSequence with our device UID (by which we know our own objects again).
struct OwnObject {
  std::string sop_class_uid, sop_instance_uid, series_uid, modality, series_description;
  int series_number = 0, instance_number = 1;
};
void PutOwnAttributes(DcmItem& target, const ReportContent& content, const OwnObject& own);

/// A value of ours; throws Error{kInternal} naming the attribute when DCMTK refuses it.
void PutText(DcmItem& target, const DcmTagKey& tag, const std::string& value);
/// One item (value, scheme, meaning) in a code sequence.
void PutCode(DcmItem& target, const DcmTagKey& sequence, const std::string& value, const std::string& scheme,
             const std::string& meaning);
/// Appends an empty item to a sequence (made if needed).
DcmItem& AppendItem(DcmItem& target, const DcmTagKey& sequence);

/// Writes explicit VR little endian. Throws Error{kOutOfSpace} or {kInternal}; no half-written file stays.
void SaveObject(DcmFileFormat& object, const std::filesystem::path& file);

}  // namespace glionode::dicom
