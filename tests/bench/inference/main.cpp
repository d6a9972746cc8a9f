// The network alone, as the node serves it, for tests/bench/inference.py:
//   bench_inference make DIR                        weights of both layouts (fp32), inputs of 96^3 and 128^3
//   bench_inference time DIR LAYOUT SHAPE THREADS N  N calls in ms, logits, peak of these cores, as JSON
//   bench_inference gpu DIR LAYOUT SHAPE N           on CUDA: fp32 without TF32, half, a training step (gpu.sh)
#include "inference/networks/device.h"
#include "inference/networks/file_io.h"
#include "inference/networks/network.h"
#include "inference/networks/weights.h"

#include <nlohmann/json.hpp>
#include <torch/torch.h>

// Our memory on the GPU as LibTorch counts it. A LibTorch without CUDA (Debian's) has the first header, and not what it
// includes.
#if __has_include(<c10/cuda/CUDACachingAllocator.h>) && __has_include(<cuda_runtime_api.h>)
#include <c10/cuda/CUDACachingAllocator.h>
#define GLIONODE_COUNTS_GPU_MEMORY
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace glionode::networks;
namespace fs = std::filesystem;

NetworkSpec FullWidth(const std::string& layout) {
  NetworkSpec spec;
  spec.layout = layout;
  return spec;
}

fs::path InputFile(const fs::path& folder, int shape) {
  return folder / (std::string("input-").append(std::to_string(shape)).append(".f32"));
}

void Make(const fs::path& folder) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  for (const char* layout : {"dilated", "strided"}) {
    const auto network = MakeNetwork(FullWidth(layout));
    for (auto& buffer : network->named_buffers()) {  // statistics as after training: neither 0 nor 1
      if (buffer.key().ends_with("running_mean")) buffer.value().normal_(0, 0.1);
      if (buffer.key().ends_with("running_var")) buffer.value().uniform_(0.5, 2.0);
    }
    auto weights = WeightsOf(*network);
    for (auto& [name, tensor] : weights) tensor.half = false;
    WriteFileAtomically(folder / (std::string(layout) + ".safetensors"), EncodeSafetensors(weights));
  }
  for (const int shape : {96, 128}) {
    const auto input = torch::randn({3, shape, shape, shape});
    WriteFileAtomically(InputFile(folder, shape), std::string(static_cast<const char*>(input.data_ptr()),
                                                              static_cast<std::size_t>(input.numel()) * sizeof(float)));
  }
}

double Milliseconds(std::chrono::steady_clock::time_point from) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from).count();
}

using SixteenFloats = float __attribute__((vector_size(64)));

/// Multiplies and adds in registers, as wide as the processor has them: no memory, nothing to wait for.
__attribute__((target_clones("avx512f", "fma", "default"))) float MultiplyAdds(long rounds) {
  constexpr int kChains = 12;  // enough independent ones to hide the latency of each
  SixteenFloats sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = SixteenFloats{} + static_cast<float>(rounds % (i + 7));  // no two alike
  for (long round = 0; round < rounds; ++round)
    for (SixteenFloats& sum : sums) sum = sum * 0.999F + 0.001F;
  float all = 0;
  for (const SixteenFloats& sum : sums) all += sum[0] + sum[15];
  return all;
}

/// GFLOP/s of so many threads that do nothing but multiply and add: the machine's peak as it stands, its clock and its
/// neighbours included.
double PeakSpeed(int threads) {
  constexpr long kRounds = 20'000'000;
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> pool;
    std::vector<float> kept(static_cast<std::size_t>(threads));
    for (float& one : kept) pool.emplace_back([&one] { one = MultiplyAdds(kRounds); });
    for (std::thread& thread : pool) thread.join();
    best = std::min(best, Milliseconds(start));
  }
  return 2.0 * 12 * 16 * kRounds * threads / best / 1e6;
}

void Time(const fs::path& folder, const std::string& layout, int shape, int threads, int calls) {
  PrepareTorch(threads);
  torch::InferenceMode guard;
  const auto network = MakeNetwork(FullWidth(layout));
  const auto file = folder / (layout + ".safetensors");
  LoadWeights(*network, ReadSafetensors(file), file.string());
  network->eval();
  std::string values = ReadWholeFile(InputFile(folder, shape), std::uint64_t{1} << 30);
  const auto input = torch::from_blob(values.data(), {1, 3, shape, shape, shape});
  InferenceGraph graph(*network);
  nlohmann::json answer;
  for (int i = 0; i < calls + 1; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto logits = network->Head(graph.Features(input)).contiguous();
    const double milliseconds = Milliseconds(start);
    if (i > 0) answer["ms"].push_back(milliseconds);  // the first call lays out memory
    answer["logits"] = {logits[0][0].item<double>(), logits[0][1].item<double>()};
  }
  const auto plain = network->forward(input);
  answer["plain_logits"] = {plain[0][0].item<double>(), plain[0][1].item<double>()};
  answer["peak_gflops"] = PeakSpeed(threads);
  std::puts(answer.dump().c_str());
}

