#include "inference/volumes/checks.h"

#include "inference/volumes/inner_head.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace glionode::volumes {
namespace {

template <typename... Args>
std::string Text(const char* format, Args... args) {
  char buffer[320];
  std::snprintf(buffer, sizeof buffer, format, args...);
  return buffer;
}

std::string Name(Role role) {
  if (role == Role::kT1ce) return "contrast-enhanced T1";
  return role == Role::kT1 ? "T1" : role == Role::kT2 ? "T2" : std::string(ToText(role));
}

// Head sizes. Adult heads measure 130-170 mm across and 170-220 mm front to back over the skin; children from two years
// 120 by 150. Nose, ears, padding and a half-visible neck add to it. A knee, wrist or shoulder coil volume falls out on
// width or length; a body on volume.
constexpr double kMinWidth = 100, kMaxWidth = 230;
constexpr double kMinLength = 120, kMaxLength = 270;
// A head shown over 80 mm at least has 0.9 l; the top 170 mm of a large adult with cheeks and nose stay under 7 l.
constexpr double kMinVolume = 900, kMaxVolume = 7000;
// An ellipsoid fills 0.52 of its box, half an ellipsoid too; a cap with a straight lower part up to 0.75. Boxes and
// bottles fill more, scattered limbs less.
constexpr double kMinFill = 0.30, kMaxFill = 0.85;
// A homogeneous test object varies by its bias field only (under 10 %); brain, liquor and bone vary by 20-60 %.
constexpr double kMinVariation = 0.08;
// A test object with inserts has fluid of one signal, and much that is as dark as air. The upper half of what is inside
// lies within 0 % (clipped) and 14 % on two series of Philips's; within 8 % and more on 76 phantoms, which hold 0.7 %
// of air at most, and 44 % and more on a real study. Dark alone is no sign: ventricles and cavities are in many
// sequences.
constexpr double kClippedTail = 1.04, kFluidTail = 1.2, kMaxAir = 0.1;
// Muscle with fat around and between it: a shoulder's upper quartile is 2.3 times its median. T1 and T1ce of heads
// 1.0 to 1.2, T2 up to 1.5.
constexpr double kMaxUpperQuartile = 2.0;
// From the vertex to the temporal poles it is 100 mm: with less than 80 mm a part of the supratentorial brain is
// missing.
constexpr double kMinHeight = 80;
/// Share of the reference's head that every series must show.
constexpr double kMinCoverage = 0.75;
// Mucosa, sinuses, dura and choroid plexus are brighter than brain by half to twice its signal after contrast and take
// more than 0.5 % of a head; 5 % of brain signal is the least that is asked for. What got darker (edges that do not
// match, another echo time) must not outweigh what got brighter: gain over loss measured 1.6 on a real study (0.6 with
// the two swapped), 4 and more on phantoms (0.2 swapped), about 1 for a pair without contrast.
constexpr double kMinGain = 0.05;
constexpr double kMinGainOverLoss = 1.2;
// Brain, in units of the median of the inner head.
constexpr float kBrainLow = 0.5F, kBrainHigh = 1.25F;

}  // namespace

std::optional<Reason> CheckVolume(Role role, const Volume& volume, const PreprocessingSpec& spec) {
  const double spacing = volume.spacing[2];
  if (spacing < spec.slice_thickness_mm[0] || spacing > spec.slice_thickness_mm[1])
    return Reason{ReasonCode::kGeometry,
                  Text("The slices of the %s series are %.2f mm apart; this model was made for %.1f to %.1f mm.",
                       Name(role).c_str(), spacing, spec.slice_thickness_mm[0], spec.slice_thickness_mm[1])};
  float low = volume.voxels.empty() ? 0 : volume.voxels[0], high = low;
  for (float v : volume.voxels) {
    if (!std::isfinite(v))
      return Reason{ReasonCode::kGeometry,
                    Text("The %s series holds values that are not numbers.", Name(role).c_str())};
    low = std::min(low, v), high = std::max(high, v);
  }
  if (!(high > low)) return Reason{ReasonCode::kNotAHead, Text("The %s series shows nothing.", Name(role).c_str())};
  return std::nullopt;
}

