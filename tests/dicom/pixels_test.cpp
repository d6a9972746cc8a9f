#include "config/error.h"
#include "dicom/jpeg_markers.h"
#include "dicom/pixel_decoder.h"
#include "dicom/rle_header.h"
#include "images_support.h"
#include "made_dataset.h"

#include <dcmtk/dcmdata/dcrleerg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djencode.h>
#include <dcmtk/dcmjpeg/djrplol.h>
#include <dcmtk/dcmjpeg/djrploss.h>
#include <dcmtk/dcmjpls/djencode.h>

#include <cmath>
#include <fstream>
#include <iterator>

namespace glionode::dicom {
namespace {

using namespace testing;

constexpr int kColumns = 7, kRows = 40;

struct Made {
  int bits_allocated = 16, bits_stored = 12;
  bool is_signed = false;
};

/// 7 columns, 5 rows with every corner value of their type, and a plain field below them: the JPEG-LS encoder of
/// Debian's DCMTK writes behind its buffer when the coded image is longer than the plain one. `expected` are the stored
/// values.
std::filesystem::path WriteImage(const std::filesystem::path& folder, const Made& made, E_TransferSyntax syntax,
                                 std::vector<float>& expected) {
  DcmFileFormat object;
  DcmDataset& d = *object.getDataset();
  PutUids(d);
  d.putAndInsertUint16(DCM_SamplesPerPixel, 1);
  d.putAndInsertString(DCM_PhotometricInterpretation, "MONOCHROME2");
  d.putAndInsertUint16(DCM_Rows, kRows);
  d.putAndInsertUint16(DCM_Columns, kColumns);
  d.putAndInsertUint16(DCM_BitsAllocated, static_cast<Uint16>(made.bits_allocated));
  d.putAndInsertUint16(DCM_BitsStored, static_cast<Uint16>(made.bits_stored));
  d.putAndInsertUint16(DCM_HighBit, static_cast<Uint16>(made.bits_stored - 1));
  d.putAndInsertUint16(DCM_PixelRepresentation, made.is_signed ? 1 : 0);
  const int low = made.is_signed ? -(1 << (made.bits_stored - 1)) : 0;
  const int high = low + (1 << made.bits_stored) - 1;
  std::vector<Uint16> words;
  std::vector<Uint8> bytes;
  expected.clear();
  for (int i = 0; i < kRows * kColumns; ++i) {
    const int value = i == 0 || i >= 5 * kColumns ? low : i == 1 ? high : low + (i * 997) % (high - low);
    expected.push_back(static_cast<float>(value));
    words.push_back(static_cast<Uint16>(value & ((1 << made.bits_stored) - 1)));
    bytes.push_back(static_cast<Uint8>(value));
  }
  if (made.bits_allocated == 8)
    d.putAndInsertUint8Array(DCM_PixelData, bytes.data(), kRows * kColumns);
  else
    d.putAndInsertUint16Array(DCM_PixelData, words.data(), kRows * kColumns);
  if (DcmXfer(syntax).isEncapsulated()) {
    if (syntax == EXS_RLELossless) DcmRLEEncoderRegistration::registerCodecs();
    if (syntax == EXS_JPEGProcess14SV1) DJEncoderRegistration::registerCodecs();
    if (syntax == EXS_JPEGLSLossless) DJLSEncoderRegistration::registerCodecs();
    const DJ_RPLossless lossless;
    EXPECT_TRUE(d.chooseRepresentation(syntax, syntax == EXS_JPEGProcess14SV1 ? &lossless : nullptr).good());
  }
  const auto file = folder / (std::string(DcmXfer(syntax).getXferID()) + ".dcm");
  EXPECT_TRUE(object.saveFile(OFFilename(file.c_str()), syntax).good());
  return file;
}

TEST(PixelDecoder, DecodesEveryDepthInEveryLosslessSyntaxAlike) {
  TempFolder folder;
  for (const Made made :
       {Made{8, 8, false}, Made{16, 12, false}, Made{16, 16, false}, Made{16, 12, true}, Made{16, 16, true}}) {
    std::vector<float> expected;
    const std::string digest = Decode(WriteImage(folder.Path(), made, EXS_LittleEndianExplicit, expected)).pixel_digest;
    for (const E_TransferSyntax syntax :
         {EXS_LittleEndianImplicit, EXS_LittleEndianExplicit, EXS_BigEndianExplicit, EXS_DeflatedLittleEndianExplicit,
          EXS_RLELossless, EXS_JPEGProcess14SV1, EXS_JPEGLSLossless}) {
      // The JPEG-LS encoder of Debian's DCMTK stops at an assertion on signed values; the NEMA images cover decoding
      // them.
      if (syntax == EXS_JPEGLSLossless && made.is_signed) continue;
      const DecodedInstance decoded = Decode(WriteImage(folder.Path(), made, syntax, expected));
      const std::string what = std::string(DcmXfer(syntax).getXferName()) + " " + std::to_string(made.bits_stored) +
                               (made.is_signed ? " signed" : " unsigned");
      ASSERT_EQ(decoded.frames.size(), 1u) << what;
      EXPECT_EQ(decoded.frames[0].values, expected) << what;
      EXPECT_EQ(decoded.pixel_digest, digest) << what;
      EXPECT_FALSE(decoded.lossy) << what;
    }
  }
}

TEST(PixelDecoder, NemaLosslessEncodingsAreExactlyTheReference) {
  GLIONODE_NEED_DATA("nema-wg04");
  const auto folder = TestData() / "nema-wg04";
  for (const std::string image : {"MR1", "MR2", "MR3", "MR4"}) {
    const DecodedInstance reference = Decode(folder / "REF" / (image + "_UNC"));
    EXPECT_FALSE(reference.lossy);
    EXPECT_GT(*std::max_element(reference.frames[0].values.begin(), reference.frames[0].values.end()), 100);
    for (const std::string encoding : {"RLE", "JPLL", "JLSL", "J2KR"}) {
      const DecodedInstance decoded = Decode(folder / encoding / (image + "_" + encoding));
      EXPECT_EQ(decoded.frames[0].values, reference.frames[0].values) << image << " " << encoding;
      EXPECT_EQ(decoded.pixel_digest, reference.pixel_digest) << image << " " << encoding;
      EXPECT_FALSE(decoded.lossy) << image << " " << encoding;
    }
    for (const std::string encoding : {"JLSN", "J2KI", "JPLY"}) {
      const DecodedInstance decoded = Decode(folder / encoding / (image + "_" + encoding));
      EXPECT_TRUE(decoded.lossy) << image << " " << encoding;
      EXPECT_NE(decoded.pixel_digest, reference.pixel_digest) << image << " " << encoding;
      // Near, but not equal: the decoder read the right picture. (JPLY was made from another bit depth.)
      if (encoding == "JPLY") continue;
      double difference = 0, signal = 0;
      for (std::size_t i = 0; i < reference.frames[0].values.size(); ++i) {
        difference += std::abs(double{decoded.frames[0].values[i]} - double{reference.frames[0].values[i]});
        signal += std::abs(double{reference.frames[0].values[i]});
      }
      EXPECT_LT(difference, 0.1 * signal) << image << " " << encoding;
    }
  }
}

TEST(PixelDecoder, MultiFrameEncodingsAgree) {
  GLIONODE_NEED_DATA("emri-small");
  const auto folder = TestData() / "emri-small";
  const DecodedInstance reference = Decode(folder / "emri_small.dcm");
  ASSERT_EQ(reference.frames.size(), 10u);
  for (const char* name : {"emri_small_big_endian.dcm", "emri_small_RLE.dcm", "emri_small_jpeg_2k_lossless.dcm",
                           "emri_small_jpeg_ls_lossless.dcm"}) {
    const DecodedInstance decoded = Decode(folder / name);
    ASSERT_EQ(decoded.frames.size(), 10u) << name;
    for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(decoded.frames[i].values, reference.frames[i].values) << name;
  }
  try {
    Decode(folder / "emri_small_jpeg_2k_lossless_too_short.dcm");
    ADD_FAILURE() << "a truncated code stream was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kBadDataset);
  }
}

TEST(PixelDecoder, RescalesEveryFrameByItsOwnSlope) {
  GLIONODE_NEED_DATA("enhanced-small");
  const DecodedInstance decoded = Decode(TestData() / "enhanced-small/Philips/IM_0027_fMAP.dcm");
  ASSERT_EQ(decoded.frames.size(), 64u);
  for (const DecodedFrame& frame : decoded.frames)
    for (const float value : frame.values) {
      const double stored = (value - frame.geometry.rescale_intercept) / frame.geometry.rescale_slope;
      ASSERT_NEAR(stored, std::round(stored), 1e-2);
      ASSERT_GE(stored, -0.01);
      ASSERT_LE(stored, 4095.01);
    }
}

TEST(PixelDecoder, DigestSeesPixelsGeometryAndRescaleOnly) {
  TempFolder folder;
  const auto file = WriteMrSeries(SmallSeries("digest", "T1"), folder.Path()).front();
  const std::string digest = Decode(file).pixel_digest;
  EXPECT_EQ(digest.size(), 64u);
  const auto changed = [&](const DcmTagKey& tag, const char* value) {
    DcmFileFormat object;
    object.loadFile(OFFilename(file.c_str()));
    object.getDataset()->putAndInsertString(tag, value);
    const auto other = folder.Path() / "other.dcm";
    object.saveFile(OFFilename(other.c_str()), EXS_LittleEndianExplicit);
    return Decode(other).pixel_digest;
  };
  EXPECT_EQ(changed(DCM_SeriesDescription, "T1 renamed"), digest);
  EXPECT_NE(changed(DCM_ImagePositionPatient, "1\\2\\3"), digest);
  EXPECT_NE(changed(DCM_PixelSpacing, "10\\10"), digest);
  EXPECT_NE(changed(DCM_RescaleSlope, "2"), digest);
}

TEST(PixelDecoder, RefusesBeforeItAllocates) {
  TempFolder folder;
  const auto file = WriteMrSeries(SmallSeries("limits", "T1"), folder.Path()).front();
  DecodeLimits limits;
  limits.max_pixels = 20 * 16 - 1;
  EXPECT_THROW(Decode(file, limits), Error);
  limits.max_pixels = 20 * 16;
  EXPECT_NO_THROW(Decode(file, limits));

  const auto changed = [&](auto change) {
    DcmFileFormat object;
    object.loadFile(OFFilename(file.c_str()));
    change(*object.getDataset());
    const auto other = folder.Path() / "other.dcm";
    object.saveFile(OFFilename(other.c_str()), EXS_LittleEndianExplicit);
    return other;
  };
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertUint16(DCM_Rows, 17); })), Error);  // pixels too few
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertString(DCM_NumberOfFrames, "1000000"); })), Error);
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertUint16(DCM_SamplesPerPixel, 3); })), Error);
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertString(DCM_PhotometricInterpretation, "RGB"); })), Error);
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertUint16(DCM_BitsAllocated, 32); })), Error);
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertUint16(DCM_BitsStored, 17); })), Error);
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertUint16(DCM_HighBit, 40); })), Error);
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.putAndInsertString(DCM_ImageType, "ORIGINAL\\PRIMARY\\M\\MOSAIC"); })),
               Error);
  EXPECT_THROW(Decode(changed([](DcmItem& d) { d.findAndDeleteElement(DCM_PixelData); })), Error);
}

