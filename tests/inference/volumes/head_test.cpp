// What preprocessing is made of, piece by piece: bias field, head mask, cutting planes, maps on the network's grid.
#include "config/error.h"
#include "inference/volumes/bias_field.h"
#include "inference/volumes/checks.h"
#include "inference/volumes/phantom.h"
#include "inference/volumes/preprocess.h"
#include "tests/inference/volumes/function_volume.h"

#include <gtest/gtest.h>

#include <cmath>

namespace glionode::volumes {
namespace {

TEST(BiasField, AKnownFieldIsMostlyRemoved) {
  const auto phantom = MakePhantom(33, 0, {});
  const Head head = FindHead(phantom.volumes.at(Role::kT1ce));
  Grid grid;
  grid.size = {96, 96, 96};
  grid.spacing = 2;
  for (std::size_t i = 0; i < 3; ++i) grid.origin[i] = head.centre[i] - 95;
  const Mask mask = MaskOnGrid(head, grid);
  auto plain = SampleGrid(phantom.volumes.at(Role::kT1ce), {}, grid);
  auto shaded = plain;
  std::vector<double> field(plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double x = double(i % 96) / 48 - 1, y = double(i / 96 % 96) / 48 - 1, z = double(i / 9216) / 48 - 1;
    field[i] = 0.3 * x + 0.2 * y * y + 0.2 * z;
    shaded[i] *= static_cast<float>(std::exp(field[i]));
  }
  const auto original = plain;
  CorrectBias(plain, mask, grid);
  CorrectBias(shaded, mask, grid);
  double sums[2] = {}, squares[2] = {}, count = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (!mask[i] || original[i] < 100) continue;
    const double left = std::log(shaded[i] / plain[i]);
    for (int k = 0; k < 2; ++k) sums[k] += k ? left : field[i], squares[k] += k ? left * left : field[i] * field[i];
    ++count;
  }
  const auto deviation = [&](int k) { return std::sqrt(squares[k] / count - sums[k] * sums[k] / count / count); };
  EXPECT_LT(deviation(1), 0.5 * deviation(0));
}

TEST(HeadMask, FillsHolesAndKeepsTheLargestPart) {
  const std::array<int, 3> size{9, 9, 3};
  Mask mask(243, 0);
  for (int z = 0; z < 3; ++z)
    for (int y = 2; y < 7; ++y)
      for (int x = 2; x < 7; ++x)
        if (x != 4 || y != 4) mask[static_cast<std::size_t>((z * 9 + y) * 9 + x)] = 1;
  mask[0] = 1;
  KeepLargestComponent(mask, size);
  EXPECT_EQ(mask[0], 0);
  FillHoles(mask, size);
  EXPECT_EQ(mask[(1 * 9 + 4) * 9 + 4], 1);
  int count = 0;
  for (auto m : mask) count += m;
  EXPECT_EQ(count, 75);
}

TEST(SamplePlane, IsRadiological) {
  const std::array<int, 3> size{40, 40, 40};
  const auto along = [&](std::size_t axis) {
    return FromFunction(size, {2, 2, 2}, [axis](const Vec3& p) { return p[axis]; });
  };
  const Volume left = along(0), posterior = along(1), superior = along(2);
  // value(column, row) of a 21 x 21 picture at 1 mm
  const auto at = [](const Volume& v, char plane, int column, int row) {
    return SamplePlane(v, {}, {1, 2, 3}, plane, 21, 1)[static_cast<std::size_t>(row * 21 + column)];
  };
  EXPECT_NEAR(at(left, 'a', 10, 10), 1, 1e-4);
  EXPECT_NEAR(at(left, 'a', 0, 10), -9, 1e-4);  // picture left: patient right
  EXPECT_NEAR(at(posterior, 'a', 10, 20), 12, 1e-4);
  EXPECT_NEAR(at(left, 'c', 20, 10), 11, 1e-4);
  EXPECT_NEAR(at(superior, 'c', 10, 0), 13, 1e-4);   // top: head
  EXPECT_NEAR(at(posterior, 's', 0, 10), -8, 1e-4);  // left: anterior
  EXPECT_NEAR(at(superior, 's', 10, 20), -7, 1e-4);
}

TEST(SamplePlane, FollowsTheTransform) {
  const Volume left = FromFunction({40, 40, 40}, {2, 2, 2}, [](const Vec3& p) { return p[0]; });
  RigidTransform t;
  t.translation = {4, 0, 0};
  EXPECT_NEAR(SamplePlane(left, t, {0, 0, 0}, 'a', 3, 1)[4], 4, 1e-4);
}

TEST(MapAsVolume, LiesOnTheNetworksGrid) {
  NetworkInput input;
  input.shape = 96;
  input.spacing_mm = 2;
  input.grid_origin = {-95, -90, -80};
  const auto map = MapAsVolume(std::vector<float>(12 * 12 * 6, 0.5F), {6, 12, 12}, input);
  EXPECT_EQ(map.size, (std::array<int, 3>{12, 12, 6}));
  EXPECT_EQ(map.spacing, (std::array<double, 3>{16, 16, 32}));
  EXPECT_EQ(map.origin, input.grid_origin);
  EXPECT_THROW(MapAsVolume({1, 2, 3}, {6, 12, 12}, input), Error);
}

}  // namespace
}  // namespace glionode::volumes
