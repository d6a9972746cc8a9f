#include "inference/networks/mresnet.h"

#include "config/error.h"
#include "inference/networks/resnet.h"

namespace glionode::networks {

namespace {
/// Stem and first two stages for one sequence.
class Branch : public torch::nn::Module {
 public:
  Branch(int first, int second) {
    conv1_ = register_module("conv1",
                             torch::nn::Conv3d(torch::nn::Conv3dOptions(1, first, 7).stride(2).padding(3).bias(false)));
    bn1_ = register_module("bn1", torch::nn::BatchNorm3d(first));
    register_module("layer1", torch::nn::Sequential(layer1_ = std::make_shared<BasicBlock>(first, first, 1, 1)));
    register_module("layer2", torch::nn::Sequential(layer2_ = std::make_shared<BasicBlock>(first, second, 2, 1)));
  }
  torch::Tensor forward(const torch::Tensor& input) {
    const auto x =
        torch::max_pool3d(torch::relu(bn1_->forward(conv1_->forward(input))), {3, 3, 3}, {2, 2, 2}, {1, 1, 1});
    return layer2_->forward(layer1_->forward(x));
  }
  std::string Describe(GraphWriter& writer, const std::string& input) {
    const auto x = writer.MaxPool(writer.Relu(writer.Convolution(input, conv1_, bn1_)), 3, 2, 1);
    return layer2_->Describe(writer, layer1_->Describe(writer, x));
  }

 private:
  torch::nn::Conv3d conv1_{nullptr};
  torch::nn::BatchNorm3d bn1_{nullptr};
  std::shared_ptr<BasicBlock> layer1_, layer2_;
};

class MresNet : public Network {
 public:
  explicit MresNet(const NetworkSpec& spec) {
    const bool dilated = IsDilated(spec);
    const auto channels = StageChannels(spec.width);
    const int count = static_cast<int>(spec.sequences.size());
    for (int i = 0; i < count; ++i)
      branches_.push_back(register_module(std::string("branch").append(std::to_string(i)),
                                          std::make_shared<Branch>(channels[0], channels[1])));
    fuse_ = torch::nn::Conv3d(torch::nn::Conv3dOptions(count * channels[1], channels[1], 1).bias(false));
    fuse_norm_ = torch::nn::BatchNorm3d(channels[1]);
    register_module("fuse", torch::nn::Sequential(fuse_, fuse_norm_));
    layer3_ = std::make_shared<BasicBlock>(channels[1], channels[2], dilated ? 1 : 2, dilated ? 2 : 1);
    layer4_ = std::make_shared<BasicBlock>(channels[2], channels[3], dilated ? 1 : 2, dilated ? 4 : 1);
    register_module("layer3", torch::nn::Sequential(layer3_));
    register_module("layer4", torch::nn::Sequential(layer4_));
    fc = register_module("fc", torch::nn::Linear(channels[3], kClasses));
    InitialiseLikeMedicalNet(*this);
  }

  torch::Tensor Features(const torch::Tensor& input) override {
    std::vector<torch::Tensor> maps;
    for (std::size_t i = 0; i < branches_.size(); ++i)
      maps.push_back(branches_[i]->forward(input.narrow(1, static_cast<std::int64_t>(i), 1)));
    const auto x = torch::relu(fuse_norm_->forward(fuse_->forward(torch::cat(maps, 1))));
    return layer4_->forward(layer3_->forward(x));
  }

  std::string Describe(GraphWriter& writer, const std::string& input) override {
    std::vector<std::string> maps;
    for (std::size_t i = 0; i < branches_.size(); ++i)
      maps.push_back(branches_[i]->Describe(writer, writer.Channels(input, static_cast<int>(i), 1)));
    const auto x = writer.Relu(writer.Convolution(writer.Concatenate(maps), fuse_, fuse_norm_));
    return layer4_->Describe(writer, layer3_->Describe(writer, x));
  }

 private:
  std::vector<std::shared_ptr<Branch>> branches_;
  torch::nn::Conv3d fuse_{nullptr};
  torch::nn::BatchNorm3d fuse_norm_{nullptr};
  std::shared_ptr<BasicBlock> layer3_, layer4_;
};
}  // namespace

std::shared_ptr<Network> MakeMresNet(const NetworkSpec& spec) { return std::make_shared<MresNet>(spec); }

}  // namespace glionode::networks
