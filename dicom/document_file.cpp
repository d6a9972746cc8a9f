#include "dicom/document_file.h"

#include "config/error.h"

namespace glionode::dicom {

void SaveDocument(DSRDocument& document, const SourceContext& source, const ReportContent& maker, OwnObject own,
                  const EncodedObject& object) {
  DcmFileFormat output;
  DcmDataset& dataset = *output.getDataset();
  if (const OFCondition written = document.write(dataset); written.bad())
    throw Error(ErrorCode::kInternal, "cannot encode " + object.file.filename().string() + ": " + written.text());
  source.CopyPatientAndStudy(dataset);
  source.CopyRequests(dataset);
  own.sop_class_uid = object.sop_class_uid;
  own.sop_instance_uid = object.sop_instance_uid;
  own.series_uid = object.series_uid;
  PutOwnAttributes(dataset, maker, own);
  SaveObject(output, object.file);
}

}  // namespace glionode::dicom
