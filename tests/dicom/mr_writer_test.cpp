#include "dicom/mr_writer.h"

#include "config/error.h"
#include "dicom/pixel_decoder.h"
#include "images_support.h"

#include <cstdio>
#include <limits>

namespace glionode::dicom {
namespace {

using namespace testing;

TEST(MrWriter, WritesWhatItIsGiven) {
  TempFolder folder;
  const MrSeries series = SmallSeries("writer", "AX T1");
  const auto files = WriteMrSeries(series, folder.Path() / "a");
  ASSERT_EQ(files.size(), 24u);
  EXPECT_EQ(files[0].filename(), "001.dcm");
  for (std::size_t z : {std::size_t{0}, std::size_t{23}}) {
    const DecodedInstance decoded = Decode(files[z]);
    EXPECT_EQ(decoded.header.Attribute("SeriesDescription"), "AX T1");
    EXPECT_EQ(decoded.header.Attribute("InstanceNumber"), std::to_string(z + 1));
    const FrameGeometry& frame = decoded.frames[0].geometry;
    ASSERT_TRUE(frame.valid);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(frame.position[i], series.origin[i] + 6 * static_cast<double>(z) * series.direction[3 * i + 2], 1e-6);
      EXPECT_NEAR(frame.orientation[i], series.direction[3 * i], 1e-9);
      EXPECT_NEAR(frame.orientation[3 + i], series.direction[3 * i + 1], 1e-9);
    }
    EXPECT_EQ(frame.spacing[0], 11);  // between rows
    EXPECT_EQ(frame.spacing[1], 10);
    const std::vector<float> expected(series.voxels.begin() + static_cast<std::ptrdiff_t>(320 * z),
                                      series.voxels.begin() + static_cast<std::ptrdiff_t>(320 * (z + 1)));
    EXPECT_EQ(decoded.frames[0].values, expected);
  }
}

TEST(MrWriter, SameInputSameBytes) {
  TempFolder folder;
  const auto a = WriteMrSeries(SmallSeries("same", "T1"), folder.Path() / "a");
  const auto b = WriteMrSeries(SmallSeries("same", "T1"), folder.Path() / "b");
  const auto c = WriteMrSeries(SmallSeries("other", "T1"), folder.Path() / "c");
  EXPECT_EQ(Bytes(a[5]), Bytes(b[5]));
  EXPECT_NE(ReadHeader(a[5]).sop_instance_uid, ReadHeader(a[6]).sop_instance_uid);
  EXPECT_NE(ReadHeader(a[5]).sop_instance_uid, ReadHeader(c[5]).sop_instance_uid);
  EXPECT_EQ(ReadHeader(a[5]).series_uid, ReadHeader(a[6]).series_uid);
}

TEST(MrWriter, ClampsAndRounds) {
  TempFolder folder;
  MrSeries series = SmallSeries("clamp", "T1");
  series.voxels[0] = -5;
  series.voxels[1] = 5000;
  series.voxels[2] = 7.6f;
  series.voxels[3] = std::numeric_limits<float>::quiet_NaN();
  const auto values = Decode(WriteMrSeries(series, folder.Path())[0]).frames[0].values;
  EXPECT_EQ(values[0], 0);
  EXPECT_EQ(values[1], 4095);
  EXPECT_EQ(values[2], 8);
  EXPECT_EQ(values[3], 0);
}

TEST(MrWriter, RefusesMistakes) {
  TempFolder folder;
  MrSeries series = SmallSeries("mistake", "T1");
  series.attributes["NoSuchKeyword"] = "1";
  EXPECT_THROW(WriteMrSeries(series, folder.Path() / "a"), Error);
  series = SmallSeries("mistake", "T1");
  series.voxels.pop_back();
  EXPECT_THROW(WriteMrSeries(series, folder.Path() / "b"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.Path() / "b"));
}

TEST(MrWriter, RefusesAGeometryThatIsNoNumber) {
  TempFolder folder;
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    for (int place = 0; place < 3; ++place) {
      MrSeries series = SmallSeries("no number", "T1");
      (place == 0 ? series.origin[1] : place == 1 ? series.direction[4] : series.spacing[0]) = bad;
      EXPECT_THROW(WriteMrSeries(series, folder.Path() / "a"), Error) << place;
    }
  EXPECT_FALSE(std::filesystem::exists(folder.Path() / "a"));
}

TEST(MrWriter, UidsComeFromANameOrFromTheSeriesAndNeverFromNothing) {
  TempFolder folder;
  MrSeries series = SmallSeries("", "T1");
  series.attributes.erase("StudyInstanceUID");
  EXPECT_THROW(WriteMrSeries(series, folder.Path() / "none"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.Path() / "none"));
  series.attributes["SeriesInstanceUID"] = "1.2.3";
  const auto one = ReadHeader(WriteMrSeries(series, folder.Path() / "one").front());
  series.attributes["SeriesInstanceUID"] = "1.2.4";
  const auto other = ReadHeader(WriteMrSeries(series, folder.Path() / "other").front());
  EXPECT_EQ(one.series_uid, "1.2.3");
  EXPECT_NE(one.sop_instance_uid, other.sop_instance_uid);
  EXPECT_NE(one.study_uid, other.study_uid);
}

// A small slice waits in the C library's buffer until the file is closed, a large one fails on its way.
TEST(MrWriter, AFullDiskIsNamedAndNoHalfFileStays) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  for (const int columns : {20, 96}) {
    TempFolder folder;
    MrSeries series = SmallSeries("full", "T1");
    series.size = {columns, columns, 2};
    series.voxels.assign(static_cast<std::size_t>(columns) * static_cast<std::size_t>(columns) * 2, 100.0F);
    std::filesystem::create_symlink("/dev/full", folder.Path() / "001.dcm");
    try {
      WriteMrSeries(series, folder.Path());
      FAIL() << "a slice of " << columns << " columns on a full disk";
    } catch (const Error& e) {
      EXPECT_EQ(e.Code(), ErrorCode::kOutOfSpace);
      EXPECT_NE(std::string(e.what()).find("001.dcm: No space left on device"), std::string::npos) << e.what();
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.Path())) << columns;
  }
}

