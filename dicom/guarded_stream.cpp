#include "dicom/guarded_stream.h"

#include <dcmtk/dcmdata/dcerror.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace glionode::dicom {
namespace {

// A level of nesting takes some 400 bytes of stack and 16 to 20 of the file. 1 MiB, an eighth of a usual stack, is
// enough for thousands of levels; reports have a few dozen.
constexpr std::ptrdiff_t kMostStack = 1 << 20;
constexpr std::int64_t kMostReads = 60'000'000;
constexpr std::int64_t kMostInflated = 64 << 20;

}  // namespace

GuardedFileStream::GuardedFileStream(const OFFilename& name)
    : DcmInputFileStream(name), base_(static_cast<const char*>(__builtin_frame_address(0))) {}

bool GuardedFileStream::Ended() {
  if (!fault_.empty()) return true;
  if (std::abs(base_ - static_cast<const char*>(__builtin_frame_address(0))) > kMostStack)
    fault_ = "its sequences are nested too deeply";
  else if (reads_ > kMostReads)
    fault_ = "it has too many elements";
  else if (inflates_ && inflated_ > kMostInflated)
    fault_ = "it inflates to more than " + std::to_string(kMostInflated >> 20) + " MiB before its pixel data";
  return !fault_.empty();
}

double GuardedFileStream::Drain(double wanted) {
  std::array<char, 65536> buffer;
  double came = 0;
  while (came < wanted) {
    const offile_off_t got = DcmInputFileStream::read(buffer.data(), buffer.size());
    if (got <= 0) break;
    came += static_cast<double>(got);
  }
  return came;
}

OFBool GuardedFileStream::good() const { return fault_.empty() && DcmInputFileStream::good(); }

OFCondition GuardedFileStream::status() const {
  return fault_.empty() ? DcmInputFileStream::status() : EC_CorruptedData;
}

OFBool GuardedFileStream::eos() { return Ended() || DcmInputFileStream::eos(); }

offile_off_t GuardedFileStream::avail() { return Ended() ? 0 : DcmInputFileStream::avail(); }

offile_off_t GuardedFileStream::read(void* buffer, offile_off_t size) {
  ++reads_;
  if (Ended()) return 0;
  const offile_off_t got = DcmInputFileStream::read(buffer, size);
  if (inflates_) inflated_ += std::max<offile_off_t>(got, 0);
  return got;
}

OFCondition GuardedFileStream::installCompressionFilter(E_StreamCompression kind) {
  inflates_ = true;
  return DcmInputFileStream::installCompressionFilter(kind);
}

}  // namespace glionode::dicom
