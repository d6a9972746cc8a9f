#pragma once
#include "config/error.h"

#include <torch/torch.h>

#include <string>
#include <utility>

namespace glionode::networks {

/// "auto", "cpu", "cuda", "cuda:N". Throws Error{kUsage} for another word, Error{kMissingPart} if that GPU is not
/// there.
torch::Device ChooseDevice(const std::string& word);

/// Sets Torch up for repeatable fp32: threads (0: all cores), TF32 off, deterministic cuDNN, subnormal numbers flushed
/// (they slow a CPU down a hundredfold). Process-wide, and thread count and flushing per calling thread: call it in the
/// thread that computes.
void PrepareTorch(int threads);

/// First line of a Torch error, without the C++ stack.
std::string TorchErrorText(const std::exception& error);

/// Runs `work` and turns Torch's exceptions into Error{kInternal}: DOING: reason.
template <typename Work>
auto WithTorchErrors(const std::string& doing, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::kInternal, doing + ": " + TorchErrorText(error));
  }
}

}  // namespace glionode::networks
