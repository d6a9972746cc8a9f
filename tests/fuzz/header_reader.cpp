// Whatever is in a file: a header or Error{kBadDataset}, nothing else; and the index gives back what it was given.
#include "dicom/header_reader.h"

#include "config/error.h"
#include "tests/fuzz/memory_file.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace glionode;
  const fuzz::MemoryFile file(data, size);
  dicom::InstanceHeader header;
  try {
    header = dicom::ReadHeader(file.Path());
  } catch (const Error& error) {
    if (error.Code() != ErrorCode::kBadDataset) std::abort();
    return 0;
  }
  const std::string json = dicom::HeaderToJson(header);
  if (dicom::HeaderToJson(dicom::HeaderFromJson(json)) != json) std::abort();
  dicom::IdentityKey(header);
  dicom::IsCandidateImage(header);
  return 0;
}
