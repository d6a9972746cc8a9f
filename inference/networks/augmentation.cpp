#include "inference/networks/augmentation.h"

#include <algorithm>

namespace glionode::networks {

torch::Tensor Augment(torch::Tensor input, SplitMix64& random) {
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
