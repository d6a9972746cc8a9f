#include "inference/networks/lesion_turns.h"

namespace glionode::networks {

torch::Tensor TurnAnyWay(torch::Tensor input, SplitMix64& random) {
  for (const int axis : {1, 2, 3})
    if (random.Below(2) == 1) input = input.flip({axis});
  return random.Below(2) == 1 ? input.transpose(2, 3).contiguous() : input;
}

}  // namespace glionode::networks
