#pragma once
#include "dicom/series_roles.h"

namespace glionode::dicom {

/// One volume of a series, as far as headers tell. Internal to dicom/.
struct SeriesStack {
  enum class State { kUsable, kIncomplete, kUnfit } state = State::kUnfit;
  std::string problem;  ///< for people, when not usable
  std::vector<std::string> sop_instance_uids;
  int slices = 0;
  double slice_distance = 0;  ///< mm, median along the normal
  double coverage = 0;        ///< mm, the smallest of the three extents
  double voxel = 0;           ///< mm, the largest of the three voxel edges
  std::string note;           ///< which volume of several was taken
};

/// Finds the volume of a series for a role: all frames, or, if frames differ in volume key, the group that fits the
/// role (magnitude before phase; for T2 the longest echo, for T1 the shortest). Pure.
SeriesStack FindStack(const SeriesFacts& series, Role role);

}  // namespace glionode::dicom
