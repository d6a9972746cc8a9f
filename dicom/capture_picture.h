#pragma once
// Internal to dicom/: Cairo types stay in this folder.
#include "dicom/capture_drawing.h"
#include "dicom/secondary_capture.h"

namespace glionode::dicom {

/// Grey values shown as black and white.
struct Window {
  float low = 0, high = 1;
};
/// From the histogram of several pictures of one kind, so that they can be compared: air is black, the middle of
/// the head's values is a mid grey, and the brightest (fat, vessels) may saturate.
Window WindowFor(const std::vector<const GrayPicture*>& pictures);

/// Part of a picture, in pixels.
struct Crop {
  int x = 0, y = 0, width = 0, height = 0;
};
/// The head with a small margin, so that it fills its panel; the whole picture when nothing stands out.
Crop HeadCrop(const GrayPicture& picture, const Window& window);

/// The colour of a map value 0..1: from dark violet to light yellow, growing in lightness, so that it can be read
/// without telling red from green. Weak values are left transparent: they would cover anatomy and say nothing.
Color MapColor(double value);
double MapOpacity(double value);

Surface RenderGray(const GrayPicture& picture, const Window& window, const Crop& crop);
/// Transparent where the map is weak. `map` has the picture's size.
Surface RenderMap(const std::vector<float>& map, const GrayPicture& picture, const Crop& crop);

/// Is this picture usable: positive size, as many values, a finite pixel size?
bool IsDrawable(const GrayPicture& picture);

}  // namespace glionode::dicom
