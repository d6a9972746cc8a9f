#include "inference/networks/device.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <charconv>
#include <thread>

namespace glionode::networks {

torch::Device ChooseDevice(const std::string& word) {
  if (word == "cpu") return torch::kCPU;
  if (word == "auto") return torch::cuda::is_available() ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  int index = 0;
  const char* end = word.data() + word.size();
  const bool numbered = word.starts_with("cuda:");
  if (numbered) {
    const auto [at, failed] = std::from_chars(word.data() + 5, end, index);
    if (failed != std::errc() || at != end || index < 0 || index > 127)
      throw Error(ErrorCode::kUsage, "device: '" + word + "': expected a number after cuda:");
  } else if (word != "cuda") {
    throw Error(ErrorCode::kUsage, "device: '" + word + "' is unknown; expected auto, cpu, cuda or cuda:N");
  }
  const auto count = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  if (index >= count)
    throw Error(ErrorCode::kMissingPart,
                "device: '" + word + "': this machine offers " + std::to_string(count) + " CUDA devices");
  return torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(index));
}

void PrepareTorch(int threads) {
  const int wanted = threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  at::globalContext().setFlushDenormal(true);
  if (at::get_num_threads() != wanted) at::set_num_threads(wanted);
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
}

std::string TorchErrorText(const std::exception& error) {
  std::string text = error.what();
  text = text.substr(0, text.find("\nException raised"));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.substr(0, 400);
}

}  // namespace glionode::networks