std::optional<Reason> CheckHead(const Head& head) {
  const auto not_a_head = [](std::string text) { return Reason{ReasonCode::kNotAHead, std::move(text)}; };
  if (head.volume_ml <= 0) return not_a_head("No head was found in the image.");
  if (head.extent[0] < kMinWidth || head.extent[0] > kMaxWidth || head.extent[1] < kMinLength ||
      head.extent[1] > kMaxLength)
    return not_a_head(Text("What is shown measures %.0f mm across and %.0f mm front to back, which is no head.",
                           head.extent[0], head.extent[1]));
  if (head.volume_ml > kMaxVolume)
    return not_a_head(Text("What is shown has %.1f litres, which is no head.", head.volume_ml / 1000));
  if (head.extent[2] < kMinHeight)
    return Reason{ReasonCode::kGeometry,
                  Text("Only %.0f mm of the head are shown from top to bottom; at least %.0f mm are needed.",
                       head.extent[2], kMinHeight)};
  if (head.volume_ml < kMinVolume)
    return not_a_head(Text("What is shown has %.1f litres, which is no head.", head.volume_ml / 1000));
  if (head.fill < kMinFill || head.fill > kMaxFill)
    return not_a_head(
        Text("What is shown fills %.0f %% of its bounding box, which is not the shape of a head.", 100 * head.fill));
  if (head.variation < kMinVariation || head.upper_tail < kClippedTail ||
      (head.upper_tail < kFluidTail && head.air > kMaxAir))
    return not_a_head("What is shown has no inner structure, as a test object has none.");
  if (head.upper_quartile > kMaxUpperQuartile)
    return not_a_head("What is shown is fat around muscle, which is no head.");
  return std::nullopt;
}

std::optional<Reason> CheckCoverage(Role role, const Mask& head, const Mask& inside) {
  std::size_t total = 0, hit = 0;
  for (std::size_t i = 0; i < head.size(); ++i)
    if (head[i]) ++total, hit += inside[i];
  if (total > 0 && static_cast<double>(hit) >= kMinCoverage * static_cast<double>(total)) return std::nullopt;
  return Reason{ReasonCode::kGeometry,
                Text("The %s series shows only %.0f %% of the head that the reference series shows.",
                     Name(role).c_str(), total ? 100.0 * static_cast<double>(hit) / static_cast<double>(total) : 0.0)};
}

ContrastMeasure MeasureContrast(const std::vector<float>& t1, const std::vector<float>& t1ce, const Mask& head,
                                const Grid& grid) {
  ContrastMeasure measure;
  const auto inner = FindInnerHead(t1, t1ce, head, grid);
  if (!inner) return measure;
  // Only where one of the two looks like brain: fat is bright in both, and how bright differs between sequences.
  std::vector<float> gains, losses;
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (!inner->mask[i]) continue;
    const float before = t1[i] / inner->t1, after = t1ce[i] / inner->t1ce;
    if (before > kBrainLow && before < kBrainHigh) gains.push_back(after - before);
    if (after > kBrainLow && after < kBrainHigh) losses.push_back(before - after);
  }
  if (gains.size() < 1000 || losses.size() < 1000) return measure;
  measure.gain = Quantile(gains, 0.995);
  measure.loss = Quantile(losses, 0.995);
  return measure;
}

std::optional<Reason> CheckContrast(const ContrastMeasure& measure) {
  if (measure.gain >= kMinGain && measure.gain >= kMinGainOverLoss * measure.loss) return std::nullopt;
  if (measure.loss >= kMinGain)
    return Reason{
        ReasonCode::kContrastCheck,
        "The T1 series is brighter than the contrast-enhanced T1 series where contrast must show: the two may be "
        "swapped, or no contrast was given."};
  return Reason{ReasonCode::kContrastCheck,
                "The contrast-enhanced T1 series shows no enhancement against the T1 series."};
}

}  // namespace glionode::volumes
