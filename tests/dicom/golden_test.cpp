#include "dicom/capture_picture.h"
#include "results_fixture.h"

#include <cmath>
#include <cstring>

// The captures against pictures that a person has looked at, reduced to 128 x 128: layout, contrast, colours and the
// place of everything are held, a pixel of another font is not. After an intended change, look at the new captures and
// make the pictures anew with GLIONODE_UPDATE_GOLDEN=1.

namespace glionode::dicom {
namespace {

constexpr int kSize = 128, kStep = 1024 / kSize;

/// Mean colour of each square of kStep x kStep pixels, as R G B.
using Reduced = std::vector<double>;

Reduced Reduce(const std::filesystem::path& png, int step) {
  const Surface surface(cairo_image_surface_create_from_png(png.c_str()), &cairo_surface_destroy);
  EXPECT_EQ(cairo_surface_status(surface.get()), CAIRO_STATUS_SUCCESS) << png;
  EXPECT_EQ(cairo_image_surface_get_width(surface.get()), kSize * step) << png;
  Reduced reduced(3 * kSize * kSize);
  if (cairo_image_surface_get_width(surface.get()) != kSize * step) return reduced;
  for (int y = 0; y < kSize * step; ++y)
    for (int x = 0; x < kSize * step; ++x) {
      std::uint32_t pixel = 0;
      std::memcpy(
          &pixel,
          cairo_image_surface_get_data(surface.get()) + y * cairo_image_surface_get_stride(surface.get()) + 4 * x, 4);
      for (int part = 0; part < 3; ++part)
        reduced[static_cast<std::size_t>(3 * (y / step * kSize + x / step) + part)] +=
            static_cast<double>((pixel >> (16 - 8 * part)) & 0xff) / (step * step);
    }
  return reduced;
}

void Save(const Reduced& picture, const std::filesystem::path& png) {
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, kSize, kSize), &cairo_surface_destroy);
  unsigned char* data = cairo_image_surface_get_data(surface.get());
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x) {
      std::uint32_t pixel = 0;
      for (int part = 0; part < 3; ++part)
        pixel |= static_cast<std::uint32_t>(std::lround(picture[static_cast<std::size_t>(3 * (y * kSize + x) + part)]))
                 << (16 - 8 * part);
      std::memcpy(data + y * cairo_image_surface_get_stride(surface.get()) + 4 * x, &pixel, 4);
    }
  cairo_surface_mark_dirty(surface.get());
  ASSERT_EQ(cairo_surface_write_to_png(surface.get(), png.c_str()), CAIRO_STATUS_SUCCESS);
}

struct Difference {
  double mean = 0;
  int squares = 0;  ///< with a colour that is clearly another
};

Difference Compare(const Reduced& a, const Reduced& b) {
  Difference difference;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(a[i] - b[i]);
    difference.mean += off / static_cast<double>(a.size());
    difference.squares += i % 3 == 0 && off > 48;
  }
  return difference;
}

bool Matches(const Difference& difference) { return difference.mean < 1.0 && difference.squares < 40; }

class GoldenTest : public ResultsTest {
 protected:
  Reduced Draw(const ReportContent& content, int page, const CaptureViews& views = Views()) {
    WriteCaptures(content, views, source_, folder_);
    return Reduce(folder_ / ("capture-" + std::to_string(page) + ".png"), kStep);
  }
  void ExpectGolden(const ReportContent& content, int page, const std::string& name,
                    const CaptureViews& views = Views()) {
    const std::filesystem::path file =
        std::filesystem::path(GLIONODE_SOURCE_DIR) / "tests/dicom/golden" / (name + ".png");
    const Reduced drawn = Draw(content, page, views);
    if (std::getenv("GLIONODE_UPDATE_GOLDEN") != nullptr) return Save(drawn, file);
    const Difference difference = Compare(drawn, Reduce(file, 1));
    EXPECT_TRUE(Matches(difference)) << name << ": mean difference " << difference.mean << ", " << difference.squares
                                     << " squares of another colour; drawn: " << folder_;
  }
};

TEST_F(GoldenTest, EveryDecisionLooksAsItDid) {
  for (const Decision decision : kAllDecisions) {
    std::string name(ToText(decision));
    for (char& c : name)
      if (c == ' ') c = '-';
    for (const int page : {1, 2}) ExpectGolden(Content(decision), page, name + "-" + std::to_string(page));
  }
}

TEST_F(GoldenTest, ARevisionLooksAsItDid) { ExpectGolden(Revised(Content(Decision::kNecrosis)), 1, "revision-1"); }

TEST_F(GoldenTest, APeakOutsideTheBrainIsSaidWithItsPlaceAndWhatIsShownInstead) {
  CaptureViews views = Views();
  views.peak_outside_brain = true;
  views.peak_mm = {-12.4, 88, 40};
  views.through_lesion = true;
  ExpectGolden(Content(Decision::kNecrosis), 1, "peak-outside-1", views);
  ExpectGolden(Content(Decision::kNecrosis), 2, "peak-outside-2", views);
}

TEST_F(GoldenTest, WhatMattersIsSeen) {
  const Reduced before = Draw(Content(Decision::kNecrosis), 1);
  EXPECT_TRUE(Matches(Compare(before, Draw(Content(Decision::kNecrosis), 1))));
  EXPECT_FALSE(Matches(Compare(before, Draw(Content(Decision::kRecurrence), 1))));
  EXPECT_FALSE(Matches(Compare(before, Draw(Revised(Content(Decision::kNecrosis)), 1))));
  CaptureViews turned = Views();
  for (SliceView& view : turned.main)
    for (std::size_t row = 0; row < 96; ++row)
      std::reverse(view.map.begin() + static_cast<long>(96 * row),
                   view.map.begin() + static_cast<long>(96 * (row + 1)));
  WriteCaptures(Content(Decision::kNecrosis), turned, source_, folder_);
  EXPECT_FALSE(Matches(Compare(before, Reduce(folder_ / "capture-1.png", kStep)))) << "a mirrored map looks the same";
}

}  // namespace
}  // namespace glionode::dicom
