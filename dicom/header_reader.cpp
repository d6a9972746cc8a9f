#include "dicom/header_reader.h"

#include "config/error.h"
#include "dicom/dataset_text.h"
#include "dicom/frame_geometry.h"
#include "dicom/guarded_stream.h"
#include "dicom/uid.h"

#include <dcmtk/dcmdata/dctk.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

// What `attributes` holds, besides every short top-level text or number attribute of the groups 0008, 0010, 0012, 0018,
// 0020, 0028, 0032, 0038 and 0040 under its keyword:
//   ProcedureCode, ProcedureCodeMeaning       from ProcedureCodeSequence (0008,1032), values of all items
//   RequestedProcedureDescription             from RequestAttributesSequence (0040,0275) when not at the top level
//   ContrastBolusAgent                        from ContrastBolusAgentSequence (0018,0012) when not at the top level
//   IssuerOfPatientID                         as it stands (0010,0021)
//   AnatomicRegion                            code meaning of AnatomicRegionSequence (0008,2218)
//   the acquisition attributes of enhanced objects listed in frame_geometry.cpp
namespace glionode::dicom {
namespace {

constexpr std::size_t kLongestValue = 1024;  ///< bytes; what is longer is no key to anything and would fill the index
constexpr unsigned long kMostValues = 64;
constexpr int kMostFrames = 1'000'000;
constexpr double kMostInflatedPixels = double(16LL << 30);  ///< bytes; a few megabytes can inflate for hours

[[noreturn]] void Fail(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorCode::kBadDataset, file.filename().string() + ": " + what);
}

bool IsTextOrNumber(DcmEVR vr) {
  switch (vr) {
    case EVR_AE:
    case EVR_AS:
    case EVR_CS:
    case EVR_DA:
    case EVR_DS:
    case EVR_DT:
    case EVR_FD:
    case EVR_FL:
    case EVR_IS:
    case EVR_LO:
    case EVR_LT:
    case EVR_PN:
    case EVR_SH:
    case EVR_SL:
    case EVR_SS:
    case EVR_ST:
    case EVR_TM:
    case EVR_UI:
    case EVR_UL:
    case EVR_US:
    case EVR_UC:
    case EVR_UT:
    case EVR_UR:
      return true;
    default:
      return false;
  }
}

bool IsWantedGroup(Uint16 group) {
  static constexpr Uint16 kGroups[] = {0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x0032, 0x0038, 0x0040};
  return std::find(std::begin(kGroups), std::end(kGroups), group) != std::end(kGroups);
}

void ReadTopLevel(DcmItem& dataset, TextReader& text, std::map<std::string, std::string>& attributes) {
  for (DcmObject* object = dataset.nextInContainer(nullptr); object != nullptr;
       object = dataset.nextInContainer(object)) {
    auto* element = dynamic_cast<DcmElement*>(object);
    if (element == nullptr || !IsWantedGroup(element->getGTag()) || element->getETag() == 0) continue;
    if (!IsTextOrNumber(element->ident()) || element->getLengthField() == 0) continue;
    if (element->getLengthField() > kLongestValue || element->getVM() > kMostValues) continue;
    DcmTag tag(element->getTag());
    const char* name = tag.getTagName();
    if (name == nullptr || std::string_view(name).starts_with("Unknown")) continue;
    std::string value = text.Text(*element);
    if (!value.empty()) attributes[name] = std::move(value);
  }
}

/// Values of one attribute in every item of a sequence, joined by backslashes.
std::string FromItems(DcmItem& dataset, TextReader& text, const DcmTagKey& sequence, const DcmTagKey& tag) {
  std::string joined;
  for (long i = 0; i < 16; ++i) {
    DcmItem* item = SequenceItem(dataset, sequence, i);
    if (item == nullptr) break;
    const std::string value = text.Text(*item, tag);
    if (!value.empty()) joined += (joined.empty() ? "" : "\\") + value;
  }
  return joined;
}

void ReadSequences(DcmItem& dataset, TextReader& text, std::map<std::string, std::string>& attributes) {
  const auto lift = [&](const char* keyword, const DcmTagKey& sequence, const DcmTagKey& tag) {
    if (attributes.contains(keyword)) return;
    std::string value = FromItems(dataset, text, sequence, tag);
    if (!value.empty()) attributes[keyword] = std::move(value);
  };
  lift("ProcedureCode", DCM_ProcedureCodeSequence, DCM_CodeValue);
  lift("ProcedureCodeMeaning", DCM_ProcedureCodeSequence, DCM_CodeMeaning);
  lift("RequestedProcedureDescription", DCM_RequestAttributesSequence, DCM_RequestedProcedureDescription);
  lift("ContrastBolusAgent", DCM_ContrastBolusAgentSequence, DCM_CodeMeaning);
  lift("ContrastBolusAgent", DCM_ContrastBolusAgentSequence, DCM_ContrastBolusAgent);
  lift("AnatomicRegion", DCM_AnatomicRegionSequence, DCM_CodeMeaning);
}

void AddReferenced(DcmItem& item, std::set<std::string>& uids) {
  for (long i = 0;; ++i) {
    DcmItem* reference = SequenceItem(item, DCM_ReferencedSOPSequence, i);
    if (reference == nullptr) return;
    OFString uid;
    if (reference->findAndGetOFString(DCM_ReferencedSOPInstanceUID, uid).good() && !uid.empty()) {
      std::string text(uid.c_str());
      if (IsValidUid(text)) uids.insert(std::move(text));
    }
  }
}

/// IHE IOCM: a key object document titled 113001 (rejected for quality), 113037 (for patient safety) or 113038
/// (incorrect worklist entry) takes back what it references (PS3.16 CID 7011).
std::vector<std::string> ReadRejected(DcmItem& dataset) {
  DcmItem* title = SequenceItem(dataset, DCM_ConceptNameCodeSequence);
  if (title == nullptr) return {};
  OFString code, scheme;
  title->findAndGetOFString(DCM_CodeValue, code);
  title->findAndGetOFString(DCM_CodingSchemeDesignator, scheme);
  if (scheme != "DCM" || (code != "113001" && code != "113037" && code != "113038")) return {};
  std::set<std::string> uids;
  for (long i = 0;; ++i) {
    DcmItem* study = SequenceItem(dataset, DCM_CurrentRequestedProcedureEvidenceSequence, i);
    if (study == nullptr) break;
    for (long k = 0;; ++k) {
      DcmItem* series = SequenceItem(*study, DCM_ReferencedSeriesSequence, k);
      if (series == nullptr) break;
      AddReferenced(*series, uids);
    }
  }
  for (long i = 0;; ++i) {
    DcmItem* content = SequenceItem(dataset, DCM_ContentSequence, i);
    if (content == nullptr) break;
    AddReferenced(*content, uids);
  }
  return {uids.begin(), uids.end()};
}

std::vector<std::string> ReadContributingDevices(DcmItem& dataset) {
  std::vector<std::string> uids;
  for (long i = 0;; ++i) {
    DcmItem* item = SequenceItem(dataset, DCM_ContributingEquipmentSequence, i);
    if (item == nullptr) return uids;
    OFString uid;
    for (unsigned long k = 0; item->findAndGetOFString(DCM_DeviceUID, uid, k).good() && !uid.empty(); ++k)
      uids.emplace_back(uid.c_str());
  }
}

std::string RequiredUid(const std::filesystem::path& file, DcmItem& dataset, const DcmTagKey& tag, const char* name) {
  OFString value;
  if (dataset.findAndGetOFString(tag, value).bad() || value.empty()) Fail(file, std::string(name) + " is missing");
  std::string uid(value.c_str());
  if (!IsValidUid(uid)) Fail(file, std::string(name) + " is not a valid UID");
  return uid;
}

int SmallNumber(DcmItem& dataset, const DcmTagKey& tag, int otherwise) {
  Uint16 value = 0;
  return dataset.findAndGetUint16(tag, value).good() ? value : otherwise;
}

/// Bytes of pixel data by the header, decoded.
double PixelBytes(DcmItem& dataset) {
  return double(SmallNumber(dataset, DCM_Rows, 0)) * SmallNumber(dataset, DCM_Columns, 0) *
         Number(dataset, DCM_NumberOfFrames).value_or(1) * SmallNumber(dataset, DCM_SamplesPerPixel, 1) *
         SmallNumber(dataset, DCM_BitsAllocated, 0) / 8;
}

bool IsDeflated(const std::filesystem::path& file, const OFFilename& name) {
  DcmFileFormat object;
  object.setReadMode(ERM_metaOnly);
  GuardedFileStream stream(name);
  object.transferInit();
  object.read(stream, EXS_Unknown, EGL_noChange, 4096);
  object.transferEnd();
  if (!stream.Fault().empty()) Fail(file, stream.Fault());
  // A UID has at most 64 characters: a length of gigabytes would be asked of memory before the file's end is seen.
  DcmElement* element = nullptr;
  OFString syntax;
  if (object.getMetaInfo()->findAndGetElement(DCM_TransferSyntaxUID, element).bad() || element == nullptr ||
      element->getLengthField() > 64 || element->getOFString(syntax, 0).bad())
    return false;
  return DcmXfer(syntax.c_str()).getStreamCompression() != ESC_none;
}

OFCondition ReadUntil(const DcmTagKey& tag, DcmFileFormat& object, GuardedFileStream& stream) {
  object.clear();
  object.setReadMode(ERM_fileOnly);
  object.transferInit();
  const OFCondition result = object.readUntilTag(stream, EXS_Unknown, EGL_noChange, 4096, tag);
  object.transferEnd();
  return result;
}

/// What is inflated cannot stay on disk: the header goes into memory, the pixel data are counted and forgotten.
void LoadDeflated(const std::filesystem::path& file, const OFFilename& name, DcmFileFormat& object, bool& has_pixels) {
  GuardedFileStream stream(name);
  const OFCondition head = ReadUntil(DCM_PixelData, object, stream);
  if (!stream.Fault().empty()) Fail(file, stream.Fault());
  if (head.bad() && head != EC_EndOfStream) Fail(file, std::string("not a readable DICOM file: ") + head.text());
  const double expected = PixelBytes(*object.getDataset());
  if (expected > kMostInflatedPixels) Fail(file, "its pixel data would inflate to more than 16 GiB");
  const double came = stream.Drain(expected);
  if (came > 0 ? came < expected : head.bad()) Fail(file, std::string("truncated or damaged: it ends early"));
  has_pixels = came > 0;
}

/// Loads everything but long values (they stay on disk). Trailing bytes after complete pixel data are tolerated: some
/// archives pad files. `has_pixels` is set in both ways.
void Load(const std::filesystem::path& file, DcmFileFormat& object, bool& has_pixels) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) Fail(file, "cannot be read: " + error.message());
  const OFFilename name(file.c_str());
  if (IsDeflated(file, name)) return LoadDeflated(file, name, object, has_pixels);
  OFCondition all = EC_Normal;
  {
    GuardedFileStream stream(name);
    all = stream.status().good() ? ReadUntil(DCM_UndefinedTagKey, object, stream) : stream.status();
    if (!stream.Fault().empty()) Fail(file, stream.Fault());
  }
  if (all.good()) {
    DcmElement* pixels = nullptr;
    has_pixels = object.getDataset()->findAndGetElement(DCM_PixelData, pixels).good() && pixels != nullptr &&
                 (pixels->getLengthField() > 0 || DcmXfer(object.getDataset()->getOriginalXfer()).isEncapsulated());
    return;
  }
  GuardedFileStream stream(name);
  const OFCondition head = ReadUntil(DCM_PixelData, object, stream);
  if (!stream.Fault().empty()) Fail(file, stream.Fault());
  if (head.bad() && head != EC_EndOfStream) Fail(file, std::string("not a readable DICOM file: ") + all.text());
  DcmDataset& dataset = *object.getDataset();
  const DcmXfer syntax(dataset.getOriginalXfer());
  const double expected = PixelBytes(dataset);
  const double left = static_cast<double>(size) - static_cast<double>(stream.tell());
  if (syntax.isEncapsulated() || syntax.getStreamCompression() != ESC_none || expected <= 0 || left < expected)
    Fail(file, std::string("truncated or damaged: ") + all.text());
  has_pixels = true;
}

}  // namespace

