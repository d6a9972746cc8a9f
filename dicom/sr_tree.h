#pragma once
// Internal to dicom/: DCMTK types stay in this folder.
#include "dicom/report_content.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmsr/dsrdoctr.h>

namespace glionode::dicom {

/// The content tree of the report: TID 1500 (PS3.16 annex A) with the result in sentences as its first content child.
/// A decision comes with a TID 1501 measurement group that holds the two probabilities; `not evaluable` comes with
/// Qualitative Evaluations and no number at all (TID 1501 demands one). Throws Error{kInternal} when DCMTK refuses an
/// item of ours.
void BuildReportTree(const ReportContent& content, DSRDocumentTree& tree);

}  // namespace glionode::dicom
