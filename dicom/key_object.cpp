#include "dicom/key_object.h"

#include "config/error.h"
#include "dicom/ascii_text.h"
#include "dicom/document_file.h"
#include "dicom/source_context.h"
#include "dicom/uid.h"

#include <dcmtk/dcmsr/dsrdoc.h>

namespace glionode::dicom {
namespace {

void Check(const OFCondition& condition, const std::string& doing) {
  if (condition.bad())
    throw Error(ErrorCode::kInternal, "cannot " + doing + " in the rejection note: " + condition.text());
}

DSRCodedEntryValue TitleOf(RejectionReason reason) {
  if (reason == RejectionReason::kPatientSafety) return {"113037", "DCM", "Rejected for Patient Safety Reasons"};
  return {"113001", "DCM", "Rejected for Quality Reasons"};
}

void AddItem(DSRDocumentTree& tree, DSRTypes::E_ValueType type, bool first) {
  const auto mode = first ? DSRTypes::AM_belowCurrent : DSRTypes::AM_afterCurrent;
  if (tree.addContentItem(DSRTypes::RT_contains, type, mode) == 0)
    throw Error(ErrorCode::kInternal, "DCMTK refuses an item of the rejection note");
}

void BuildTree(const RejectionNote& note, DSRDocumentTree& tree) {
  if (tree.addContentItem(DSRTypes::RT_isRoot, DSRTypes::VT_Container) == 0)
    throw Error(ErrorCode::kInternal, "DCMTK refuses the root of the rejection note");
  Check(tree.getCurrentContentItem().setConceptName(TitleOf(note.reason)), "set the title");
  Check(tree.getCurrentContentItem().setTemplateIdentification("2010", "DCMR"), "name the template");
  const std::string text = FoldToAscii(note.text);
  AddItem(tree, DSRTypes::VT_Text, true);
  Check(tree.getCurrentContentItem().setConceptName(DSRCodedEntryValue("113012", "DCM", "Key Object Description")),
        "name the description");
  Check(tree.getCurrentContentItem().setStringValue(
            ("Result of an AI node, taken back" + (text.empty() ? "." : ": " + text)).c_str()),
        "set the description");
  for (const RejectedObject& object : note.objects) {
    const bool image = object.sop_class_uid == UID_SecondaryCaptureImageStorage;
    AddItem(tree, image ? DSRTypes::VT_Image : DSRTypes::VT_Composite, false);
    const DSRCompositeReferenceValue reference(object.sop_class_uid.c_str(), object.sop_instance_uid.c_str());
    Check(image ? tree.getCurrentContentItem().setImageReference(
                      DSRImageReferenceValue(object.sop_class_uid.c_str(), object.sop_instance_uid.c_str()))
                : tree.getCurrentContentItem().setCompositeReference(reference),
          "reference " + object.sop_instance_uid);
  }
}

/// What PutOwnAttributes says of the maker: no model has a share in a note.
ReportContent MakerOf(const RejectionNote& note) {
  ReportContent maker;
  maker.software = note.software;
  maker.device_uid = note.device_uid;
  maker.bundle_name = "glionode";
  maker.content_date = note.content_date;
  maker.content_time = note.content_time;
  maker.timezone = note.timezone;
  return maker;
}

}  // namespace

std::string_view ToText(RejectionReason reason) {
  return reason == RejectionReason::kPatientSafety ? "patient-safety" : "quality";
}

std::optional<RejectionReason> RejectionReasonFromText(std::string_view text) {
  if (text == "quality") return RejectionReason::kQuality;
  if (text == "patient-safety") return RejectionReason::kPatientSafety;
  return std::nullopt;
}

EncodedObject WriteRejectionNote(const RejectionNote& note, const std::filesystem::path& source_file,
                                 const std::filesystem::path& file) {
  const SourceContext source(source_file);
  if (note.objects.empty() || note.name.empty() || note.device_uid.empty())
    throw Error(ErrorCode::kBadDataset, "no rejection note can be made: it lacks objects, a name or the device UID");
  if (note.study_uid != source.StudyUid())
    throw Error(ErrorCode::kBadDataset, "no rejection note can be made: the source image is of another study");
  EncodedObject object;
  object.file = file;
  object.sop_class_uid = UID_KeyObjectSelectionDocumentStorage;
  object.sop_instance_uid = NamedUid(note.name + "|ko|" + object.sop_class_uid + "|1");
  object.series_uid = NamedUid(note.name + "|ko-series|" + object.sop_class_uid + "|0");

  DSRDocument document(DSRTypes::DT_KeyObjectSelectionDocument);
  BuildTree(note, document.getTree());
  for (const RejectedObject& rejected : note.objects)
    Check(document.getCurrentRequestedProcedureEvidence().addItem(note.study_uid.c_str(), rejected.series_uid.c_str(),
                                                                  rejected.sop_class_uid.c_str(),
                                                                  rejected.sop_instance_uid.c_str()),
          "list " + rejected.sop_instance_uid + " as evidence");

  OwnObject own;
  own.modality = "KO";
  own.series_description = "AI glioma report withdrawn, NOT FOR CLINICAL USE";
  own.series_number = 9003;
  SaveDocument(document, source, MakerOf(note), own, object);
  return object;
}

}  // namespace glionode::dicom