InstanceHeader ReadHeader(const std::filesystem::path& file) {
  DcmFileFormat object;
  InstanceHeader header;
  Load(file, object, header.has_pixels);
  DcmDataset& dataset = *object.getDataset();
  TextReader text(dataset);

  header.sop_class_uid = RequiredUid(file, dataset, DCM_SOPClassUID, "SOP Class UID");
  header.sop_instance_uid = RequiredUid(file, dataset, DCM_SOPInstanceUID, "SOP Instance UID");
  header.study_uid = RequiredUid(file, dataset, DCM_StudyInstanceUID, "Study Instance UID");
  header.series_uid = RequiredUid(file, dataset, DCM_SeriesInstanceUID, "Series Instance UID");
  header.transfer_syntax_uid = text.Text(*object.getMetaInfo(), DCM_TransferSyntaxUID);
  if (header.transfer_syntax_uid.empty()) header.transfer_syntax_uid = DcmXfer(dataset.getOriginalXfer()).getXferID();
  header.calling_ae = text.Text(*object.getMetaInfo(), DCM_SourceApplicationEntityTitle);

  header.rows = SmallNumber(dataset, DCM_Rows, 0);
  header.columns = SmallNumber(dataset, DCM_Columns, 0);
  header.bits_allocated = SmallNumber(dataset, DCM_BitsAllocated, 0);
  header.samples_per_pixel = SmallNumber(dataset, DCM_SamplesPerPixel, 0);
  if (const auto frames = Number(dataset, DCM_NumberOfFrames)) {
    if (*frames < 0 || *frames > kMostFrames) Fail(file, "Number of Frames is out of range");
    header.frames = std::max(1, static_cast<int>(*frames));
  }

  ReadTopLevel(dataset, text, header.attributes);
  ReadSequences(dataset, text, header.attributes);
  LiftFunctionalGroups(dataset, text, header.attributes);
  header.geometry = ReadGeometry(dataset, header.frames);
  header.contributing_device_uids = ReadContributingDevices(dataset);
  if (header.sop_class_uid == UID_KeyObjectSelectionDocumentStorage) header.rejected_instances = ReadRejected(dataset);
  return header;
}

std::string IdentityKey(const InstanceHeader& header) {
  const std::string id = header.Attribute("PatientID");
  if (id.empty()) return {};
  // No value of these attributes may hold a backslash or a control character (PS3.5 6.2), so the parts cannot run into
  // each other. LO is case-sensitive; padding is trimmed already.
  return id + '\n' + header.Attribute("IssuerOfPatientID") + '\n' + header.Attribute("PatientBirthDate") + '\n' +
         header.Attribute("PatientSex");
}

bool IsCandidateImage(const InstanceHeader& header) {
  return header.has_pixels &&
         (header.sop_class_uid == UID_MRImageStorage || header.sop_class_uid == UID_EnhancedMRImageStorage ||
          header.sop_class_uid == UID_LegacyConvertedEnhancedMRImageStorage);
}

}  // namespace glionode::dicom
