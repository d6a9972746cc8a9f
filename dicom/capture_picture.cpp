#include "dicom/capture_picture.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace glionode::dicom {
namespace {

constexpr double kWeakest = 0.2;  ///< map values below are not drawn

/// `fraction` 0..1 of a sorted range.
float Quantile(const std::vector<float>& sorted, double fraction) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(fraction * static_cast<double>(sorted.size() - 1))];
}

float At(const GrayPicture& picture, int x, int y) {
  const float value =
      picture
          .values[static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) + static_cast<std::size_t>(x)];
  return std::isfinite(value) ? value : 0;
}

std::uint32_t Pack(double alpha, Color color) {
  const auto byte = [&](double part) { return static_cast<std::uint32_t>(std::lround(255 * alpha * part)); };
  return static_cast<std::uint32_t>(std::lround(255 * alpha)) << 24 | byte(color.red) << 16 | byte(color.green) << 8 |
         byte(color.blue);
}

template <typename PixelAt>
Surface Render(const Crop& crop, PixelAt pixel_at) {
  Surface surface = MakeSurface(crop.width, crop.height);
  cairo_surface_flush(surface.get());
  unsigned char* data = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (int y = 0; y < crop.height; ++y) {
    auto* row = reinterpret_cast<std::uint32_t*>(static_cast<void*>(data + static_cast<std::ptrdiff_t>(y) * stride));
    for (int x = 0; x < crop.width; ++x) row[x] = pixel_at(crop.x + x, crop.y + y);
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

/// First and last index of `profile` that holds enough of the head; whole range when none does.
std::pair<int, int> Extent(const std::vector<int>& profile, int enough, int margin) {
  const auto holds = [&](int count) { return count >= enough; };
  const auto first = std::find_if(profile.begin(), profile.end(), holds);
  const auto last = std::find_if(profile.rbegin(), profile.rend(), holds);
  const int size = static_cast<int>(profile.size());
  if (first == profile.end()) return {0, size - 1};
  return {std::max(0, static_cast<int>(first - profile.begin()) - margin),
          std::min(size - 1, size - 1 - static_cast<int>(last - profile.rbegin()) + margin)};
}

}  // namespace

bool IsDrawable(const GrayPicture& picture) {
  return picture.width > 0 && picture.height > 0 && picture.width <= 8192 && picture.height <= 8192 &&
         picture.values.size() == static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height) &&
         std::isfinite(picture.pixel_mm) && picture.pixel_mm > 0;
}

Window WindowFor(const std::vector<const GrayPicture*>& pictures) {
  std::vector<float> values;
  for (const GrayPicture* picture : pictures)
    std::copy_if(picture->values.begin(), picture->values.end(), std::back_inserter(values),
                 [](float value) { return std::isfinite(value); });
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const float air = Quantile(values, 0.02), top = Quantile(values, 0.998);
  const auto head = std::upper_bound(values.begin(), values.end(), air + 0.08F * (top - air));
  const std::vector<float> foreground(head, values.end());
  // Scalp fat is up to a tenth of an axial slice and far brighter than brain on T1: without the second bound it would
  // leave the brain dark.
  const float brain = Quantile(foreground, 0.5);
  Window window{air, std::min(Quantile(foreground, 0.995), air + 2.4F * (brain - air))};
  if (!(window.high > window.low)) window.high = window.low + std::max(1.0F, std::abs(window.low));
  return window;
}

Crop HeadCrop(const GrayPicture& picture, const Window& window) {
  std::vector<int> rows(static_cast<std::size_t>(picture.height)), columns(static_cast<std::size_t>(picture.width));
  const float threshold = window.low + 0.12F * (window.high - window.low);
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x)
      if (At(picture, x, y) > threshold) ++rows[static_cast<std::size_t>(y)], ++columns[static_cast<std::size_t>(x)];
  const int margin = std::max(1, static_cast<int>(std::lround(6 / picture.pixel_mm)));
  const auto [top, bottom] = Extent(rows, std::max(2, picture.width / 25), margin);
  const auto [left, right] = Extent(columns, std::max(2, picture.height / 25), margin);
  return {left, top, right - left + 1, bottom - top + 1};
}

Color MapColor(double value) {
  // Nine stops of the "plasma" scale, evenly spaced.
  static constexpr std::array<Color, 9> kStops = {{{0.050, 0.030, 0.528},
                                                   {0.294, 0.012, 0.631},
                                                   {0.490, 0.012, 0.659},
                                                   {0.659, 0.133, 0.588},
                                                   {0.796, 0.275, 0.475},
                                                   {0.898, 0.420, 0.365},
                                                   {0.973, 0.580, 0.255},
                                                   {0.992, 0.765, 0.157},
                                                   {0.941, 0.976, 0.129}}};
  const double place = std::clamp(value, 0.0, 1.0) * (kStops.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), kStops.size() - 2);
  const double part = place - static_cast<double>(below);
  const Color a = kStops[below], b = kStops[below + 1];
  return {a.red + part * (b.red - a.red), a.green + part * (b.green - a.green), a.blue + part * (b.blue - a.blue)};
}

double MapOpacity(double value) {
  if (!(value > kWeakest)) return 0;
  // Fades in without an edge: an edge would be taken for the outline of a lesion.
  return 0.7 * std::sqrt((std::min(value, 1.0) - kWeakest) / (1 - kWeakest));
}

Surface RenderGray(const GrayPicture& picture, const Window& window, const Crop& crop) {
  return Render(crop, [&](int x, int y) {
    const double grey = std::clamp((At(picture, x, y) - window.low) / (window.high - window.low), 0.0F, 1.0F);
    return Pack(1, {grey, grey, grey});
  });
}

Surface RenderMap(const std::vector<float>& map, const GrayPicture& picture, const Crop& crop) {
  return Render(crop, [&](int x, int y) {
    const double value =
        map[static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) + static_cast<std::size_t>(x)];
    return Pack(MapOpacity(value), MapColor(value));
  });
}

}  // namespace glionode::dicom
