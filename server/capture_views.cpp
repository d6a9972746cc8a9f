#include "server/capture_views.h"

#include "config/error.h"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace glionode::server {
namespace {

constexpr int kMainPixels = 256;
constexpr double kMainPixelMm = 0.9;  // 230 mm: a head with some air around it
constexpr int kMosaicPixels = 160;
constexpr double kMosaicPixelMm = 1.4;
// An overview of the head, four a plane: the capture lays them out in rows of four.
constexpr double kMosaicOffsetsMm[] = {-45, -15, 15, 45};

struct Plane {
  char letter;
  const char* name;
  int axis;  // of the normal, in LPS
};
constexpr Plane kPlanes[] = {{'a', "axial", 2}, {'c', "coronal", 1}, {'s', "sagittal", 0}};

std::array<double, 3> CentreOf(const volumes::Volume& volume) {
  std::array<double, 3> centre = volume.origin;
  for (int row = 0; row < 3; ++row)
    for (int axis = 0; axis < 3; ++axis)
      centre[row] += volume.direction[3 * row + axis] * volume.spacing[axis] * (volume.size[axis] - 1) / 2.0;
  return centre;
}

std::array<double, 3> PeakOf(const volumes::Volume& map) {
  const auto peak = std::max_element(map.voxels.begin(), map.voxels.end()) - map.voxels.begin();
  const std::array<long, 3> index = {peak % map.size[0], peak / map.size[0] % map.size[1],
                                     peak / map.size[0] / map.size[1]};
  std::array<double, 3> at = map.origin;
  for (int row = 0; row < 3; ++row)
    for (int axis = 0; axis < 3; ++axis)
      at[row] += map.direction[3 * row + axis] * map.spacing[axis] * static_cast<double>(index[axis]);
  return at;
}

bool InsideHead(const std::array<double, 3>& at, const volumes::NetworkInput& input) {
  std::size_t index = 0;
  for (int axis = 2; axis >= 0; --axis) {
    const long cell = std::lround((at[axis] - input.grid_origin[axis]) / input.spacing_mm);
    if (cell < 0 || cell >= input.shape) return false;
    index = index * static_cast<std::size_t>(input.shape) + static_cast<std::size_t>(cell);
  }
  return input.head_mask[index] != 0;
}

class ViewFile {
 public:
  explicit ViewFile(const std::filesystem::path& file) : path_(file), out_(file, std::ios::binary) {}
  long Append(const std::vector<float>& values) {
    const long at = written_;
    out_.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
    written_ += static_cast<long>(values.size());
    return at;
  }
  void Close() {
    if (!out_.flush()) throw Error(ErrorCode::kOutOfSpace, path_.string() + ": cannot be written");
  }

 private:
  std::filesystem::path path_;
  std::ofstream out_;
  long written_ = 0;
};

struct ViewMaker {
  const std::map<Role, volumes::Volume>& volumes;
  const volumes::NetworkInput* input;
  const volumes::Volume* map;
  ViewFile& file;
  WorkerAnswer& answer;

  volumes::RigidTransform TransformOf(Role role) const {
    if (input == nullptr) return {};
    const auto found = input->registrations.find(role);
    return found == input->registrations.end() ? volumes::RigidTransform{} : found->second.transform;
  }

  void Add(Role role, const Plane& plane, const std::array<double, 3>& centre, int pixels, double pixel_mm,
           bool with_map, bool mosaic) {
    ViewInfo view;
    view.role = role;
    view.plane = plane.name;
    view.position_mm = centre[static_cast<std::size_t>(plane.axis)];
    view.pixel_mm = pixel_mm;
    view.width = view.height = pixels;
    view.mosaic = mosaic;
    view.offset =
        file.Append(volumes::SamplePlane(volumes.at(role), TransformOf(role), centre, plane.letter, pixels, pixel_mm));
    if (with_map && map != nullptr)
      view.map_offset = file.Append(volumes::SamplePlane(*map, {}, centre, plane.letter, pixels, pixel_mm));
    answer.views.push_back(view);
  }
};

}  // namespace

void WriteViews(const std::map<Role, volumes::Volume>& volumes, const volumes::NetworkInput* input,
                const networks::Answer* map_source, const std::filesystem::path& file, WorkerAnswer& answer) {
  if (volumes.empty()) return;
  const Role reference = volumes.count(Role::kT1ce) ? Role::kT1ce : volumes.begin()->first;
  std::array<double, 3> head = CentreOf(volumes.at(reference));
  if (input != nullptr && input->head_centre) head = *input->head_centre;
  // Page 1 goes through the peak; within its slice the picture stays on the head, so that none of it is cut off.
  auto at_peak = head;
  volumes::Volume map;
  if (input != nullptr && map_source != nullptr) {
    map = volumes::MapAsVolume(map_source->map, map_source->map_size, *input);
    answer.map_class = map_source->map_class;
    answer.peak_mm = PeakOf(map);
    answer.peak_outside_brain = !InsideHead(answer.peak_mm, *input);
    if (!answer.peak_outside_brain) {
      at_peak[2] = answer.peak_mm[2];
      answer.slice_of = SliceOf::kMapPeak;
    } else if (input->lesion_centre) {
      // A slice of air with a warning would help nobody: what the radiologist asks about is where contrast gathers.
      at_peak[2] = (*input->lesion_centre)[2];
      answer.slice_of = SliceOf::kLesion;
    }
  } else if (input != nullptr && input->lesion_centre) {  // nothing was answered: there is no map, but a lesion
    at_peak[2] = (*input->lesion_centre)[2];
    answer.slice_of = SliceOf::kLesion;
  }
  ViewFile out(file);
  ViewMaker maker{volumes, input, map.voxels.empty() ? nullptr : &map, out, answer};
  for (const Role role : {Role::kT1ce, Role::kT1, Role::kT2})
    if (volumes.count(role)) maker.Add(role, kPlanes[0], at_peak, kMainPixels, kMainPixelMm, role == reference, false);
  for (const Plane& plane : kPlanes)
    for (const double offset : kMosaicOffsetsMm) {
      auto at = head;
      at[static_cast<std::size_t>(plane.axis)] += offset;
      maker.Add(reference, plane, at, kMosaicPixels, kMosaicPixelMm, true, true);
    }
  out.Close();
}

}  // namespace glionode::server
