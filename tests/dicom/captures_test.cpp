#include "config/error.h"
#include "dicom/capture_drawing.h"
#include "dicom/capture_picture.h"
#include "results_fixture.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace glionode::dicom {
namespace {

class CapturesTest : public ResultsTest {
 protected:
  std::vector<EncodedObject> Write(const ReportContent& content, const CaptureViews& views, const std::string& name) {
    std::filesystem::create_directories(folder_ / name);
    return WriteCaptures(content, views, source_, folder_ / name);
  }
  static std::vector<Uint8> Pixels(const std::filesystem::path& file) {
    ReadBack capture(file);
    const Uint8* bytes = nullptr;
    unsigned long count = 0;
    EXPECT_TRUE(capture.Data().findAndGetUint8Array(DCM_PixelData, bytes, &count).good());
    return {bytes, bytes + count};
  }
  static CaptureViews WithoutMaps(CaptureViews views) {
    for (auto* list : {&views.main, &views.mosaic})
      for (SliceView& view : *list) view.map.clear();
    return views;
  }
};

TEST_F(CapturesTest, WritesTwoPagesThatSayWhatTheyAre) {
  const auto objects = Write(Content(Decision::kNecrosis), Views(), "a");
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0].series_uid, objects[1].series_uid);
  EXPECT_NE(objects[0].sop_instance_uid, objects[1].sop_instance_uid);
  for (std::size_t page = 0; page < 2; ++page) {
    EXPECT_EQ(objects[page].file.filename(), "sc-" + std::to_string(page + 1) + ".dcm");
    ReadBack capture(objects[page].file);
    EXPECT_EQ(capture.Text(DCM_SOPClassUID), "1.2.840.10008.5.1.4.1.1.7");
    EXPECT_EQ(capture.Text(DCM_SOPInstanceUID), objects[page].sop_instance_uid);
    EXPECT_EQ(capture.Text(DCM_ImageType), "DERIVED\\SECONDARY");
    EXPECT_EQ(capture.Text(DCM_BurnedInAnnotation), "YES");
    EXPECT_EQ(capture.Text(DCM_RecognizableVisualFeatures), page == 0 ? "NO" : "YES");
    EXPECT_EQ(capture.Text(DCM_InstanceNumber), std::to_string(page + 1));
    EXPECT_FALSE(capture.Data().tagExists(DCM_Laterality));
    EXPECT_FALSE(capture.Data().tagExists(DCM_FrameOfReferenceUID));
    DcmItem* equipment = nullptr;
    ASSERT_TRUE(capture.Data().findAndGetSequenceItem(DCM_ContributingEquipmentSequence, equipment, 0).good());
    EXPECT_EQ(ReadBack::TextOf(*equipment, DCM_DeviceUID), Content(Decision::kNecrosis).device_uid);
    DcmSequenceOfItems* sources = nullptr;
    ASSERT_TRUE(capture.Data().findAndGetSequence(DCM_SourceImageSequence, sources).good());
    EXPECT_EQ(sources->card(), 15u);
  }
}

TEST_F(CapturesTest, SameResultIsDrawnToTheSameBytes) {
  Write(Content(Decision::kRecurrence), Views(), "a");
  Write(Content(Decision::kRecurrence), Views(), "b");
  for (const char* name : {"sc-1.dcm", "sc-2.dcm", "capture-1.png", "capture-2.png"})
    EXPECT_EQ(FileBytes(folder_ / "a" / name), FileBytes(folder_ / "b" / name)) << name;
}

