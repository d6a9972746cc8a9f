// Whatever is in a bundle.json: values or Error{kBadDataset}, nothing else; and values that were read go around.
#include "inference/networks/bundle_json.h"

#include "config/error.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace glionode;
  using namespace glionode::networks;
  BundleInfo info;
  try {
    info = ParseBundleJson(std::string(reinterpret_cast<const char*>(data), size), "input");
  } catch (const Error& error) {
    if (error.Code() != ErrorCode::kBadDataset) std::abort();
    return 0;
  }
  const std::string written = EncodeBundleJson(info);
  if (EncodeBundleJson(ParseBundleJson(written, "written")) != written) std::abort();
  return 0;
}