/// A smooth 32 x 32 ramp of `bits` bits, as JPEG likes it; `expected` are the stored values.
std::filesystem::path WriteLossy(const std::filesystem::path& folder, int bits, E_TransferSyntax syntax,
                                 std::vector<float>& expected) {
  const Made made{bits > 8 ? 16 : 8, bits, false};
  const auto plain = WriteImage(folder, made, EXS_LittleEndianExplicit, expected);
  DcmFileFormat object;
  object.loadFile(OFFilename(plain.c_str()));
  DcmDataset& d = *object.getDataset();
  d.putAndInsertUint16(DCM_Rows, 32);
  d.putAndInsertUint16(DCM_Columns, 32);
  expected.clear();
  std::vector<Uint16> words;
  std::vector<Uint8> bytes;
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x) {
      const int value = (x + y) * ((1 << bits) - 1) / 62;
      expected.push_back(static_cast<float>(value));
      words.push_back(static_cast<Uint16>(value));
      bytes.push_back(static_cast<Uint8>(value));
    }
  if (bits > 8)
    d.putAndInsertUint16Array(DCM_PixelData, words.data(), 1024);
  else
    d.putAndInsertUint8Array(DCM_PixelData, bytes.data(), 1024);
  DJEncoderRegistration::registerCodecs();
  const DJ_RPLossy quality(95);
  EXPECT_TRUE(d.chooseRepresentation(syntax, &quality).good());
  d.findAndDeleteElement(DCM_LossyImageCompression);  // the syntax alone must be enough
  const auto file = folder / (std::string(DcmXfer(syntax).getXferID()) + ".dcm");
  EXPECT_TRUE(object.saveFile(OFFilename(file.c_str()), syntax).good());
  return file;
}

