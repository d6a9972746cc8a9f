// Whatever is in a file: decoded frames of the size that the header says, or Error{kBadDataset}.
#include "dicom/pixel_decoder.h"

#include "config/error.h"
#include "tests/fuzz/memory_file.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace glionode;
  const fuzz::MemoryFile file(data, size);
  try {
    // Small, so that a hostile size shows as memory, not as time.
    const auto decoded = dicom::Decode(file.Path(), {std::int64_t{1} << 18});
    if (decoded.frames.size() != static_cast<std::size_t>(decoded.header.frames)) std::abort();
    for (const auto& frame : decoded.frames)
      if (frame.values.size() != static_cast<std::size_t>(frame.rows) * static_cast<std::size_t>(frame.columns))
        std::abort();
  } catch (const Error& error) {
    if (error.Code() != ErrorCode::kBadDataset) std::abort();
  }
  return 0;
}