std::vector<double> TimeOnGpu(int calls, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < calls + 5; ++i) {
    torch::cuda::synchronize();
    const auto start = std::chrono::steady_clock::now();
    work();
    torch::cuda::synchronize();
    if (i >= 5) times.push_back(Milliseconds(start));
  }
  return times;
}

#ifdef GLIONODE_COUNTS_GPU_MEMORY
void ForgetPeakMemory() { c10::cuda::CUDACachingAllocator::resetPeakStats(0); }
nlohmann::json PeakMemory() {
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(0);
  return stats.allocated_bytes[0].peak;  // of all pools
}
#else
void ForgetPeakMemory() {}
nlohmann::json PeakMemory() { return nullptr; }
#endif

/// The inputs whose answers are compared; gpu.py makes the same.
std::vector<torch::Tensor> Inputs(const torch::Tensor& first) { return {first, first.flip(4), -0.5 * first}; }

nlohmann::json Logits(Network& network, const torch::Tensor& first) {
  nlohmann::json all = nlohmann::json::array();
  const auto& weight = network.fc->weight;
  for (const auto& input : Inputs(first)) {
    const auto logits =
        network.forward(input.to(weight.device(), weight.scalar_type())).to(torch::kCPU, torch::kDouble);
    all.push_back({logits[0][0].item<double>(), logits[0][1].item<double>()});
  }
  return all;
}

void TimeGpu(const fs::path& folder, const std::string& layout, int shape, int calls) {
  PrepareTorch(0);
  const auto device = ChooseDevice("cuda");
  const auto file = folder / (layout + ".safetensors");
  const auto make = [&](bool half) {
    auto network = MakeNetwork(FullWidth(layout));
    LoadWeights(*network, ReadSafetensors(file), file.string());
    network->to(device);
    if (half) network->to(torch::kHalf);
    return network;
  };
  std::string values = ReadWholeFile(InputFile(folder, shape), std::uint64_t{1} << 30);
  const auto on_cpu = torch::from_blob(values.data(), {1, 3, shape, shape, shape});
  nlohmann::json answer;
  {
    torch::InferenceMode guard;
    const auto plain = MakeNetwork(FullWidth(layout));
    LoadWeights(*plain, ReadSafetensors(file), file.string());
    plain->eval();
    answer["cpu"]["logits"] = Logits(*plain, on_cpu);
    for (const bool half : {false, true}) {
      const auto network = make(half);
      network->eval();
      const auto input = on_cpu.to(device).to(half ? torch::kHalf : torch::kFloat);
      const char* name = half ? "half" : "fp32";
      ForgetPeakMemory();
      answer[name]["ms"] = TimeOnGpu(calls, [&] { network->forward(input); });
      answer[name]["peak_bytes"] = PeakMemory();
      answer[name]["logits"] = Logits(*network, on_cpu);
    }
  }
  // As trainer.cpp does it.
  const auto network = make(false);
  for (auto& parameter : network->parameters())
    if (parameter.dim() == 5) parameter.set_data(parameter.data().contiguous(torch::MemoryFormat::ChannelsLast3d));
  network->train();
  torch::optim::AdamW optimiser(network->parameters(), torch::optim::AdamWOptions(1e-4));
  const auto batch = on_cpu.repeat({4, 1, 1, 1, 1}).contiguous(torch::MemoryFormat::ChannelsLast3d).to(device);
  const auto target = torch::tensor({0, 1, 0, 1}, torch::kLong).to(device);
  ForgetPeakMemory();
  answer["training"]["ms"] = TimeOnGpu(calls, [&] {
    optimiser.zero_grad();
    torch::nll_loss(torch::log_softmax(network->forward(batch), 1), target).backward();
    optimiser.step();
  });
  answer["training"]["peak_bytes"] = PeakMemory();
  std::puts(answer.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::strcmp(argv[1], "make") == 0) {
      Make(argv[2]);
      return 0;
    }
    if (argc == 7 && std::strcmp(argv[1], "time") == 0) {
      Time(argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6]));
      return 0;
    }
    if (argc == 6 && std::strcmp(argv[1], "gpu") == 0) {
      TimeGpu(argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]));
      return 0;
    }
    std::fputs("bench_inference make DIR | time DIR dilated|strided SHAPE THREADS CALLS | gpu DIR LAYOUT SHAPE CALLS\n",
               stderr);
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
