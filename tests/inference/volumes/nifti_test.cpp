#include "inference/volumes/nifti.h"

#include "config/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace glionode::volumes {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A NIfTI-1 file written byte by byte (nifti1.h), so that the reader is not judged by its own writer.
struct NiftiFile {
  std::vector<std::int16_t> dim{3, 4, 3, 2, 1, 1, 1, 1};
  std::vector<float> values = std::vector<float>(24);
  float slope = 1, inter = 0;
  std::int16_t sform = 1;
  // Rows of the matrix to RAS mm: x right to left, as scanners store axial slices.
  float rows[3][4] = {{-2, 0, 0, 10}, {0, 1.5F, 0, -20}, {0, 0, 5, 30}};

  std::string Bytes() const {
    std::string header(352, '\0');
    const auto put = [&](std::size_t at, const auto& value) { std::memcpy(header.data() + at, &value, sizeof value); };
    put(0, std::int32_t{348});
    for (std::size_t i = 0; i < 8; ++i) put(40 + 2 * i, dim[i]);
    put(70, std::int16_t{16});  // float32
    put(72, std::int16_t{32});
    const float pixdim[8] = {1, 2, 1.5F, 5, 0, 0, 0, 0};
    put(76, pixdim);
    put(108, 352.0F);
    put(112, slope);
    put(116, inter);
    put(123, std::int8_t{2});  // mm
    put(254, sform);
    put(280, rows);
    std::memcpy(header.data() + 344, "n+1", 4);
    return header + std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
};

class Nifti : public testing::Test {
 protected:
  Nifti() {
    std::string name = (fs::temp_directory_path() / "glionode-nifti-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~Nifti() override { fs::remove_all(folder_); }
  Volume Read(const std::string& bytes) {
    std::ofstream(folder_ / "image.nii", std::ios::binary) << bytes;
    return ReadNifti(folder_ / "image.nii");
  }
  std::string Complaint(const std::string& bytes) {
    try {
      Read(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.Code(), ErrorCode::kBadDataset);
      EXPECT_THAT(error.what(), HasSubstr("image.nii: "));
      return error.what();
    }
    return "";
  }
  fs::path folder_;
};

TEST_F(Nifti, ValuesAndPlaceInThePatient) {
  NiftiFile file;
  for (std::size_t i = 0; i < 24; ++i) file.values[i] = static_cast<float>(i);
  file.slope = 2;
  file.inter = 10;
  const Volume volume = Read(file.Bytes());
  EXPECT_EQ(volume.size, (std::array<int, 3>{4, 3, 2}));
  EXPECT_NEAR(volume.spacing[0], 2, 1e-6);
  EXPECT_NEAR(volume.spacing[1], 1.5, 1e-6);
  EXPECT_NEAR(volume.spacing[2], 5, 1e-6);
  EXPECT_EQ(volume.voxels[23], 2 * 23 + 10);
  // RAS to LPS: L = -R, P = -A.
  EXPECT_NEAR(volume.origin[0], -10, 1e-5);
  EXPECT_NEAR(volume.origin[1], 20, 1e-5);
  EXPECT_NEAR(volume.origin[2], 30, 1e-5);
  EXPECT_NEAR(volume.direction[0], 1, 1e-6) << "the first axis runs to the patient's left";
  EXPECT_NEAR(volume.direction[4], -1, 1e-6);
  EXPECT_NEAR(volume.direction[8], 1, 1e-6);
}

TEST_F(Nifti, AFileWithoutAPlaceIsRefused) {
  NiftiFile file;
  file.sform = 0;
  EXPECT_THAT(Complaint(file.Bytes()), HasSubstr("says nothing about its place"));
}

TEST_F(Nifti, WhatIsNoVolumeIsRefused) {
  EXPECT_THAT(Complaint("no NIfTI at all"), HasSubstr("is no NIfTI file"));
  NiftiFile four;
  four.dim = {4, 4, 3, 1, 2, 1, 1, 1};
  EXPECT_THAT(Complaint(four.Bytes()), HasSubstr("more than three dimensions"));
  EXPECT_THAT(Complaint(NiftiFile().Bytes().substr(0, 380)), HasSubstr("is cut off"));
}

}  // namespace
}  // namespace glionode::volumes
