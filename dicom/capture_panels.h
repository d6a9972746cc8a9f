#pragma once
// Internal to dicom/: Cairo types stay in this folder.
#include "dicom/capture_drawing.h"
#include "dicom/capture_picture.h"
#include "dicom/secondary_capture.h"

#include <string>

namespace glionode::dicom {

inline constexpr double kMargin = 20;

/// Headline on the left, "NOT FOR CLINICAL USE" on the right, and what a revision replaces below. Returns the first
/// free y.
double DrawHeader(Canvas& canvas, const ReportContent& content, const std::string& headline);

struct PanelOptions {
  bool with_map = false;
  bool with_scale = true;  ///< a line of 5 cm
  double mark_size = 22;   ///< of R, L, A, P, H, F
};
/// One view, fitted into `box` with its aspect ratio kept, in radiological convention with the letters of PS3.3
/// C.7.6.1.1.1 at its four sides.
void DrawView(Canvas& canvas, const SliceView& view, const Window& window, const Crop& crop, const Box& box,
              const PanelOptions& options);

/// The map's colours from none to most.
void DrawMapScale(Canvas& canvas, const Box& box);
/// The same with its class, and a warning when the peak lies outside the brain with what is shown instead. Returns the
/// last base line.
double DrawMapLegend(Canvas& canvas, const CaptureViews& views, const Box& box);
/// That the map's peak lies outside the brain, and where.
std::string PeakWarning(const CaptureViews& views);

/// Probability of necrosis from 0 to 100 % with the band in which the model abstains.
void DrawProbabilityBar(Canvas& canvas, const ReportContent& content, const Box& box);

/// "T1ce", "T1", "T2"
std::string RoleLabel(Role role);
/// "axial, head 12 mm": where a slice lies (LPS: +x left, +y posterior, +z head), short for small views.
std::string PositionLabel(const SliceView& view, bool brief);
/// 20001231 -> 2000-12-31
std::string DateLabel(const std::string& date);
bool IsEvaluable(const ReportContent& content);

}  // namespace glionode::dicom
