#include "dicom/source_context.h"

#include "config/error.h"
#include "dicom/ascii_text.h"

#include <dcmtk/dcmdata/dcdeftag.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

namespace glionode::dicom {
namespace {

/// Copied byte for byte: who the patient is, is not ours to correct. FindIdentityProblem has found them legal.
const DcmTagKey kIdentity[] = {DCM_PatientName, DCM_PatientID, DCM_IssuerOfPatientID, DCM_StudyInstanceUID};

/// Left out when the value, or one inside the sequence, breaks its VR; of those that must be there (kRequiredEmpty) an
/// empty one then stands in its place: a wrong accession number would be another order's. PatientIdentityRemoved and
/// QualityControlSubject belong to the patient module and must agree within a study; so must the clinical trial ones.
const DcmTagKey kOptional[] = {DCM_IssuerOfPatientIDQualifiersSequence,
                               DCM_PatientBirthDate,
                               DCM_PatientSex,
                               DCM_OtherPatientIDsSequence,
                               DCM_StudyDate,
                               DCM_StudyTime,
                               DCM_StudyID,
                               DCM_AccessionNumber,
                               DCM_IssuerOfAccessionNumberSequence,
                               DCM_ReferringPhysicianName,
                               DCM_StudyDescription,
                               DCM_PatientAge,
                               DCM_PatientSize,
                               DCM_PatientWeight,
                               DCM_PatientBirthTime,
                               DCM_QualityControlSubject,
                               DCM_PatientIdentityRemoved,
                               DCM_DeidentificationMethod,
                               DCM_DeidentificationMethodCodeSequence,
                               DCM_ClinicalTrialSponsorName,
                               DCM_ClinicalTrialProtocolID,
                               DCM_ClinicalTrialProtocolName,
                               DCM_ClinicalTrialSiteID,
                               DCM_ClinicalTrialSiteName,
                               DCM_ClinicalTrialSubjectID,
                               DCM_ClinicalTrialSubjectReadingID,
                               DCM_ClinicalTrialTimePointID,
                               DCM_ClinicalTrialTimePointDescription,
                               DCM_ProcedureCodeSequence};

/// Type 2 of patient and general study (PS3.3 C.7.1.1, C.7.2.1): present, if only empty.
const DcmTagKey kRequiredEmpty[] = {
    DCM_PatientName, DCM_PatientBirthDate, DCM_PatientSex,      DCM_StudyDate,
    DCM_StudyTime,   DCM_StudyID,          DCM_AccessionNumber, DCM_ReferringPhysicianName};

constexpr Uint32 kLongestValue = 4096;

std::string TagName(const DcmTagKey& tag) { return DcmTag(tag).getTagName(); }

std::string ReadText(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  item.findAndGetOFStringArray(tag, value);
  const std::string text(value.c_str(), value.length());
  const std::size_t begin = text.find_first_not_of(std::string(" \0", 2));
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(std::string(" \0", 2)) + 1 - begin);
}

/// A deep copy of one element; the bytes of its value are not touched. Returns whether the source has it.
bool CopyElement(DcmItem& from, DcmItem& to, const DcmTagKey& tag) {
  DcmElement* element = nullptr;
  if (from.findAndGetElement(tag, element, OFFalse, OFTrue).bad() || element == nullptr) return false;
  if (to.insert(element, OFTrue).good()) return true;
  delete element;
  throw Error(ErrorCode::kInternal, "cannot copy " + TagName(tag) + " from the source image");
}

bool IsLegal(DcmElement& element) {
  if (element.getTag() == DCM_PatientSex) {  // enumerated (PS3.3 C.7.1.1)
    OFString sex;
    element.getOFStringArray(sex);
    return sex.empty() || sex == "M" || sex == "F" || sex == "O";
  }
  // DCMTK's check does not count characters in every character set.
  if (element.ident() == EVR_SH && !HasLegalLength(element, 16)) return false;
  if ((element.ident() == EVR_LO || element.ident() == EVR_PN) && !HasLegalLength(element, 64)) return false;
  // One value wherever the dictionary says one: two accession numbers are none.
  const DcmDictEntry* entry = dcmDataDict.rdlock().findEntry(element.getTag(), nullptr);
  const bool single = entry != nullptr && entry->getVMMax() == 1;
  dcmDataDict.rdunlock();
  return element.checkValue(single ? "1" : "1-n").good();
}

bool IsLegal(DcmItem& item, const DcmTagKey& tag) {
  DcmElement* element = nullptr;
  if (item.findAndGetElement(tag, element).bad() || element == nullptr) return false;
  if (element->isLeaf()) return IsLegal(*element);
  DcmStack stack;
  while (element->nextObject(stack, OFTrue).good()) {
    auto* inner = dynamic_cast<DcmElement*>(stack.top());
    if (inner != nullptr && inner->isLeaf() && !IsLegal(*inner)) return false;
  }
  return true;
}

bool CopyLegal(DcmItem& from, DcmItem& to, const DcmTagKey& tag) {
  return IsLegal(from, tag) && CopyElement(from, to, tag);
}

/// RequestAttributesSequence item -> ReferencedRequestSequence item (PS3.3 C.17.2: the first is type 1, the others 2).
void CopyRequest(DcmItem& from, DcmItem& source, DcmItem& to) {
  if (!CopyElement(from, to, DCM_StudyInstanceUID)) CopyElement(source, to, DCM_StudyInstanceUID);
  for (const DcmTagKey& tag :
       {DCM_ReferencedStudySequence, DCM_AccessionNumber, DCM_PlacerOrderNumberImagingServiceRequest,
        DCM_FillerOrderNumberImagingServiceRequest, DCM_RequestedProcedureID, DCM_RequestedProcedureDescription,
        DCM_RequestedProcedureCodeSequence}) {
    const bool copied = CopyLegal(from, to, tag) || CopyLegal(source, to, tag);
    if (!copied) to.insertEmptyElement(tag);
  }
  if (!CopyLegal(from, to, DCM_IssuerOfAccessionNumberSequence))
    CopyLegal(source, to, DCM_IssuerOfAccessionNumberSequence);
}

void PutContributingEquipment(DcmItem& target, const ReportContent& content) {
  DcmItem& item = AppendItem(target, DCM_ContributingEquipmentSequence);
  PutCode(item, DCM_PurposeOfReferenceCodeSequence, "109102", "DCM", "Processing Equipment");
  PutText(item, DCM_Manufacturer, "glionode");
  PutText(item, DCM_ManufacturerModelName, Truncate(FoldToAscii(content.bundle_name), 64));
  PutText(item, DCM_SoftwareVersions,
          Truncate(FoldToAscii(content.software), 64) + "\\" + Truncate(FoldToAscii(content.bundle_version), 64));
  PutText(item, DCM_DeviceUID, content.device_uid);
}

}  // namespace

