// Objects that would take DCMTK's parser beyond the stack or the memory: refused in words.
#include "config/error.h"
#include "images_support.h"
#include "made_dataset.h"

#include <dcmtk/dcmdata/dctk.h>

namespace glionode::dicom {
namespace {

using namespace testing;

std::string Little(std::size_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

/// An element in explicit VR little endian.
std::string Element(unsigned group, unsigned element, const std::string& vr, std::string value) {
  if (value.size() % 2) value += vr == "UI" ? '\0' : ' ';
  const bool is_long = vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN";
  return Little(group, 2) + Little(element, 2) + vr + (is_long ? std::string(2, '\0') : "") +
         Little(value.size(), is_long ? 4 : 2) + value;
}

const std::string kUids = Element(8, 0x16, "UI", UID_MRImageStorage) + Element(8, 0x18, "UI", "1.2.3.4");
const std::string kMoreUids = Element(0x20, 0x0d, "UI", "1.2.3") + Element(0x20, 0x0e, "UI", "1.2.3.1");

std::filesystem::path WriteFile(const TempFolder& folder, const std::string& syntax, const std::string& data_set) {
  const std::string meta = Element(2, 2, "UI", UID_MRImageStorage) + Element(2, 3, "UI", "1.2.3.4") +
                           Element(2, 0x10, "UI", syntax) + Element(2, 0x12, "UI", "1.2.3");
  const auto file = folder.Path() / "made.dcm";
  std::ofstream(file, std::ios::binary) << std::string(128, '\0') << "DICM"
                                        << Element(2, 0, "UL", Little(meta.size(), 4)) << meta << data_set;
  return file;
}

/// The most memory that this process has ever reserved, bytes: also what it never touched.
std::size_t MostReserved() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmPeak:") {
      std::size_t kib = 0;
      status >> kib;
      return kib * 1024;
    }
  return 0;
}

std::string Nested(int levels) {
  std::string begin, end;
  const std::string sequence = Little(0x19, 2) + Little(0x1010, 2) + "SQ" + std::string(2, '\0') + "\xff\xff\xff\xff";
  const std::string item = Little(0xfffe, 2) + Little(0xe000, 2) + "\xff\xff\xff\xff";
  const std::string ends =
      Little(0xfffe, 2) + Little(0xe00d, 2) + Little(0, 4) + Little(0xfffe, 2) + Little(0xe0dd, 2) + Little(0, 4);
  for (int i = 0; i < levels; ++i) begin += sequence + item, end += ends;
  return begin + end;
}

/// No pixel data with 0 rows. DCMTK has the library that deflates.
std::filesystem::path WriteDeflated(const TempFolder& folder, std::size_t private_bytes, int rows, int columns) {
  DcmFileFormat object;
  DcmDataset& d = *object.getDataset();
  PutUids(d);
  if (private_bytes > 0) {
    const std::vector<Uint8> zeros(private_bytes);
    d.putAndInsertUint8Array(DcmTag(0x0019, 0x1010, EVR_OB), zeros.data(), zeros.size());
  }
  if (rows > 0) {
    const std::vector<Uint16> pixels(static_cast<std::size_t>(rows) * columns);
    d.putAndInsertUint16(DCM_SamplesPerPixel, 1);
    d.putAndInsertUint16(DCM_Rows, static_cast<Uint16>(rows));
    d.putAndInsertUint16(DCM_Columns, static_cast<Uint16>(columns));
    d.putAndInsertUint16(DCM_BitsAllocated, 16);
    d.putAndInsertUint16Array(DCM_PixelData, pixels.data(), pixels.size());
  }
  const auto file = folder.Path() / "deflated.dcm";
  EXPECT_TRUE(object.saveFile(OFFilename(file.c_str()), EXS_DeflatedLittleEndianExplicit).good());
  return file;
}

std::string Refusal(const std::filesystem::path& file) {
  try {
    ReadHeader(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kBadDataset);
    return error.what();
  }
  return "nothing was wrong";
}

std::size_t ResidentMib() {
  std::ifstream status("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  status >> all >> resident;
  return resident * 4096 >> 20;
}

TEST(HeaderBounds, SequencesMayNestAsDeepAsReportsDo) {
  TempFolder folder;
  EXPECT_EQ(ReadHeader(WriteFile(folder, "1.2.840.10008.1.2.1", kUids + Nested(200) + kMoreUids)).study_uid, "1.2.3");
}

TEST(HeaderBounds, SequencesThatWouldFillTheStackAreRefused) {
  TempFolder folder;
  for (const int levels : {20'000, 200'000}) {
    const std::string why = Refusal(WriteFile(folder, "1.2.840.10008.1.2.1", kUids + Nested(levels) + kMoreUids));
    EXPECT_NE(why.find("nested too deeply"), std::string::npos) << why;
  }
}

TEST(HeaderBounds, DeflatedPixelsAreCountedAndNotKept) {
  TempFolder folder;
  const auto file = WriteDeflated(folder, 0, 16384, 16384);  // 512 MiB
  EXPECT_LT(std::filesystem::file_size(file), 2u << 20);
  const std::size_t before = ResidentMib();
  EXPECT_TRUE(ReadHeader(file).has_pixels);
  EXPECT_LT(ResidentMib(), before + 100);
}

TEST(HeaderBounds, DeflatedPixelsThatEndEarlyAreTruncated) {
  TempFolder folder;
  const auto file = WriteDeflated(folder, 0, 512, 512);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) * 2 / 3);
  EXPECT_NE(Refusal(file), "nothing was wrong");
}

TEST(HeaderBounds, ADeflatedObjectMayHaveNoPixels) {
  TempFolder folder;
  const auto file = WriteDeflated(folder, 5000, 0, 0);
  EXPECT_FALSE(ReadHeader(file).has_pixels);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 12);
  EXPECT_NE(Refusal(file), "nothing was wrong");
}

TEST(HeaderBounds, AHeaderThatInflatesWithoutEndIsRefused) {
  TempFolder folder;
  const std::string why = Refusal(WriteDeflated(folder, 100 << 20, 8, 8));
  EXPECT_NE(why.find("inflates to more than 64 MiB"), std::string::npos) << why;
}

TEST(HeaderBounds, TheLengthOfATransferSyntaxIsNotAskedOfMemory) {
  TempFolder folder;
  const auto file = folder.Path() / "made.dcm";
  // A VR that is none has a length of four bytes: 3 GiB.
  const std::string meta = Element(2, 2, "UI", UID_MRImageStorage) + Little(2, 2) + Little(0x10, 2) + "UH" +
                           std::string(2, '\0') + Little(std::size_t{3} << 30, 4) + "1.2";
  std::ofstream(file, std::ios::binary) << std::string(128, '\0') << "DICM"
                                        << Element(2, 0, "UL", Little(meta.size(), 4)) << meta << kUids << kMoreUids;
  const std::size_t before = MostReserved();
  ASSERT_GT(before, 0u);
  EXPECT_THROW(ReadHeader(file), Error);
  EXPECT_LT(MostReserved() - before, std::size_t{1} << 30);
}

}  // namespace
}  // namespace glionode::dicom
