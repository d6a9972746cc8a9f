#include "inference/networks/safetensors.h"

#include "inference/networks/half.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace glionode::networks {
namespace {

using testing::HasSubstr;

std::string File(const std::string& header, std::size_t data_bytes, char fill = 0) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(data_bytes, fill);
}
std::string Complaint(const std::string& bytes) {
  ErrorCode code = ErrorCode::kInternal;
  const std::string text = ErrorOf([&] { ParseSafetensors(bytes, "w.safetensors"); }, &code);
  EXPECT_EQ(code, ErrorCode::kBadDataset);
  EXPECT_THAT(text, testing::StartsWith("w.safetensors: "));
  return text;
}

TEST(Half, KnownValuesAndRounding) {
  EXPECT_EQ(FloatToHalf(1.0f), 0x3c00);
  EXPECT_EQ(FloatToHalf(-2.0f), 0xc000);
  EXPECT_EQ(FloatToHalf(65504.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65519.9f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(0x1p-24f), 0x0001);
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0x0000);             // a tie goes to even
  EXPECT_EQ(FloatToHalf(1.0f + 0x1p-11f), 0x3c00);      // a tie goes to even
  EXPECT_EQ(FloatToHalf(1.0f + 3 * 0x1p-11f), 0x3c02);  // a tie goes to even
  EXPECT_EQ(FloatToHalf(0x1.ffep-15f), 0x0400);         // rounds up into the normal range
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<std::uint16_t>(i);
    const float wide = HalfToFloat(half);
    if (std::isnan(wide)) continue;
    ASSERT_EQ(FloatToHalf(wide), half) << i;
  }
}

TEST(Safetensors, WritesWhatItReads) {
  std::map<std::string, SafeTensor> tensors;
  tensors["a.weight"] = {{2, 3}, {1, -2, 0.5f, 4, 5, 6}, true};
  tensors["b"] = {{2}, {0.1f, -1e-20f}, false};
  const auto back = ParseSafetensors(EncodeSafetensors(tensors), "w");
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back.at("a.weight").values, tensors["a.weight"].values);
  EXPECT_EQ(back.at("a.weight").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_TRUE(back.at("a.weight").half);
  EXPECT_EQ(back.at("b").values, tensors["b"].values);
}

TEST(Safetensors, ReadsForeignFilesWithMetadataAndCounters) {
  const auto tensors = ParseSafetensors(
      File(
          R"({"__metadata__":{"format":"pt"},"bn1.num_batches_tracked":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
          R"("w":{"dtype":"F32","shape":[],"data_offsets":[8,12]}})",
          12),
      "w");
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors.at("w").values, std::vector<float>{0});
}