std::unique_ptr<DcmFileFormat> LoadHead(const std::filesystem::path& file) {
  auto loaded = std::make_unique<DcmFileFormat>();
  // Long values stay on disk: the pixels are never read (loadFileUntilTag would log a warning for every file).
  const OFCondition read = loaded->loadFile(file.c_str(), EXS_Unknown, EGL_noChange, kLongestValue);
  if (read.bad())
    throw Error(ErrorCode::kBadDataset, "cannot read the source image " + file.string() + ": " + read.text());
  return loaded;
}

SourceContext::SourceContext(const std::filesystem::path& source_file) : file_(LoadHead(source_file)) {
  if (const auto problem = FindIdentityProblem(*file_->getDataset()))
    throw Error(ErrorCode::kBadDataset, source_file.string() + ": " + problem->text);
  if (StudyUid().empty())
    throw Error(ErrorCode::kBadDataset, "the source image " + source_file.string() + " has no StudyInstanceUID");
}

std::string SourceContext::StudyUid() const { return ReadText(*file_->getDataset(), DCM_StudyInstanceUID); }

bool SourceContext::IsLossy() const { return ReadText(*file_->getDataset(), DCM_LossyImageCompression) == "01"; }

void SourceContext::CopyPatientAndStudy(DcmItem& target) const {
  DcmItem& source = *file_->getDataset();
  // A term that the standard does not know, beside nothing but ASCII, says nothing: objects of ours do without.
  if (!HasKnownCharacterSet(source) || !CopyElement(source, target, DCM_SpecificCharacterSet))
    target.findAndDeleteElement(DCM_SpecificCharacterSet);
  for (const DcmTagKey& tag : kIdentity) CopyElement(source, target, tag);
  for (const DcmTagKey& tag : kOptional) CopyLegal(source, target, tag);
  for (const DcmTagKey& tag : kRequiredEmpty)
    if (!target.tagExists(tag)) target.insertEmptyElement(tag);
}

