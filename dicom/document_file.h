#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include "dicom/source_context.h"
#include "dicom/sr_report.h"

#include <dcmtk/dcmsr/dsrdoc.h>

namespace glionode::dicom {

/// Encodes a finished document (report or rejection note) with patient, study and requests of the source image, and
/// what we say of ourselves, into object.file. The UIDs of `own` are those of `object`. Throws Error{kInternal} or
/// {kOutOfSpace}.
void SaveDocument(DSRDocument& document, const SourceContext& source, const ReportContent& maker, OwnObject own,
                  const EncodedObject& object);

}  // namespace glionode::dicom
