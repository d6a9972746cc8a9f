#include "dicom/series_stack.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

namespace glionode::dicom {
namespace {

// A head is about 150 mm high and 190 mm long. What covers less than these is a localizer, a slab or a part.
constexpr int kFewestSlices = 8;
constexpr double kLeastCoverage = 60;  ///< mm, along the normal
constexpr double kLeastField = 100;    ///< mm, along rows and columns
constexpr double kParallel = 1e-3;     ///< greatest difference of a component of two directions that count as one
constexpr double kGap = 1.5;           ///< times the median distance: a slice is missing
constexpr double kUnequal = 0.1;       ///< of the median distance: spacing counts as equal up to here
constexpr double kSideways = 1.0;      ///< mm between neighbours, within the plane

using Vector = std::array<double, 3>;

double Dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vector Axis(const FrameGeometry& frame, std::size_t first) {
  return {frame.orientation[first], frame.orientation[first + 1], frame.orientation[first + 2]};
}

Vector Normal(const FrameGeometry& frame) {
  const Vector r = Axis(frame, 0), c = Axis(frame, 3);
  return {r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0]};
}

std::string Millimetres(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f mm", value);
  return text;
}

bool SameOrientation(const FrameGeometry& a, const FrameGeometry& b) {
  for (std::size_t i = 0; i < 6; ++i)
    if (std::abs(a.orientation[i] - b.orientation[i]) > kParallel) return false;
  return true;
}

bool SameSpacing(const FrameGeometry& a, const FrameGeometry& b) {
  return std::abs(a.spacing[0] - b.spacing[0]) < 1e-3 * a.spacing[0] &&
         std::abs(a.spacing[1] - b.spacing[1]) < 1e-3 * a.spacing[1];
}

SeriesStack Unfit(SeriesStack stack, std::string problem) {
  stack.state = SeriesStack::State::kUnfit;
  stack.problem = std::move(problem);
  return stack;
}

SeriesStack Analyse(const SeriesFacts& series, const std::vector<std::size_t>& frames) {
  SeriesStack stack;
  std::set<std::string> uids;
  for (const std::size_t i : frames)
    if (i < series.frame_instances.size()) uids.insert(series.frame_instances[i]);
  stack.sop_instance_uids.assign(uids.begin(), uids.end());
  stack.slices = static_cast<int>(frames.size());
  if (series.mixed_matrix) return Unfit(std::move(stack), "its images differ in size");
  for (const std::size_t i : frames)
    if (!series.geometry[i].valid) return Unfit(std::move(stack), "position or orientation of an image is missing");
  const FrameGeometry& first = series.geometry[frames.front()];
  const Vector normal = Normal(first);
  struct Slice {
    double along;
    const FrameGeometry* frame;
  };
  std::vector<Slice> slices;
  for (const std::size_t i : frames) {
    const FrameGeometry& frame = series.geometry[i];
    if (!SameOrientation(first, frame)) return Unfit(std::move(stack), "its images lie in different directions");
    if (!SameSpacing(first, frame)) return Unfit(std::move(stack), "its images differ in pixel spacing");
    slices.push_back({Dot(frame.position, normal), &frame});
  }
  std::sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) { return a.along < b.along; });
  if (slices.size() < static_cast<std::size_t>(kFewestSlices))
    return Unfit(std::move(stack), "only " + std::to_string(slices.size()) +
                                       (slices.size() == 1 ? " slice" : " slices") + ", at least " +
                                       std::to_string(kFewestSlices) + " are needed");
  std::vector<double> steps;
  for (std::size_t i = 1; i < slices.size(); ++i) steps.push_back(slices[i].along - slices[i - 1].along);
  std::vector<double> sorted = steps;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
  const double median = sorted[sorted.size() / 2];
  stack.slice_distance = median;
  if (median < 1e-3 || std::any_of(steps.begin(), steps.end(), [&](double s) { return s < 0.05 * median; }))
    return Unfit(std::move(stack), "it holds several images at one position and nothing tells them apart");
  const double extent = slices.back().along - slices.front().along + median;
  const double across = first.spacing[0] * series.rows, along_row = first.spacing[1] * series.columns;
  stack.coverage = std::min({extent, across, along_row});
  stack.voxel = std::max({median, first.spacing[0], first.spacing[1]});
  const double widest = *std::max_element(steps.begin(), steps.end());
  if (widest > kGap * median) {
    stack.state = SeriesStack::State::kIncomplete;
    stack.problem = "a gap of " + Millimetres(widest) + " between slices that are " + Millimetres(median) + " apart";
    return stack;
  }
  for (const double step : steps)
    if (std::abs(step - median) > kUnequal * median)
      return Unfit(std::move(stack), "its slices are not equally spaced");
  for (std::size_t i = 1; i < slices.size(); ++i) {
    const Vector &a = slices[i - 1].frame->position, &b = slices[i].frame->position;
    const Vector step{b[0] - a[0], b[1] - a[1], b[2] - a[2]};
    if (std::hypot(Dot(step, Axis(first, 0)), Dot(step, Axis(first, 3))) > kSideways)
      return Unfit(std::move(stack), "its slices are shifted sideways against each other");
  }
  if (extent < kLeastCoverage) return Unfit(std::move(stack), "its slices cover only " + Millimetres(extent));
  if (std::min(across, along_row) < kLeastField)
    return Unfit(std::move(stack), "its field of view is only " + Millimetres(std::min(across, along_row)));
  stack.state = SeriesStack::State::kUsable;
  return stack;
}

