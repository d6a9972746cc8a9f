#include "inference/networks/resnet.h"

#include "config/error.h"

#include <algorithm>
#include <cmath>

namespace glionode::networks {

namespace {
torch::nn::Conv3d Conv(int in, int out, int kernel, int stride, int padding, int dilation = 1) {
  return torch::nn::Conv3d(
      torch::nn::Conv3dOptions(in, out, kernel).stride(stride).padding(padding).dilation(dilation).bias(false));
}

class ResNet10 : public Network {
 public:
  explicit ResNet10(const NetworkSpec& spec) {
    const bool dilated = IsDilated(spec);
    const auto channels = StageChannels(spec.width);
    conv1_ = register_module("conv1", Conv(static_cast<int>(spec.sequences.size()), channels[0], 7, 2, 3));
    bn1_ = register_module("bn1", torch::nn::BatchNorm3d(channels[0]));
    AddStage("layer1", channels[0], channels[0], 1, 1);
    AddStage("layer2", channels[0], channels[1], 2, 1);
    AddStage("layer3", channels[1], channels[2], dilated ? 1 : 2, dilated ? 2 : 1);
    AddStage("layer4", channels[2], channels[3], dilated ? 1 : 2, dilated ? 4 : 1);
    fc = register_module("fc", torch::nn::Linear(channels[3], kClasses));
    InitialiseLikeMedicalNet(*this);
  }

  torch::Tensor Features(const torch::Tensor& input) override {
    auto x = torch::max_pool3d(torch::relu(bn1_->forward(conv1_->forward(input))), {3, 3, 3}, {2, 2, 2}, {1, 1, 1});
    for (const auto& block : blocks_) x = block->forward(x);
    return x;
  }

  std::string Describe(GraphWriter& writer, const std::string& input) override {
    auto x = writer.MaxPool(writer.Relu(writer.Convolution(input, conv1_, bn1_)), 3, 2, 1);
    for (const auto& block : blocks_) x = block->Describe(writer, x);
    return x;
  }

 private:
  void AddStage(const std::string& name, int in, int out, int stride, int dilation) {
    auto block = std::make_shared<BasicBlock>(in, out, stride, dilation);
    register_module(name, torch::nn::Sequential(block));  // gives "layer1.0.conv1.weight"
    blocks_.push_back(block);
  }

  torch::nn::Conv3d conv1_{nullptr};
  torch::nn::BatchNorm3d bn1_{nullptr};
  std::vector<std::shared_ptr<BasicBlock>> blocks_;
};
}  // namespace

BasicBlock::BasicBlock(int in, int out, int stride, int dilation) {
  conv1_ = register_module("conv1", Conv(in, out, 3, stride, dilation, dilation));
  bn1_ = register_module("bn1", torch::nn::BatchNorm3d(out));
  conv2_ = register_module("conv2", Conv(out, out, 3, 1, dilation, dilation));
  bn2_ = register_module("bn2", torch::nn::BatchNorm3d(out));
  if (stride != 1 || in != out) {
    shortcut_ = Conv(in, out, 1, stride, 0);
    shortcut_norm_ = torch::nn::BatchNorm3d(out);
    register_module("downsample", torch::nn::Sequential(shortcut_, shortcut_norm_));
  }
}

torch::Tensor BasicBlock::forward(const torch::Tensor& input) {
  const auto shortcut = shortcut_ ? shortcut_norm_->forward(shortcut_->forward(input)) : input;
  const auto x = torch::relu(bn1_->forward(conv1_->forward(input)));
  return torch::relu(bn2_->forward(conv2_->forward(x)) + shortcut);
}

std::string BasicBlock::Describe(GraphWriter& writer, const std::string& input) {
  const auto shortcut = shortcut_ ? writer.Convolution(input, shortcut_, shortcut_norm_) : input;
  const auto x = writer.Relu(writer.Convolution(input, conv1_, bn1_));
  return writer.Relu(writer.Add(writer.Convolution(x, conv2_, bn2_), shortcut));
}

bool IsDilated(const NetworkSpec& spec) {
  if (spec.layout != "dilated" && spec.layout != "strided")
    throw Error(ErrorCode::kUsage, "network: layout: '" + spec.layout + "' is unknown; expected dilated or strided");
  return spec.layout == "dilated";
}

std::array<int, 4> StageChannels(double width) {
  const int first = std::max(4, static_cast<int>(std::lround(64 * width)));
  return {first, 2 * first, 4 * first, 8 * first};
}

void InitialiseLikeMedicalNet(torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  for (const auto& part : module.modules(/*include_self=*/false)) {
    if (auto* conv = part->as<torch::nn::Conv3dImpl>()) {
      torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
    } else if (auto* norm = part->as<torch::nn::BatchNorm3dImpl>()) {
      norm->weight.fill_(1);
      norm->bias.zero_();
    }
  }
}

std::shared_ptr<Network> MakeResNet10(const NetworkSpec& spec) { return std::make_shared<ResNet10>(spec); }

}  // namespace glionode::networks