TEST_F(CapturesTest, PngHoldsTheSamePixels) {
  Write(Content(Decision::kNecrosis), Views(), "a");
  for (const std::string page : {"1", "2"}) {
    const std::vector<Uint8> pixels = Pixels(folder_ / "a" / ("sc-" + page + ".dcm"));
    ASSERT_EQ(pixels.size(), 1024u * 1024u * 3u);
    const Surface png(cairo_image_surface_create_from_png((folder_ / "a" / ("capture-" + page + ".png")).c_str()),
                      &cairo_surface_destroy);
    ASSERT_EQ(cairo_image_surface_get_width(png.get()), 1024);
    std::size_t different = 0;
    for (int y = 0; y < 1024; ++y)
      for (int x = 0; x < 1024; ++x) {
        std::uint32_t word = 0;
        std::memcpy(&word,
                    cairo_image_surface_get_data(png.get()) + y * cairo_image_surface_get_stride(png.get()) + 4 * x, 4);
        const std::size_t at = 3 * (static_cast<std::size_t>(y) * 1024 + static_cast<std::size_t>(x));
        for (std::size_t part = 0; part < 3; ++part)
          different += pixels[at + part] != static_cast<Uint8>(word >> (16 - 8 * part));
      }
    EXPECT_EQ(different, 0u);
  }
}

TEST_F(CapturesTest, APageThatCannotBeWrittenNamesItsFile) {
  std::filesystem::create_directories(folder_ / "full" / "capture-1.png");  // a folder where the file must go
  try {
    Write(Content(Decision::kNecrosis), Views(), "full");
    FAIL() << "a capture without its picture";
  } catch (const Error& e) {
    EXPECT_EQ(e.Code(), ErrorCode::kOutOfSpace);
    EXPECT_THAT(e.what(), testing::HasSubstr("full/capture-1.png"));
  }
}

TEST_F(CapturesTest, MapIsDrawnForADecisionAndNeverWhenNotEvaluable) {
  Write(Content(Decision::kNecrosis), Views(), "map");
  Write(Content(Decision::kNecrosis), WithoutMaps(Views()), "no-map");
  for (const char* name : {"sc-1.dcm", "sc-2.dcm"})
    EXPECT_NE(Pixels(folder_ / "map" / name), Pixels(folder_ / "no-map" / name)) << name;
  Write(Content(Decision::kNotEvaluable), Views(), "refused-map");
  Write(Content(Decision::kNotEvaluable), WithoutMaps(Views()), "refused-no-map");
  for (const char* name : {"sc-1.dcm", "sc-2.dcm"})
    EXPECT_EQ(Pixels(folder_ / "refused-map" / name), Pixels(folder_ / "refused-no-map" / name)) << name;
}

TEST_F(CapturesTest, ProbabilityMovesTheMarker) {
  ReportContent content = Content(Decision::kNecrosis);
  Write(content, Views(), "a");
  content.probability_of_necrosis = 0.973;
  Write(content, Views(), "b");
  EXPECT_NE(Pixels(folder_ / "a" / "sc-1.dcm"), Pixels(folder_ / "b" / "sc-1.dcm"));
}

TEST_F(CapturesTest, FirstColumnStaysOnTheLeft) {
  // Radiological view is made by the caller; drawing must not mirror it.
  CaptureViews views = WithoutMaps(Views());
  views.mosaic.clear();
  for (SliceView& view : views.main)
    for (std::size_t i = 0; i < view.image.values.size(); ++i)
      view.image.values[i] = i % 96 < 48 ? (i % 96 < 8 ? 0.0F : 1000.0F) : 200.0F;
  Write(Content(Decision::kNecrosis), views, "a");
  const std::vector<Uint8> pixels = Pixels(folder_ / "a" / "sc-1.dcm");
  const auto mean = [&](int from, int to) {
    double sum = 0;
    for (int y = 200; y < 240; ++y)
      for (int x = from; x < to; ++x)
        sum += pixels[3 * (static_cast<std::size_t>(y) * 1024 + static_cast<std::size_t>(x))];
    return sum / (40 * (to - from));
  };
  EXPECT_GT(mean(90, 170), 2 * mean(220, 300));  // left and right half of the first panel
}