/// "echo=3.5;time=1;type=M" as name -> value.
std::map<std::string, std::string> ParseKey(const std::string& key) {
  std::map<std::string, std::string> parts;
  for (std::size_t begin = 0; begin < key.size();) {
    const std::size_t end = std::min(key.find(';', begin), key.size());
    const std::string part = key.substr(begin, end - begin);
    const std::size_t equal = part.find('=');
    if (equal != std::string::npos) parts[part.substr(0, equal)] = part.substr(equal + 1);
    begin = end + 1;
  }
  return parts;
}

double EchoOf(const std::map<std::string, std::string>& parts) {
  const auto it = parts.find("echo");
  double value = 0;
  if (it != parts.end()) std::from_chars(it->second.data(), it->second.data() + it->second.size(), value);
  return value;
}

bool IsMagnitude(const std::map<std::string, std::string>& parts) {
  const auto it = parts.find("type");
  if (it == parts.end()) return true;
  static constexpr std::string_view kOthers[] = {"P", "R", "I", "PHASE", "PHASE MAP", "REAL", "IMAGINARY"};
  const std::string value = it->second.substr(it->second.rfind('/') + 1);
  return std::find(std::begin(kOthers), std::end(kOthers), value) == std::end(kOthers);
}

}  // namespace

SeriesStack FindStack(const SeriesFacts& series, Role role) {
  if (series.geometry.empty()) return Unfit({}, "its images have no position in space");
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < series.geometry.size(); ++i) groups[series.geometry[i].volume_key].push_back(i);
  if (groups.size() == 1) return Analyse(series, groups.begin()->second);

  // Keys that differ from slice to slice without meaning another volume (an echo time that wobbles in its last digit):
  // all frames together are one stack then.
  std::vector<std::size_t> all(series.geometry.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const SeriesStack together = Analyse(series, all);
  if (together.state == SeriesStack::State::kUsable) return together;

  struct Group {
    std::map<std::string, std::string> parts;
    const std::vector<std::size_t>* frames;
  };
  std::vector<Group> candidates;
  for (const auto& [key, frames] : groups) {
    Group group{ParseKey(key), &frames};
    if (IsMagnitude(group.parts)) candidates.push_back(std::move(group));
  }
  if (candidates.empty()) return Unfit({}, "it holds no magnitude images");
  std::set<std::string> times, b_values, types;
  for (const Group& group : candidates) {
    const auto part = [&](const char* name) {
      const auto it = group.parts.find(name);
      return it == group.parts.end() ? std::string() : it->second;
    };
    times.insert(part("time"));
    b_values.insert(part("b"));
    types.insert(part("type"));
  }
  const auto several = [](const char* what) { return std::string("it holds several volumes (") + what + ")"; };
  if (times.size() > 1) return Unfit({}, several("time points"));
  if (b_values.size() > 1) return Unfit({}, several("b-values"));
  if (types.size() > 1) return Unfit({}, several("image types"));
  // What is left differs in the echo only. T2 weighting grows with the echo time.
  const auto by_echo = [](const Group& a, const Group& b) { return EchoOf(a.parts) < EchoOf(b.parts); };
  const auto chosen = role == Role::kT2 ? std::max_element(candidates.begin(), candidates.end(), by_echo)
                                        : std::min_element(candidates.begin(), candidates.end(), by_echo);
  SeriesStack stack = Analyse(series, *chosen->frames);
  if (candidates.size() > 1)
    stack.note = role == Role::kT2 ? "its longest echo was taken" : "its shortest echo was taken";
  else
    stack.note = "its magnitude images were taken";
  return stack;
}

}  // namespace glionode::dicom