TEST(PixelDecoder, JpegOf8And12BitsIsReadAndLossy) {
  TempFolder folder;
  for (const auto& [bits, syntax] :
       {std::pair{8, EXS_JPEGProcess1}, {8, EXS_JPEGProcess2_4}, {12, EXS_JPEGProcess2_4}}) {
    std::vector<float> expected;
    const DecodedInstance decoded = Decode(WriteLossy(folder.Path(), bits, syntax, expected));
    ASSERT_EQ(decoded.frames.size(), 1u);
    const auto& values = decoded.frames[0].values;
    ASSERT_EQ(values.size(), expected.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(values[i], expected[i], 0.02 * ((1 << bits) - 1)) << bits << " bits, cell " << i;
    EXPECT_TRUE(decoded.lossy) << bits;
  }
}

TEST(PixelDecoder, BitsThatAreNoPartOfTheValueAreDropped) {
  TempFolder folder;
  for (const bool is_signed : {false, true}) {
    std::vector<float> expected;
    const auto clean = WriteImage(folder.Path(), {16, 12, is_signed}, EXS_LittleEndianExplicit, expected);
    const std::string digest = Decode(clean).pixel_digest;
    // An old overlay above the value (PS3.5 8.1.2, retired), and the value in the upper bits with rubbish below it.
    for (const int high_bit : {11, 15}) {
      DcmFileFormat object;
      object.loadFile(OFFilename(clean.c_str()));
      DcmDataset& d = *object.getDataset();
      std::vector<Uint16> words;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const int bits = static_cast<int>(expected[i]) & 0xfff, rubbish = static_cast<int>(7 * i + 5) & 0xf;
        words.push_back(static_cast<Uint16>(high_bit == 11 ? bits | rubbish << 12 : bits << 4 | rubbish));
      }
      d.putAndInsertUint16(DCM_HighBit, static_cast<Uint16>(high_bit));
      d.putAndInsertUint16Array(DCM_PixelData, words.data(), static_cast<unsigned long>(words.size()));
      const auto file = folder.Path() / "dirty.dcm";
      ASSERT_TRUE(object.saveFile(OFFilename(file.c_str()), EXS_LittleEndianExplicit).good());
      EXPECT_EQ(Decode(file).frames.at(0).values, expected) << high_bit << is_signed;
      EXPECT_EQ(Decode(file).pixel_digest, digest) << high_bit << is_signed;
    }
  }
}

