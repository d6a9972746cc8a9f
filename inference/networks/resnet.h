#pragma once
#include "inference/networks/network.h"

namespace glionode::networks {

/// Two 3x3x3 convolutions with a shortcut; the shortcut is a 1x1x1 convolution with normalisation (type B) where the
/// size or the number of channels changes. Names of its values: conv1 bn1 conv2 bn2 downsample.0 downsample.1.
class BasicBlock : public torch::nn::Module {
 public:
  BasicBlock(int in, int out, int stride, int dilation);
  torch::Tensor forward(const torch::Tensor& input);
  std::string Describe(GraphWriter& writer, const std::string& input);

 private:
  torch::nn::Conv3d conv1_{nullptr}, conv2_{nullptr}, shortcut_{nullptr};
  torch::nn::BatchNorm3d bn1_{nullptr}, bn2_{nullptr}, shortcut_norm_{nullptr};
};

/// Channels of the four stages at a width: 64, 128, 256, 512 at 1.
std::array<int, 4> StageChannels(double width);
/// Whether stages 3 and 4 are dilated. Throws Error{kUsage} for a layout that is neither dilated nor strided.
bool IsDilated(const NetworkSpec& spec);
/// Convolutions: Kaiming, fan out; normalisation: 1 and 0.
void InitialiseLikeMedicalNet(torch::nn::Module& module);

/// 3D ResNet-10 in MedicalNet's layout and with its names (notes: stem 7x7x7 stride 2, pool, one block a stage).
/// `dilated` keeps stages 3 and 4 at stride 1 with dilation 2 and 4 (total stride 8), as MedicalNet does; `strided`
/// halves there too (total stride 32). With three inputs and two classes at width 1: 14,400,450 parameters.
std::shared_ptr<Network> MakeResNet10(const NetworkSpec& spec);

}  // namespace glionode::networks
