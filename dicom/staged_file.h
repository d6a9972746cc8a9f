#pragma once
// Internal header of dicom/: it shows DCMTK types, so no other folder may include it.
#include "config/error.h"
#include "dicom/dataset_hash.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcostrma.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace glionode::dicom {

/// What the file meta information (PS3.10 7.1) says.
struct StagedMeta {
  std::string sop_class_uid, sop_instance_uid, transfer_syntax_uid;
  std::string source_ae;  ///< (0002,0016): a sweep after a crash reads the sender from there
};

/// A DICOM file in the staging folder: meta information first, then the bytes of a data set as they come. Removed by
/// the destructor, unless Keep was called: then the sink has it.
class StagedFile {
 public:
  /// `path`: an empty file (ReceiverOptions::new_file). Throws Error{kOutOfSpace} or Error{kInternal} with the path.
  StagedFile(std::filesystem::path path, const StagedMeta& meta);
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  /// Appends to the data set. Throws like the constructor.
  void Append(const void* data, std::size_t size);
  /// Closes the file (without a sync) and returns the SHA-256 of the data set in lower-case hex. Once, last.
  std::string Finish();
  void Keep() { kept_ = true; }
  const std::filesystem::path& Path() const { return path_; }
  std::int64_t Bytes() const { return bytes_; }

 private:
  void WriteAll(const void* data, std::size_t size);

  std::filesystem::path path_;
  int fd_ = -1;
  bool kept_ = false;
  std::int64_t bytes_ = 0;
  DatasetHash hash_;
};

/// Why an object is not taken, with the status that says so.
struct StoreRefusal {
  std::uint16_t status;
  std::string comment;  ///< for the peer: (0000,0902), at most 64 characters
  std::string text;     ///< for our log
};

/// Where DCMTK writes a data set that it receives. It swallows everything, also after it has refused the object: after
/// a stream that fails on the last fragment, DCMTK 3.6.7 waits for one that never comes.
class DataSetStream : public DcmOutputStream {
 public:
  struct Limits {
    std::int64_t max_bytes;
    std::int64_t min_free_bytes;
    std::filesystem::path folder;
  };
  /// `file` may be null: then all is thrown away and `refusal` says why.
  DataSetStream(StagedFile* file, Limits limits, std::optional<StoreRefusal> refusal);
  ~DataSetStream() override;
  const std::optional<StoreRefusal>& Refusal() const;

 private:
  class Consumer;
  DataSetStream(std::unique_ptr<Consumer> consumer);
  std::unique_ptr<Consumer> consumer_;
};

/// The refusal for an error of ours.
StoreRefusal RefusalFor(ErrorCode code, const std::string& text);

/// The object is larger than [dicom] max_instance_bytes: a failure that no repetition changes (Cxxx), not A700.
constexpr std::uint16_t kStatusTooLarge = 0xC002;

/// Free bytes for us on the file system of `folder`; 0 when that cannot be found out.
std::int64_t FreeBytes(const std::filesystem::path& folder);

}  // namespace glionode::dicom