TEST_F(CapturesTest, OddViewsAreDrawnWithoutFailing) {
  CaptureViews views = Views();
  views.main[0].image.values.resize(10);
  views.main[1].image.values.assign(views.main[1].image.values.size(), std::numeric_limits<float>::quiet_NaN());
  views.main[2].map.resize(3);
  views.main[2].image.values.assign(views.main[2].image.values.size(), 7.0F);
  views.mosaic[0].image.pixel_mm = 0;
  views.mosaic[1].position_mm = std::numeric_limits<double>::infinity();
  views.mosaic[2].image = {};
  ReportContent content = Content(Decision::kNecrosis);
  content.series[0].description = std::string(300, 'W');
  content.intended_use = std::string(500, 'x');
  content.evaluation.clear();
  EXPECT_EQ(Write(content, views, "odd").size(), 2u);
  EXPECT_EQ(Write(content, {}, "none").size(), 1u);
  ReportContent refused = Content(Decision::kNotEvaluable);
  refused.series.clear();
  for (int i = 0; i < 30; ++i)
    refused.reasons.push_back({ReasonCode::kGeometry, "One more reason that is quite long."});
  EXPECT_EQ(Write(refused, {}, "refused").size(), 1u);
}

// Cairo draws nothing more once it was given half of a character; measuring every prefix of a word takes minutes.
TEST(CanvasTest, WordsOfAnyLengthAreCutBetweenCharacters) {
  std::string word;
  for (int i = 0; i < 20000; ++i) word += "\xC3\xBC";  // u with diaeresis
  const TextStyle style{20};
  Canvas canvas(400, 200);
  const double letter = canvas.TextWidth("\xC3\xBC", style);
  const int a_line = static_cast<int>(300 / letter);
  EXPECT_NEAR(canvas.LineCount(300, word, style), 20000 / a_line, 20000 / a_line * 0.1);
  canvas.Paragraph(0, 20, 300, word, style, 3);
  canvas.FittedText(0, 150, 300, word, style);
  const auto before = canvas.Rgb();
  canvas.Text(0, 190, "more", style);
  EXPECT_NE(canvas.Rgb(), before) << "the canvas is broken";
  EXPECT_EQ(canvas.LineCount(1, "abc", style), 3);  // a character a line, where none fits
}

TEST(CapturePictureTest, WindowPutsAirToBlackAndBrainToMidGrey) {
  GrayPicture picture;
  picture.width = 100, picture.height = 10;
  for (int i = 0; i < 1000; ++i)
    picture.values.push_back(i < 300 ? static_cast<float>(i % 5) : i < 930 ? 400 : 3000);  // air, brain, fat
  const Window window = WindowFor({&picture});
  EXPECT_LT(window.low, 10);
  const double brain = (400 - window.low) / (window.high - window.low);
  EXPECT_GT(brain, 0.3);
  EXPECT_LT(brain, 0.7);
}

TEST(CapturePictureTest, CropKeepsTheWholeHead) {
  GrayPicture picture;
  picture.width = picture.height = 100;
  for (int y = 0; y < 100; ++y)
    for (int x = 0; x < 100; ++x) picture.values.push_back(x >= 30 && x < 70 && y >= 20 && y < 80 ? 500.0F : 0.0F);
  const Crop crop = HeadCrop(picture, {0, 1000});
  EXPECT_LE(crop.x, 30);
  EXPECT_GE(crop.x, 15);
  EXPECT_GE(crop.x + crop.width, 70);
  EXPECT_LE(crop.y, 20);
  EXPECT_GE(crop.y + crop.height, 80);
}

TEST(CapturePictureTest, MapColoursGrowInLightnessAndOpacity) {
  double last_lightness = -1, last_opacity = -1;
  for (double value = 0; value <= 1.0001; value += 0.05) {
    const Color color = MapColor(value);
    const double lightness = 0.2126 * color.red + 0.7152 * color.green + 0.0722 * color.blue;
    EXPECT_GT(lightness, last_lightness) << value;
    EXPECT_GE(MapOpacity(value), last_opacity) << value;
    last_lightness = lightness;
    last_opacity = MapOpacity(value);
  }
  EXPECT_EQ(MapOpacity(0), 0);
  EXPECT_EQ(MapOpacity(std::nan("")), 0);
  EXPECT_LT(MapOpacity(1), 0.8);  // anatomy stays visible below
}

}  // namespace
}  // namespace glionode::dicom
