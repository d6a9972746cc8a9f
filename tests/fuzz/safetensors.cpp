// Whatever is in a file of weights: tensors or Error{kBadDataset}, nothing else; and what was read is written the same.
#include "inference/networks/safetensors.h"

#include "config/error.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace glionode;
  using namespace glionode::networks;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto refuses_only_the_data = [](const Error& error) {
    if (error.Code() != ErrorCode::kBadDataset) std::abort();
  };
  std::map<std::string, std::string> metadata;
  try {
    metadata = ParseSafetensorsMetadata(bytes, "input");
  } catch (const Error& error) {
    refuses_only_the_data(error);
  }
  std::map<std::string, SafeTensor> tensors;
  try {
    tensors = ParseSafetensors(bytes, "input");
  } catch (const Error& error) {
    refuses_only_the_data(error);
    return 0;
  }
  const std::string written = EncodeSafetensors(tensors, metadata);
  const auto again = ParseSafetensors(written, "written");
  if (again.size() != tensors.size() || EncodeSafetensors(again, metadata) != written) std::abort();
  for (const auto& [name, tensor] : tensors)
    if (again.at(name).shape != tensor.shape || again.at(name).values != tensor.values) std::abort();
  return 0;
}