TEST(Safetensors, EachCorruptionIsNamed) {
  const std::string good = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(ErrorOf([&] { ParseSafetensors(File(good, 8), "w"); }), "");
  EXPECT_THAT(Complaint("abc"), HasSubstr("too short"));
  std::string long_header = File(good, 8);
  long_header[1] = 9;
  EXPECT_THAT(Complaint(long_header), HasSubstr("header length"));
  long_header[7] = '\x7f';
  EXPECT_THAT(Complaint(long_header), HasSubstr("header length"));
  EXPECT_THAT(Complaint(File("[1]", 0)), HasSubstr("not a JSON object"));
  EXPECT_THAT(Complaint(File("{\"w\":", 0)), HasSubstr("header: is not valid JSON near byte"));
  EXPECT_THAT(Complaint(File("{}", 0)), HasSubstr("holds no tensor"));
  EXPECT_THAT(
      Complaint(File(
          R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
          4)),
      HasSubstr("occurs twice"));
  EXPECT_THAT(Complaint(File(R"({"w":{"dtype":"F32","shape":[2],"shape":[1],"data_offsets":[0,4]}})", 4)),
              HasSubstr("header: w.shape: occurs twice"));
  EXPECT_THAT(
      Complaint(File(
          R"({"__metadata__":{"layout":"strided","layout":"dilated"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
          4)),
      HasSubstr("header: __metadata__.layout: occurs twice"));
  const auto entry = [](const std::string& text, std::size_t bytes) {
    return Complaint(File("{\"w\":" + text + "}", bytes));
  };
  EXPECT_THAT(entry("3", 8), HasSubstr("w: its header entry is not an object"));
  EXPECT_THAT(entry(R"({"shape":[2],"data_offsets":[0,8]})", 8), HasSubstr("dtype is missing"));
  EXPECT_THAT(entry(R"({"dtype":"F32","data_offsets":[0,8]})", 8), HasSubstr("shape is missing"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})", 8), HasSubstr("data_offsets is missing"));
  EXPECT_THAT(entry(R"({"dtype":"F64","shape":[1],"data_offsets":[0,8]})", 8), HasSubstr("'F64' is not supported"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", 8), HasSubstr("not a count"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})", 0), HasSubstr("shape holds 0"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]})", 8),
              HasSubstr("too large"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1e3],"data_offsets":[0,8]})", 8), HasSubstr("not a count"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", 8), HasSubstr("backwards"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})", 8), HasSubstr("end at 12"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]})", 8), HasSubstr("end at"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8), HasSubstr("needs 12 bytes"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8), HasSubstr("gap"));
  EXPECT_THAT(entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 8), HasSubstr("belong to no tensor"));
  EXPECT_THAT(
      Complaint(File(
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          8)),
      HasSubstr("overlap"));
  EXPECT_THAT(Complaint(File(good, 8, '\xff')), HasSubstr("w: value 0 is not a finite number"));
  EXPECT_THAT(Complaint(File(R"({"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", 2, '\x7c')),
              HasSubstr("not a finite"));
}

TEST(Safetensors, TheWholeHeaderIsCheckedBeforeAnyValueIsTaken) {
  // 400 names for the same bytes would be 400 times the file in memory: what is wrong is found before the first value
  // (which is none) is looked at.
  std::string header;
  for (int i = 0; i < 400; ++i) {
    header += i ? "," : "{";
    header += "\"w" + std::to_string(i) + R"(":{"dtype":"F32","shape":[256],"data_offsets":[0,1024]})";
  }
  EXPECT_THAT(Complaint(File(header + "}", 1024, '\xff')), HasSubstr("overlap"));
}

TEST(Safetensors, AnyDamageIsAnErrorOrAFileNeverACrash) {
  std::map<std::string, SafeTensor> tensors;
  tensors["a"] = {{2, 2}, {1, 2, 3, 4}, true};
  tensors["b"] = {{3}, {1, 2, 3}, false};
  const std::string good = EncodeSafetensors(tensors);
  SplitMix64 random(3);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bad = good;
    for (std::uint64_t hits = 1 + random.Below(3); hits > 0; --hits)
      bad[random.Below(bad.size())] = static_cast<char>(random.Below(256));
    if (random.Below(4) == 0) bad.resize(random.Below(bad.size()));
    ErrorCode code = ErrorCode::kBadDataset;
    refused += !ErrorOf([&] { ParseSafetensors(bad, "w"); }, &code).empty();
    ASSERT_EQ(code, ErrorCode::kBadDataset);
  }
  EXPECT_GT(refused, 10000);
  EXPECT_THAT(Complaint(File(std::string(100000, '['), 0)), HasSubstr("nested more than 32 levels"));
}

TEST(Safetensors, DoesNotWriteWhatCannotBeRead) {
  std::map<std::string, SafeTensor> tensors;
  tensors["a"] = {{1}, {std::numeric_limits<float>::quiet_NaN()}, false};
  EXPECT_THAT(ErrorOf([&] { EncodeSafetensors(tensors); }), HasSubstr("a: holds a value"));
  tensors["a"] = {{1}, {70000}, true};
  EXPECT_THAT(ErrorOf([&] { EncodeSafetensors(tensors); }), HasSubstr("cannot be stored"));
  tensors["a"] = {{2}, {1}, false};
  EXPECT_THAT(ErrorOf([&] { EncodeSafetensors(tensors); }), HasSubstr("disagree"));
}

}  // namespace
}  // namespace glionode::networks
