#include "inference/networks/augmentation.h"

#include "config/error.h"

#include <ATen/CPUGeneratorImpl.h>
#include <algorithm>
#include <cmath>
#include <numbers>

namespace glionode::networks {

namespace {
/// One small rigid turn with scaling for all sequences, and a displacement of each on its own.
torch::Tensor TurnAndDisplace(const torch::Tensor& input, SplitMix64& random) {
  double angle[3];
  for (double& a : angle) a = random.Between(-6, 6) * std::numbers::pi / 180;
  const double scale = random.Between(0.95, 1.05);
  const double ca = std::cos(angle[0]), sa = std::sin(angle[0]), cb = std::cos(angle[1]), sb = std::sin(angle[1]);
  const double cc = std::cos(angle[2]), sc = std::sin(angle[2]);
  const double matrix[9] = {cb * cc,
                            sa * sb * cc - ca * sc,
                            ca * sb * cc + sa * sc,
                            cb * sc,
                            sa * sb * sc + ca * cc,
                            ca * sb * sc - sa * cc,
                            -sb,
                            sa * cb,
                            ca * cb};
  const auto channels = input.size(0);
  auto theta = torch::zeros({channels, 3, 4});
  auto value = theta.accessor<float, 3>();
  for (std::int64_t c = 0; c < channels; ++c)
    for (int row = 0; row < 3; ++row) {
      for (int column = 0; column < 3; ++column)
        value[c][row][column] = static_cast<float>(matrix[3 * row + column] * scale);
      // Half a voxel in the sampler's units, in which the grid is 2 wide.
      value[c][row][3] = static_cast<float>(random.Between(-0.5, 0.5) * 2 / static_cast<double>(input.size(3 - row)));
    }
  const auto alone = input.unsqueeze(1);  // sequences as a batch
  const auto grid = torch::affine_grid_generator(theta, alone.sizes(), /*align_corners=*/false);
  return torch::grid_sampler(alone, grid, /*interpolation_mode=*/0, /*padding_mode=*/0, /*align_corners=*/false)
      .squeeze(1);
}

/// A smooth field and noise, inside the head.
torch::Tensor FieldAndNoise(const torch::Tensor& input, SplitMix64& random) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(random.Next());
  auto changed = input.clone();
  for (std::int64_t c = 0; c < input.size(0); ++c) {
    auto field = torch::zeros({input.size(1), input.size(2), input.size(3)});
    for (int axis = 0; axis < 3; ++axis) {
      auto along = torch::linspace(-1, 1, input.size(axis + 1));
      std::vector<std::int64_t> shape(3, 1);
      shape[static_cast<std::size_t>(axis)] = -1;
      along = along.view(shape);
      field = field + random.Between(-0.1, 0.1) * along + random.Between(-0.1, 0.1) * along * along;
    }
    const double noise = random.Between(0, 0.1);
    const auto grain = torch::randn(field.sizes(), generator, torch::TensorOptions()) * noise;
    auto values = changed[c];
    values.copy_(torch::where(values == 0, values, values + field.clamp(-0.2, 0.2) + grain));
  }
  return changed;
}
}  // namespace

Augmentation AugmentationFromText(const std::string& word) {
  if (word == "none") return Augmentation::kNone;
  if (word == "light") return Augmentation::kLight;
  if (word == "full") return Augmentation::kFull;
  throw Error(ErrorCode::kUsage, "augmentation: '" + word + "' is unknown; expected none, light or full");
}

torch::Tensor Augment(torch::Tensor input, Augmentation kind, SplitMix64& random) {
  if (kind == Augmentation::kNone) return input;
  if (kind == Augmentation::kFull) input = FieldAndNoise(TurnAndDisplace(input, random), random);
  if (random.Below(2) == 1) input = input.flip({3});
  const auto reach = std::max<std::int64_t>(1, input.size(1) / 16);
  auto moved = torch::zeros_like(input);
  auto from = input, to = moved;
  for (int axis = 1; axis <= 3; ++axis) {
    const auto n = input.size(axis);
    const auto shift = static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(2 * reach + 1))) - reach;
    const auto length = n - std::abs(shift);
    from = from.narrow(axis, std::max<std::int64_t>(0, -shift), length);
    to = to.narrow(axis, std::max<std::int64_t>(0, shift), length);
  }
  to.copy_(from);
  for (std::int64_t channel = 0; channel < moved.size(0); ++channel) {
    auto values = moved[channel];
    const auto scale = static_cast<float>(random.Between(0.9, 1.1));
    const auto shift = static_cast<float>(random.Between(-0.1, 0.1));
    values.copy_(torch::where(values == 0, values, values * scale + shift));
  }
  return moved;
}

}  // namespace glionode::networks
