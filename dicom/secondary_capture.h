#pragma once
#include "dicom/report_content.h"
#include "dicom/sr_report.h"

#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace glionode::dicom {

/// A picture of values, row by row, in radiological view: first column is the patient's right for axial and coronal,
/// anterior or head on top.
struct GrayPicture {
  int width = 0, height = 0;
  double pixel_mm = 1;
  std::vector<float> values;
};

enum class Plane { kAxial, kCoronal, kSagittal };

/// One view: an anatomical slice, and the activation map on the same pixels (empty if there is none).
struct SliceView {
  Role role = Role::kT1ce;
  Plane plane = Plane::kAxial;
  double position_mm = 0;  ///< along the plane's normal, LPS
  GrayPicture image;
  std::vector<float> map;  ///< same size as image.values, 0..1, or empty
};

struct CaptureViews {
  std::vector<SliceView> main;      ///< page 1: T1ce, T1, T2 at the map's peak (or at the lesion, or the head's centre)
  std::vector<SliceView> mosaic;    ///< page 2
  bool peak_outside_brain = false;  ///< page 1 then shows another place, and says so
  std::array<double, 3> peak_mm{};  ///< LPS
  bool through_lesion = false;      ///< page 1 goes through the lesion as the software found it
  std::string map_class;            ///< class that the map argues for: recurrence or necrosis; empty without a map
};

/// Draws and writes the pages: `folder`/sc-1.dcm.. and `folder`/capture-1.png.. (PNG of the same pixels). Identity as
/// in WriteSr.
std::vector<EncodedObject> WriteCaptures(const ReportContent& content, const CaptureViews& views,
                                         const std::filesystem::path& source_file, const std::filesystem::path& folder);

}  // namespace glionode::dicom
