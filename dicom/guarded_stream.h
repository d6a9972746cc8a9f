#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmf.h>

#include <cstdint>
#include <string>

namespace glionode::dicom {

/// A file under DCMTK's parser, which descends into nested sequences by recursion and keeps every element in memory,
/// both without a bound (3.6.7). This stream ends early when the stack of the thread that made it grows by more than 1
/// MiB, after 60 million reads (some ten million elements), or after 64 MiB of inflated data: the parser then returns,
/// with an error or, as at any end of a file, without one. So ask Fault() first. Threads: the one that made it.
class GuardedFileStream : public DcmInputFileStream {
 public:
  explicit GuardedFileStream(const OFFilename& name);

  /// Why it ended early; empty if it did not.
  const std::string& Fault() const { return fault_; }
  /// Reads on, without keeping anything, until `wanted` bytes have come or the end: how many came.
  double Drain(double wanted);

  OFBool good() const override;
  OFCondition status() const override;
  OFBool eos() override;
  offile_off_t avail() override;
  offile_off_t read(void* buffer, offile_off_t size) override;
  OFCondition installCompressionFilter(E_StreamCompression kind) override;

 private:
  bool Ended();

  const char* const base_;
  std::int64_t reads_ = 0, inflated_ = 0;
  bool inflates_ = false;
  std::string fault_;
};

}  // namespace glionode::dicom
