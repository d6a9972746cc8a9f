#include "inference/volumes/preprocess.h"

#include "config/error.h"
#include "inference/volumes/bias_field.h"
#include "inference/volumes/checks.h"
#include "inference/volumes/lesion_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <optional>

namespace glionode::volumes {
namespace {

using Steady = std::chrono::steady_clock;

double Milliseconds(Steady::time_point from, Steady::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// With the lesion in the middle of the network's grid, the head is looked at on a grid of its own first.
constexpr int kSearchShape = 64;
constexpr double kSearchSpacing = 3;

/// One role on its way: computed by one thread.
struct Channel {
  Registration registration;
  BiasField bias;
  std::vector<float> values;
  Mask inside;
  double registration_ms = 0;
};

Channel MakeChannel(const Volume& reference, const Volume& volume, bool registers, const Mask& head, const Grid& grid,
                    bool bias_correction) {
  Channel channel;
  const auto start = Steady::now();
  if (registers) channel.registration = RegisterRigid(reference, volume);
  channel.registration_ms = Milliseconds(start, Steady::now());
  channel.values = SampleGrid(volume, channel.registration.transform, grid, &channel.inside);
  // Rescaled MR may be negative only by a wrong intercept or by an inversion recovery's sign; magnitude images are not.
  for (float& v : channel.values) v = std::max(v, 0.0F);
  if (bias_correction) {
    Mask known = head;
    for (std::size_t i = 0; i < known.size(); ++i) known[i] = known[i] && channel.inside[i];
    channel.bias = CorrectBias(channel.values, known, grid);
  }
  return channel;
}

Mask AboveZero(const std::vector<float>& values) {
  Mask mask(values.size());
  std::transform(values.begin(), values.end(), mask.begin(), [](float v) { return v > 0 ? 1 : 0; });
  return mask;
}

Grid Cube(const Vec3& centre, int shape, double spacing) {
  Grid grid;
  grid.size = {shape, shape, shape};
  grid.spacing = spacing;
  for (std::size_t i = 0; i < 3; ++i)
    grid.origin[i] = std::round(100 * (centre[i] - 0.5 * spacing * (shape - 1))) / 100;
  return grid;
}

/// What makes mean 0 and deviation 1 of the head's voxels that the series covers.
struct Scale {
  double mean = 0, factor = 0;
};

Scale MeasureScale(const Channel& channel, const Mask& head) {
  double sum = 0, squares = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < head.size(); ++i)
    if (head[i] && channel.inside[i]) {
      const double v = channel.values[i];
      sum += v, squares += v * v, ++count;
    }
  const double mean = count ? sum / static_cast<double>(count) : 0;
  const double variance = count ? std::max(0.0, squares / static_cast<double>(count) - mean * mean) : 0;
  return {mean, variance > 0 ? 1 / std::sqrt(variance) : 0};
}

/// Scaled inside the head where the series covers it; 0 elsewhere.
void Normalise(const Channel& channel, const Mask& head, const Scale& scale, float* to) {
  for (std::size_t i = 0; i < head.size(); ++i)
    to[i] = head[i] && channel.inside[i] ? static_cast<float>((channel.values[i] - scale.mean) * scale.factor) : 0.0F;
}

/// The same series, registered and corrected as it is already, on another grid.
Channel OnGrid(const Channel& channel, const Volume& volume, const Grid& grid) {
  Channel moved;
  moved.values = SampleGrid(volume, channel.registration.transform, grid, &moved.inside);
  for (float& v : moved.values) v = std::max(v, 0.0F);
  ApplyBias(moved.values, channel.bias, grid);
  return moved;
}

Reason Misaligned(Role role, const Registration& registration) {
  const int percent = static_cast<int>(std::lround(100 * registration.agreement));
  return {
      ReasonCode::kRegistration,
      "The " + std::string(role == Role::kT2 ? "T2" : "T1") +
          " series could not be brought into line with the contrast-enhanced T1 series: " + std::to_string(percent) +
          " % of small parts of the head match. They may show different heads, or positions too far apart."};
}

}  // namespace

NetworkInput Preprocess(const std::map<Role, Volume>& volumes, const std::vector<Role>& roles,
                        const PreprocessingSpec& spec) {
  const auto start = Steady::now();
  if (roles.empty()) throw Error(ErrorCode::kInternal, "Preprocessing was asked for no series.");
  for (Role role : roles)
    if (!volumes.count(role) || volumes.at(role).voxels.size() != volumes.at(role).Count() ||
        volumes.at(role).Count() == 0)
      throw Error(ErrorCode::kInternal, "Preprocessing was not given the series " + std::string(ToText(role)) + ".");
  if (spec.shape < 8 || spec.shape > 512 || !(spec.spacing_mm >= 0.25) || !(spec.spacing_mm <= 16))
    throw Error(ErrorCode::kInternal, "Preprocessing was asked for a grid that makes no sense.");
  if (spec.normalisation != "zscore")
    throw Error(ErrorCode::kInternal, "Preprocessing knows no normalisation '" + spec.normalisation + "'.");
  const bool on_lesion = spec.centre == "lesion";
  if (!on_lesion && spec.centre != "head_mask")
    throw Error(ErrorCode::kInternal, "Preprocessing knows no centre '" + spec.centre + "'.");
  if (on_lesion && (!volumes.count(Role::kT1) || !volumes.count(Role::kT1ce)))
    throw Error(ErrorCode::kInternal, "A lesion is found by what enhances: that needs T1 and contrast-enhanced T1.");

  NetworkInput result;
  result.shape = spec.shape;
  result.spacing_mm = spec.spacing_mm;
  const auto voxels = static_cast<std::size_t>(spec.shape) * spec.shape * spec.shape;
  result.tensor.assign(voxels * roles.size(), 0.0F);
  result.head_mask.assign(voxels, 0);
  for (Role role : roles)
    if (auto reason = CheckVolume(role, volumes.at(role), spec)) result.reasons.push_back(*reason);
  if (!result.reasons.empty()) return result;

  const Role reference_role =
      std::find(roles.begin(), roles.end(), Role::kT1ce) != roles.end() ? Role::kT1ce : roles.front();
  // In plane to about the grid's own resolution first: later sampling is linear and would alias. Not beyond 3 mm: then
  // small parts of a head cannot be told from those of another (LocalAgreement).
  const double in_plane = std::clamp(spec.spacing_mm, 1.0, 3.0);
  std::map<Role, Volume> reduced;
  for (Role role : roles) reduced[role] = Reduce(volumes.at(role), in_plane);
  const Volume& reference = reduced.at(reference_role);

  const Head head = FindHead(reference);
  const bool stripped = spec.input_state == "skull-stripped";  // no skull, no skin: nothing to know a head by
  if (auto reason = CheckHead(head); reason && !stripped) result.reasons.push_back(*reason);
  result.head_centre = head.centre;
  const Grid grid =
      on_lesion ? Cube(head.centre, kSearchShape, kSearchSpacing) : Cube(head.centre, spec.shape, spec.spacing_mm);
  result.grid_origin = grid.origin;
  if (!result.reasons.empty()) return result;
  const auto mask_on = [&](const Grid& on) {
    return stripped ? AboveZero(SampleGrid(reference, RigidTransform{}, on)) : MaskOnGrid(head, on);
  };
  const Mask mask = mask_on(grid);
  if (!on_lesion) result.head_mask = mask;

  std::map<Role, std::future<Channel>> running;
  for (Role role : roles)
    if (role != reference_role)
      running[role] = std::async(std::launch::async, [&, role] {
        return MakeChannel(reference, reduced.at(role), true, mask, grid, spec.bias_correction);
      });
  std::map<Role, Channel> channels;
  channels[reference_role] = MakeChannel(reference, reference, false, mask, grid, spec.bias_correction);
  for (auto& [role, future] : running) channels[role] = future.get();

  for (Role role : roles) {
    const Channel& channel = channels.at(role);
    result.registration_ms = std::max(result.registration_ms, channel.registration_ms);
    if (role == reference_role) continue;
    result.registrations[role] = channel.registration;
    if (!channel.registration.plausible)
      result.reasons.push_back(Misaligned(role, channel.registration));
    else if (auto reason = CheckCoverage(role, mask, channel.inside))
      result.reasons.push_back(*reason);
  }
  std::optional<Vec3> lesion;
  if (result.reasons.empty() && channels.count(Role::kT1) && channels.count(Role::kT1ce)) {
    const auto &t1 = channels[Role::kT1].values, &t1ce = channels[Role::kT1ce].values;
    const LesionSearch search = FindLesion(t1, t1ce, mask, grid);
    result.lesion_centre = lesion = search.centre;
    if (auto contrast = CheckContrast(MeasureContrast(t1, t1ce, mask, grid)))
      result.reasons.push_back(*contrast);
    else if (auto none = CheckLesion(search, on_lesion))
      result.reasons.push_back(*none);
  }
  Grid network_grid = grid;
  Mask network_mask = mask;
  if (on_lesion) {
    // A refused study still gets a grid, for its pictures.
    network_grid = Cube(lesion.value_or(head.centre), spec.shape, spec.spacing_mm);
    network_mask = mask_on(network_grid);
    result.grid_origin = network_grid.origin;
    result.head_mask = network_mask;
  }
  for (std::size_t c = 0; c < roles.size(); ++c) {
    const Channel& channel = channels.at(roles[c]);
    const Scale scale = MeasureScale(channel, mask);
    Normalise(on_lesion ? OnGrid(channel, reduced.at(roles[c]), network_grid) : channel, network_mask, scale,
              &result.tensor[c * voxels]);
  }
  result.preprocess_ms = Milliseconds(start, Steady::now()) - result.registration_ms;
  return result;
}

std::vector<float> SamplePlane(const Volume& volume, const RigidTransform& transform,
                               const std::array<double, 3>& centre, char plane, int pixels, double pixel_mm) {
  // Columns and rows of the picture in LPS. Radiological: the patient's right is on the left of the picture.
  Vec3 column{1, 0, 0}, row{0, 1, 0};
  if (plane == 'c') row = {0, 0, -1};
  if (plane == 's') column = {0, 1, 0}, row = {0, 0, -1};
  Vec3 origin{};
  const double half = 0.5 * (pixels - 1) * pixel_mm;
  for (std::size_t i = 0; i < 3; ++i) {
    origin[i] = centre[i] - half * (column[i] + row[i]);
    column[i] *= pixel_mm;
    row[i] *= pixel_mm;
  }
  return SampleLattice(volume, transform, {pixels, pixels, 1}, origin, {column, row, Vec3{0, 0, 0}});
}

Volume MapAsVolume(const std::vector<float>& map, const std::array<int, 3>& map_size, const NetworkInput& input,
                   double first_cell) {
  Volume volume;
  volume.size = {map_size[2], map_size[1], map_size[0]};
  if (volume.Count() != map.size() || map.empty())
    throw Error(ErrorCode::kInternal, "An activation map does not have the size that it says.");
  for (std::size_t i = 0; i < 3; ++i) {
    volume.spacing[i] = input.spacing_mm * input.shape / volume.size[i];
    volume.origin[i] = input.grid_origin[i] + first_cell * input.spacing_mm;
  }
  volume.voxels = map;
  return volume;
}

}  // namespace glionode::volumes