TEST(MrWriter, TheReasonIsTheSystemsAndNotOnlyAFullDisk) {
  TempFolder folder;
  std::filesystem::create_directories(folder.Path() / "001.dcm");
  try {
    WriteMrSeries(SmallSeries("folder", "T1"), folder.Path());
    FAIL() << "a slice over a folder";
  } catch (const Error& e) {
    EXPECT_EQ(e.Code(), ErrorCode::kInternal);
    EXPECT_NE(std::string(e.what()).find("Is a directory"), std::string::npos) << e.what();
  }
}

TEST(MrWriter, TakesABinaryNumberAsText) {  // (0018,9087) is FD
  TempFolder folder;
  MrSeries series = SmallSeries("diffusion", "DWI");
  series.attributes["DiffusionBValue"] = "1000";
  const std::string read = ReadHeader(WriteMrSeries(series, folder.Path()).front()).Attribute("DiffusionBValue");
  EXPECT_EQ(std::strtod(read.c_str(), nullptr), 1000) << read;
}

TEST(MrWriter, PassesTheValidator) {
  if (std::system("dciodvfy -help >/dev/null 2>&1; test $? -ne 127") != 0)
    GTEST_SKIP() << "dciodvfy (package dicom3tools) is not installed";
  TempFolder folder;
  MrSeries series = SmallSeries("valid", "AX T1 Müller");
  for (const bool usual : {true, false}) {
    if (!usual) series.attributes = {{"PatientID", "TEST-1"}};
    const auto file = WriteMrSeries(series, folder.Path() / (usual ? "usual" : "bare")).at(3);
    const std::string command = "dciodvfy -new '" + file.string() + "' 2>&1";
    std::string output;
    FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    char line[1024];
    while (std::fgets(line, sizeof line, pipe) != nullptr) output += line;
    pclose(pipe);
    EXPECT_NE(output.find("MRImage"), std::string::npos) << output;
    EXPECT_EQ(output.find("Error"), std::string::npos) << output;
  }
}

}  // namespace
}  // namespace glionode::dicom
