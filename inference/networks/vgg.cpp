#include "inference/networks/vgg.h"

#include "inference/networks/resnet.h"

namespace glionode::networks {

namespace {
constexpr int kPool = 0;
/// Channels as multiples of the first stage's, and where the map is halved.
constexpr int kPlan[] = {1, 1, kPool, 2, 2, kPool, 4, 4, 4, kPool, 8, 8, 8, kPool, 8, 8, 8, kPool};

class Vgg16 : public Network {
 public:
  explicit Vgg16(const NetworkSpec& spec) {
    const int first = StageChannels(spec.width)[0];
    auto holder = std::make_shared<torch::nn::Module>();
    int in = static_cast<int>(spec.sequences.size()), index = 0;
    for (const int multiple : kPlan) {
      if (multiple == kPool) {
        layers_.push_back({});
        ++index;
        continue;
      }
      Layer layer;
      const int out = multiple * first;
      layer.conv = holder->register_module(std::to_string(index),
                                           torch::nn::Conv3d(torch::nn::Conv3dOptions(in, out, 3).padding(1)));
      layer.norm = holder->register_module(std::to_string(index + 1), torch::nn::BatchNorm3d(out));
      layers_.push_back(layer);
      in = out;
      index += 3;  // convolution, normalisation, ReLU
    }
    register_module("features", holder);
    fc = register_module("fc", torch::nn::Linear(in, kClasses));
    InitialiseLikeMedicalNet(*this);
  }

  torch::Tensor Features(const torch::Tensor& input) override {
    auto x = input;
    for (auto& layer : layers_)
      x = layer.conv ? torch::relu(layer.norm->forward(layer.conv->forward(x)))
                     : torch::max_pool3d(x, {2, 2, 2}, {2, 2, 2});
    return x;
  }

  std::string Describe(GraphWriter& writer, const std::string& input) override {
    auto x = input;
    for (auto& layer : layers_)
      x = layer.conv ? writer.Relu(writer.Convolution(x, layer.conv, layer.norm)) : writer.MaxPool(x, 2, 2, 0);
    return x;
  }

 private:
  struct Layer {  ///< without a convolution: a pool
    torch::nn::Conv3d conv{nullptr};
    torch::nn::BatchNorm3d norm{nullptr};
  };
  std::vector<Layer> layers_;
};
}  // namespace

std::shared_ptr<Network> MakeVgg16(const NetworkSpec& spec) { return std::make_shared<Vgg16>(spec); }

}  // namespace glionode::networks