// Sizes whose product does not fit 32 or 64 bits cost nothing: the file is refused before memory is asked for.
TEST(PixelDecoder, HostileSizesAreRefusedWithoutMemory) {
  TempFolder folder;
  const auto file = WriteMrSeries(SmallSeries("hostile", "T1"), folder.Path()).front();
  for (const char* frames : {"2147483647", "4294967297", "99999999999", "0", "-3"}) {
    DcmFileFormat object;
    object.loadFile(OFFilename(file.c_str()));
    DcmDataset& d = *object.getDataset();
    d.putAndInsertUint16(DCM_Rows, 65535);
    d.putAndInsertUint16(DCM_Columns, 65535);
    d.putAndInsertString(DCM_NumberOfFrames, frames);
    const auto other = folder.Path() / "other.dcm";
    object.saveFile(OFFilename(other.c_str()), EXS_LittleEndianExplicit);
    try {
      Decode(other);
      ADD_FAILURE() << frames << " frames were accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.Code(), ErrorCode::kBadDataset) << frames;
    }
  }
}

TEST(PixelDecoder, LossyByAttributeToo) {
  TempFolder folder;
  MrSeries series = SmallSeries("lossy", "T1");
  series.attributes["LossyImageCompression"] = "01";
  EXPECT_TRUE(Decode(WriteMrSeries(series, folder.Path()).front()).lossy);
}

