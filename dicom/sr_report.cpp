#include "dicom/sr_report.h"

#include "config/error.h"
#include "dicom/document_file.h"
#include "dicom/source_context.h"
#include "dicom/sr_tree.h"
#include "dicom/uid.h"

#include <dcmtk/dcmsr/dsrdoc.h>

namespace glionode::dicom {
namespace {

DSRTypes::E_DocumentType DocumentType(SrClass sr_class) {
  switch (sr_class) {
    case SrClass::kComprehensive3D:
      return DSRTypes::DT_Comprehensive3DSR;
    case SrClass::kComprehensive:
      return DSRTypes::DT_ComprehensiveSR;
    case SrClass::kEnhanced:
      break;
  }
  return DSRTypes::DT_EnhancedSR;
}

void Check(const OFCondition& condition, const std::string& doing) {
  if (condition.bad()) throw Error(ErrorCode::kInternal, "cannot " + doing + ": " + condition.text());
}

/// PS3.3 C.17.2: every composite object that the tree references, those of the series that were looked at included.
void AddEvidence(DSRDocument& document, const ReportContent& content) {
  for (const ReportedSeries& series : content.series)
    for (const ReferencedInstance& instance : series.instances)
      Check(document.getCurrentRequestedProcedureEvidence().addItem(
                content.study_uid.c_str(), series.series_uid.c_str(), instance.sop_class_uid.c_str(),
                instance.sop_instance_uid.c_str()),
            "list " + instance.sop_instance_uid + " as evidence");
}

void AddPredecessor(DSRDocument& document, const ReportContent& content) {
  if (!content.predecessor) return;
  const Predecessor& before = *content.predecessor;
  Check(document.getPredecessorDocuments().addItem(before.study_uid.c_str(), before.series_uid.c_str(),
                                                   before.sop_class_uid.c_str(), before.sop_instance_uid.c_str()),
        "name the predecessor " + before.sop_instance_uid);
}

}  // namespace

std::string SrClassUid(SrClass sr_class) {
  switch (sr_class) {
    case SrClass::kComprehensive3D:
      return UID_Comprehensive3DSRStorage;
    case SrClass::kComprehensive:
      return UID_ComprehensiveSRStorage;
    case SrClass::kEnhanced:
      break;
  }
  return UID_EnhancedSRStorage;
}

EncodedObject WriteSr(const ReportContent& content, SrClass sr_class, const std::filesystem::path& source_file,
                      const std::filesystem::path& file) {
  const SourceContext source(source_file);
  RequireComplete(content, source);
  EncodedObject object;
  object.file = file;
  object.sop_class_uid = SrClassUid(sr_class);
  object.sop_instance_uid = NamedUid(content.input_key + "|sr|" + object.sop_class_uid + "|1");
  object.series_uid = NamedUid(content.input_key + "|sr-series|" + object.sop_class_uid + "|0");

  DSRDocument document(DocumentType(sr_class));
  BuildReportTree(content, document.getTree());
  AddEvidence(document, content);
  AddPredecessor(document, content);
  Check(document.completeDocument(), "complete the report");
  Check(document.setPreliminaryFlag(DSRTypes::PF_Preliminary), "mark the report as preliminary");

  OwnObject own;
  own.modality = "SR";
  own.series_description = ResultSeriesDescription(content, false);
  own.series_number = 9001;
  own.instance_number = content.revision;
  SaveDocument(document, source, content, own, object);
  return object;
}

}  // namespace glionode::dicom