void SourceContext::CopyRequests(DcmItem& target) const {
  DcmItem& source = *file_->getDataset();
  DcmSequenceOfItems* requests = nullptr;
  if (source.findAndGetSequence(DCM_RequestAttributesSequence, requests).bad() || requests == nullptr) return;
  for (unsigned long i = 0; i < requests->card(); ++i)
    CopyRequest(*requests->getItem(i), source, AppendItem(target, DCM_ReferencedRequestSequence));
}

void RequireComplete(const ReportContent& content, const SourceContext& source) {
  const auto refuse = [](const std::string& why) {
    throw Error(ErrorCode::kBadDataset, "no report can be made: " + why);
  };
  if (content.input_key.empty()) refuse("the job has no input key");
  if (content.device_uid.empty()) refuse("the node has no device UID");
  if (content.study_uid != source.StudyUid()) refuse("the source image is of another study than the result");
  const bool evaluable = content.decision != Decision::kNotEvaluable;
  if (evaluable != content.probability_of_necrosis.has_value())
    refuse(evaluable ? "a decision without a probability" : "a study that is not evaluable has a probability");
  if (!evaluable) return;
  const double p = *content.probability_of_necrosis;
  if (!std::isfinite(p) || p < 0 || p > 1) refuse("the probability is no number from 0 to 1");
  if (std::none_of(content.series.begin(), content.series.end(), [](const auto& s) { return !s.instances.empty(); }))
    refuse("a decision without a source image");
}

void PutOwnAttributes(DcmItem& target, const ReportContent& content, const OwnObject& own) {
  const std::string software = Truncate(FoldToAscii(content.software), 64);
  PutText(target, DCM_SOPClassUID, own.sop_class_uid);
  PutText(target, DCM_SOPInstanceUID, own.sop_instance_uid);
  PutText(target, DCM_SeriesInstanceUID, own.series_uid);
  PutText(target, DCM_Modality, own.modality);
  PutText(target, DCM_SeriesDescription, own.series_description);
  PutText(target, DCM_SeriesNumber, std::to_string(own.series_number));
  PutText(target, DCM_InstanceNumber, std::to_string(own.instance_number));
  for (const DcmTagKey& tag : {DCM_InstanceCreationDate, DCM_SeriesDate, DCM_ContentDate})
    PutText(target, tag, content.content_date);
  for (const DcmTagKey& tag : {DCM_InstanceCreationTime, DCM_SeriesTime, DCM_ContentTime})
    PutText(target, tag, content.content_time);
  if (!content.timezone.empty()) PutText(target, DCM_TimezoneOffsetFromUTC, content.timezone);
  PutText(target, DCM_Manufacturer, "glionode");
  PutText(target, DCM_ManufacturerModelName, "glionode");
  PutText(target, DCM_DeviceSerialNumber, content.device_uid);
  PutText(target, DCM_SoftwareVersions, software);
  PutContributingEquipment(target, content);
}

void PutText(DcmItem& target, const DcmTagKey& tag, const std::string& value) {
  const OFCondition put = target.putAndInsertOFStringArray(tag, OFString(value.c_str(), value.size()));
  if (put.bad()) throw Error(ErrorCode::kInternal, "cannot set " + TagName(tag) + ": " + put.text());
}

void PutCode(DcmItem& target, const DcmTagKey& sequence, const std::string& value, const std::string& scheme,
             const std::string& meaning) {
  DcmItem& item = AppendItem(target, sequence);
  PutText(item, DCM_CodeValue, value);
  PutText(item, DCM_CodingSchemeDesignator, scheme);
  PutText(item, DCM_CodeMeaning, meaning);
}

DcmItem& AppendItem(DcmItem& target, const DcmTagKey& sequence) {
  DcmItem* item = nullptr;
  const OFCondition made = target.findOrCreateSequenceItem(sequence, item, -2);
  if (made.bad() || item == nullptr)
    throw Error(ErrorCode::kInternal, "cannot add an item to " + TagName(sequence) + ": " + made.text());
  return *item;
}

void SaveObject(DcmFileFormat& object, const std::filesystem::path& file) {
  errno = 0;
  const OFCondition saved =
      object.saveFile(file.c_str(), EXS_LittleEndianExplicit, EET_ExplicitLength, EGL_recalcGL, EPD_withoutPadding);
  if (saved.good()) return;
  const bool full = errno == ENOSPC || errno == EDQUOT;
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  throw Error(full ? ErrorCode::kOutOfSpace : ErrorCode::kInternal,
              "cannot write " + file.string() + ": " + saved.text());
}

}  // namespace glionode::dicom