TEST(JpegMarkers, AHeaderWithAMarkerThatLeadsNowhereIsNone) {
  const auto has_header = [](std::vector<std::uint8_t> bytes) { return HasJpegHeader(bytes.data(), bytes.size()); };
  EXPECT_TRUE(has_header({0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC3, 0, 11, 8}));
  EXPECT_TRUE(has_header({0xFF, 0xD8, 0xFF, 0xFF, 0xFF, 0xC0, 0, 11})) << "fill bytes";
  EXPECT_FALSE(has_header({0xFF, 0xD8, 0xFF, 0x01, 0xFF, 0xC0, 0, 11})) << "DCMTK 3.6.7 never leaves TEM";
  EXPECT_FALSE(has_header({0xFF, 0xD8, 0xFF, 0xE0, 0, 1, 0xFF, 0xC0})) << "a length that leads back";
  EXPECT_FALSE(has_header({0xFF, 0xD8, 0x12, 0x34, 0, 4, 0, 0})) << "no marker";
  EXPECT_FALSE(has_header({0xFF, 0xD8}));
}

TEST(RleHeader, SegmentsThatLieElsewhereAreNone) {
  const auto has_header = [](std::vector<std::uint32_t> numbers, std::size_t size, int segments) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < 4 * numbers.size() && i < size; ++i)
      bytes[i] = static_cast<std::uint8_t>(numbers[i / 4] >> (8 * (i % 4)));
    return HasRleHeader(bytes.data(), bytes.size(), segments);
  };
  EXPECT_TRUE(has_header({2, 64, 80}, 100, 2));
  EXPECT_TRUE(has_header({1, 64}, 65, 1));
  EXPECT_FALSE(has_header({2, 64, 100}, 100, 2)) << "behind the end";
  EXPECT_FALSE(has_header({2, 64, 0x082040}, 380, 2)) << "what the fuzzer found";
  EXPECT_FALSE(has_header({2, 64, 64}, 100, 2)) << "an empty segment";
  EXPECT_FALSE(has_header({2, 80, 64}, 100, 2)) << "in another order";
  EXPECT_FALSE(has_header({1, 64}, 100, 2)) << "one of two bytes of a pixel";
  EXPECT_FALSE(has_header({0xFFFFFFFF, 64, 80}, 100, 2));
  EXPECT_FALSE(has_header({2, 64, 80}, 64, 2)) << "nothing behind the header";
  EXPECT_FALSE(has_header({2}, 4, 2));
}

TEST(PixelDecoder, AnRleSegmentOutsideItsFrameIsRefusedInWords) {
  TempFolder folder;
  std::vector<float> expected;
  const auto file = WriteImage(folder.Path(), Made{16, 12, false}, EXS_RLELossless, expected);
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto header = bytes.find(std::string("\x02\0\0\0\x40\0\0\0", 8));  // two segments, the first behind it
  ASSERT_NE(header, std::string::npos);
  bytes[header + 10] = '\x08';  // the second 512 KiB further
  std::ofstream(file, std::ios::binary) << bytes;
  try {
    Decode(file);
    FAIL() << "decoded";
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kBadDataset);
    EXPECT_NE(std::string(error.what()).find("RLE frame has no valid header"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace glionode::dicom
