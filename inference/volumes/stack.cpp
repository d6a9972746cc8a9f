#include "inference/volumes/stack.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace glionode::volumes {
namespace {

using Vec = std::array<double, 3>;

double Dot(const Vec& a, const Vec& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Vec Cross(const Vec& a, const Vec& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double Norm(const Vec& a) { return std::sqrt(Dot(a, a)); }

template <typename... Args>
std::string Text(const char* format, Args... args) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
}

StackResult Refuse(ReasonCode code, std::string text) {
  StackResult result;
  result.reasons.push_back({code, std::move(text)});
  return result;
}

/// Direction cosines are written with about six digits; 1e-3 is 0.06 degrees, far below any intended difference.
constexpr double kOrientationTolerance = 1e-3;
/// Two slices nearer than this are the same place (echoes, repeats), no thin slices: MR slices are 0.3 mm and thicker.
constexpr double kSamePlaceMm = 0.05;

struct Placed {
  double along = 0;  ///< mm along the normal
  std::size_t frame = 0;
};

/// The sentence for a spacing that is not regular; empty if it is.
Reason SpacingProblem(const std::vector<Placed>& placed, double spacing) {
  // 1e-2 mm or 2 %, whichever is more: positions are decimal strings, and scanners round them to 0.01 mm.
  const double tolerance = std::max(1e-2, 0.02 * spacing);
  int missing = 0;
  double worst = spacing;
  for (std::size_t i = 1; i < placed.size(); ++i) {
    const double step = placed[i].along - placed[i - 1].along;
    if (std::abs(step - spacing) <= tolerance) continue;
    const double whole = std::round(step / spacing);
    if (whole >= 2 && std::abs(step - whole * spacing) <= tolerance * whole) missing += static_cast<int>(whole) - 1;
    if (std::abs(step - spacing) > std::abs(worst - spacing)) worst = step;
  }
  if (worst == spacing) return {ReasonCode::kIncompleteSeries, ""};
  if (missing > 0)
    return {ReasonCode::kIncompleteSeries,
            Text("%d slice%s missing: the slices are %.2f mm apart, with a step of %.2f mm.", missing,
                 missing == 1 ? " is" : "s are", spacing, worst)};
  return {ReasonCode::kIncompleteSeries,
          Text("The slices are not equally spaced: most are %.2f mm apart, one step is %.2f mm.", spacing, worst)};
}

}  // namespace

StackResult Stack(std::vector<Frame> frames) {
  if (frames.size() < 2)
    return Refuse(ReasonCode::kGeometry, "The series has fewer than two slices, which is no volume.");
  const Frame& first = frames.front();
  Vec row{first.orientation[0], first.orientation[1], first.orientation[2]};
  Vec column{first.orientation[3], first.orientation[4], first.orientation[5]};
  // PS3.3 C.7.6.2.1.1: row and column direction are unit vectors at right angles.
  if (!(std::abs(Norm(row) - 1) < 1e-2) || !(std::abs(Norm(column) - 1) < 1e-2) || !(std::abs(Dot(row, column)) < 1e-2))
    return Refuse(ReasonCode::kGeometry, "The image orientation is not two unit vectors at right angles.");
  for (const auto& frame : frames) {
    if (frame.rows != first.rows || frame.columns != first.columns)
      return Refuse(ReasonCode::kGeometry, Text("The slices have different matrices (%d x %d and %d x %d).",
                                                first.columns, first.rows, frame.columns, frame.rows));
    if (frame.rows < 2 || frame.columns < 2 ||
        frame.values.size() != static_cast<std::size_t>(frame.rows) * static_cast<std::size_t>(frame.columns))
      return Refuse(ReasonCode::kGeometry, "A slice has no usable pixel matrix.");
    for (int i = 0; i < 6; ++i)
      if (!(std::abs(frame.orientation[i] - first.orientation[i]) <= kOrientationTolerance))
        return Refuse(ReasonCode::kGeometry, "The slices do not have one common orientation.");
    for (int i = 0; i < 2; ++i)
      if (!(frame.spacing[i] > 0) || !(std::abs(frame.spacing[i] - first.spacing[i]) <= 1e-3 * first.spacing[i]))
        return Refuse(ReasonCode::kGeometry, "The slices do not have one common, positive pixel spacing.");
    for (double p : frame.position)
      if (!std::isfinite(p)) return Refuse(ReasonCode::kGeometry, "A slice position is not a number.");
  }
  // Exactly orthonormal axes: consumers (ITK) demand it, headers only come near.
  const double row_norm = Norm(row);
  for (double& x : row) x /= row_norm;
  const double along_row = Dot(row, column);
  for (int i = 0; i < 3; ++i) column[i] -= along_row * row[i];
  const double column_norm = Norm(column);
  for (double& x : column) x /= column_norm;
  const Vec normal = Cross(row, column);

  std::vector<Placed> placed(frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) placed[i] = {Dot(frames[i].position, normal), i};
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) { return a.along < b.along; });
  std::vector<double> steps;
  for (std::size_t i = 1; i < placed.size(); ++i) {
    steps.push_back(placed[i].along - placed[i - 1].along);
    if (steps.back() < kSamePlaceMm)
      return Refuse(ReasonCode::kGeometry,
                    "Two slices lie at the same place: the series holds several volumes or repeats.");
  }
  std::vector<double> sorted = steps;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
  const double median = sorted[sorted.size() / 2];
  if (Reason problem = SpacingProblem(placed, median); !problem.text.empty())
    return Refuse(problem.code, std::move(problem.text));
  const double spacing = (placed.back().along - placed.front().along) / static_cast<double>(placed.size() - 1);

  // The origins must move along the normal: else the volume is sheared and no set of orthogonal axes describes it.
  const Vec& start = frames[placed.front().frame].position;
  for (const auto& place : placed) {
    const Vec& p = frames[place.frame].position;
    const double along = place.along - placed.front().along;
    const Vec off{p[0] - start[0] - along * normal[0], p[1] - start[1] - along * normal[1],
                  p[2] - start[2] - along * normal[2]};
    if (Norm(off) > 0.5)
      return Refuse(ReasonCode::kGeometry, Text("The slices are shifted sideways by up to %.1f mm.", Norm(off)));
  }

  StackResult result;
  Volume& volume = result.volume;
  volume.size = {first.columns, first.rows, static_cast<int>(frames.size())};
  volume.spacing = {first.spacing[1], first.spacing[0], spacing};
  volume.origin = start;
  for (int i = 0; i < 3; ++i) {
    volume.direction[static_cast<std::size_t>(3 * i)] = row[i];
    volume.direction[static_cast<std::size_t>(3 * i + 1)] = column[i];
    volume.direction[static_cast<std::size_t>(3 * i + 2)] = normal[i];
  }
  volume.voxels.reserve(volume.Count());
  for (const auto& place : placed) {
    auto& values = frames[place.frame].values;
    volume.voxels.insert(volume.voxels.end(), values.begin(), values.end());
    std::vector<float>().swap(values);  // one copy of the pixels at a time
  }
  return result;
}

}  // namespace glionode::volumes
