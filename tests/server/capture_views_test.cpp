#include "server/capture_views.h"

#include <gtest/gtest.h>

#include <unistd.h>

// Which place page 1 of the capture shows.

namespace glionode::server {
namespace {

constexpr int kCells = 16;
constexpr double kSpacing = 8;  // mm: a cube of 128 mm around 0

class CaptureViewsTest : public ::testing::Test {
 protected:
  CaptureViewsTest()
      : file_(std::filesystem::temp_directory_path() / ("glionode-views-" + std::to_string(::getpid()))) {
    volumes::Volume volume;
    volume.size = {kCells, kCells, kCells};
    volume.spacing = {kSpacing, kSpacing, kSpacing};
    volume.origin = {-60, -60, -60};
    volume.voxels.assign(volume.Count(), 100.0F);
    volumes_[Role::kT1ce] = volume;
    input_.shape = kCells;
    input_.spacing_mm = kSpacing;
    input_.grid_origin = volume.origin;
    input_.head_centre = {0, 0, 4};
    input_.head_mask.assign(volume.Count(), 0);
    for (int z = 4; z < 12; ++z)
      for (int y = 4; y < 12; ++y)
        for (int x = 4; x < 12; ++x) input_.head_mask[Cell(x, y, z)] = 1;
    network_.map_size = {kCells, kCells, kCells};
    network_.map_class = "necrosis";
  }
  ~CaptureViewsTest() override { std::filesystem::remove(file_); }

  static std::size_t Cell(int x, int y, int z) { return static_cast<std::size_t>((z * kCells + y) * kCells + x); }
  WorkerAnswer Views(int x, int y, int z) {
    network_.map.assign(kCells * kCells * kCells, 0.1F);
    network_.map[Cell(x, y, z)] = 1;
    WorkerAnswer answer;
    WriteViews(volumes_, &input_, &network_, file_, answer);
    return answer;
  }

  std::filesystem::path file_;
  std::map<Role, volumes::Volume> volumes_;
  volumes::NetworkInput input_;
  networks::Answer network_;
};

TEST_F(CaptureViewsTest, GoesThroughThePeakInsideTheHead) {
  input_.lesion_centre = {0, 0, -20};
  const WorkerAnswer answer = Views(5, 6, 10);
  EXPECT_FALSE(answer.peak_outside_brain);
  EXPECT_EQ(answer.slice_of, SliceOf::kMapPeak);
  EXPECT_DOUBLE_EQ(answer.views.at(0).position_mm, 20);  // -60 + 10 * 8
}

TEST_F(CaptureViewsTest, GoesThroughTheLesionWhenThePeakIsOutsideTheHead) {
  input_.lesion_centre = {10, 5, -20};
  const WorkerAnswer answer = Views(0, 15, 15);
  EXPECT_TRUE(answer.peak_outside_brain);
  EXPECT_EQ(answer.slice_of, SliceOf::kLesion);
  EXPECT_EQ(answer.peak_mm, (std::array<double, 3>{-60, 60, 60}));
  EXPECT_DOUBLE_EQ(answer.views.at(0).position_mm, -20);
}

TEST_F(CaptureViewsTest, GoesThroughTheLesionWithoutAMap) {
  input_.lesion_centre = {10, 5, -20};
  WorkerAnswer answer;
  WriteViews(volumes_, &input_, nullptr, file_, answer);
  EXPECT_EQ(answer.slice_of, SliceOf::kLesion);
  EXPECT_FALSE(answer.peak_outside_brain);
  EXPECT_DOUBLE_EQ(answer.views.at(0).position_mm, -20);
}

TEST_F(CaptureViewsTest, GoesThroughTheHeadsMiddleWhenNothingEnhancesEither) {
  const WorkerAnswer answer = Views(0, 15, 15);
  EXPECT_TRUE(answer.peak_outside_brain);
  EXPECT_EQ(answer.slice_of, SliceOf::kHeadCentre);
  EXPECT_DOUBLE_EQ(answer.views.at(0).position_mm, 4);
}

}  // namespace
}  // namespace glionode::server
