#pragma once
// Internal to dicom/: Cairo types stay in this folder.
#include "dicom/capture_drawing.h"
#include "dicom/secondary_capture.h"

namespace glionode::dicom {

inline constexpr int kPageSize = 1024;

/// Page 1 of a decided study: T1ce with and without the map, T1, T2, the probability and what it rests on.
Canvas DrawResultPage(const ReportContent& content, const CaptureViews& views);
/// Page 1 of a study that is not evaluable: the reasons large, the slices that were found, no map and no bar.
Canvas DrawNotEvaluablePage(const ReportContent& content, const CaptureViews& views);
/// Page 2: small views in three planes. Maps are left away when the study is not evaluable.
Canvas DrawMosaicPage(const ReportContent& content, const CaptureViews& views);

}  // namespace glionode::dicom
