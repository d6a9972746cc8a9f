#include "inference/networks/network.h"

#include "config/error.h"
#include "inference/networks/mresnet.h"
#include "inference/networks/resnet.h"
#include "inference/networks/vgg.h"

namespace glionode::networks {

std::shared_ptr<Network> MakeNetwork(const NetworkSpec& spec) {
  if (spec.sequences.empty()) throw Error(ErrorCode::kUsage, "network: sequences: at least one sequence is needed");
  if (!(spec.width >= 0.0625 && spec.width <= 4.0))
    throw Error(ErrorCode::kUsage, "network: width: must be between 0.0625 and 4 (1 is the published width)");
  if (spec.type == "resnet10") return MakeResNet10(spec);
  if (spec.type == "mresnet") return MakeMresNet(spec);
  if (spec.type == "vgg16") return MakeVgg16(spec);
  throw Error(ErrorCode::kUsage,
              "network: type: '" + spec.type + "' is unknown; expected one of resnet10, mresnet, vgg16");
}

std::int64_t ParameterCount(const Network& network) {
  std::int64_t count = 0;
  for (const auto& parameter : network.parameters()) count += parameter.numel();
  return count;
}

}  // namespace glionode::networks
