#include "dicom/staged_file.h"

#include "dicom/dimse_status.h"

#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcuid.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace glionode::dicom {
namespace {

constexpr std::int64_t kDiskCheckEvery = std::int64_t{16} << 20;
constexpr off_t kPage = 4096;

[[noreturn]] void ThrowWriteError(const std::filesystem::path& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  throw Error(full ? ErrorCode::kOutOfSpace : ErrorCode::kInternal,
              "cannot write " + path.string() + ": " + std::strerror(error));
}

// Preamble, DICM and group 0002.
std::string EncodeMeta(const StagedMeta& meta) {
  DcmMetaInfo info;
  const Uint8 version[] = {0, 1};
  info.putAndInsertUint8Array(DCM_FileMetaInformationVersion, version, 2);
  info.putAndInsertString(DCM_MediaStorageSOPClassUID, meta.sop_class_uid.c_str());
  info.putAndInsertString(DCM_MediaStorageSOPInstanceUID, meta.sop_instance_uid.c_str());
  info.putAndInsertString(DCM_TransferSyntaxUID, meta.transfer_syntax_uid.c_str());
  info.putAndInsertString(DCM_ImplementationClassUID, OFFIS_IMPLEMENTATION_CLASS_UID);
  info.putAndInsertString(DCM_ImplementationVersionName, OFFIS_DTK_IMPLEMENTATION_VERSION_NAME);
  info.putAndInsertString(DCM_SourceApplicationEntityTitle, meta.source_ae.c_str());
  info.putAndInsertUint32(DCM_FileMetaInformationGroupLength, 0);
  std::array<char, 2048> buffer;
  DcmOutputBufferStream stream(buffer.data(), buffer.size());
  OFCondition result =
      info.computeGroupLengthAndPadding(EGL_recalcGL, EPD_noChange, EXS_LittleEndianExplicit, EET_ExplicitLength);
  if (result.good()) {
    info.transferInit();
    result = info.write(stream, EXS_LittleEndianExplicit, EET_ExplicitLength, nullptr);
    info.transferEnd();
  }
  if (result.bad())
    throw Error(ErrorCode::kInternal, std::string("cannot encode file meta information: ") + result.text());
  void* data = nullptr;
  offile_off_t size = 0;
  stream.flushBuffer(data, size);
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

}  // namespace

StagedFile::StagedFile(std::filesystem::path path, const StagedMeta& meta) : path_(std::move(path)) {
  fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd_ < 0) ThrowWriteError(path_, errno);
  try {
    const std::string head = EncodeMeta(meta);
    WriteAll(head.data(), head.size());
  } catch (...) {
    close(fd_);
    unlink(path_.c_str());
    throw;
  }
}

StagedFile::~StagedFile() {
  if (fd_ >= 0) close(fd_);
  if (!kept_) unlink(path_.c_str());
}

void StagedFile::WriteAll(const void* data, std::size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = write(fd_, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) ThrowWriteError(path_, errno);
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
}

void StagedFile::Append(const void* data, std::size_t size) {
  WriteAll(data, size);
  hash_.Update(data, size);
  bytes_ += static_cast<std::int64_t>(size);
}

std::string StagedFile::Finish() {
  // The disk begins while the header is read; who syncs the file later waits for less. No promise: errors show there.
  // Not the first page: its preamble is written once more before the sync.
  sync_file_range(fd_, kPage, 0, SYNC_FILE_RANGE_WRITE);
  // Network file systems report a full disk as late as here.
  const int closed = close(std::exchange(fd_, -1));
  if (closed != 0) ThrowWriteError(path_, errno);
  return hash_.HexDigest();
}

class DataSetStream::Consumer : public DcmConsumer {
 public:
  Consumer(StagedFile* to, Limits given, std::optional<StoreRefusal> why)
      : file(to), limits(std::move(given)), refusal(std::move(why)) {}
  OFBool good() const override { return OFTrue; }
  OFCondition status() const override { return EC_Normal; }
  OFBool isFlushed() const override { return OFTrue; }
  offile_off_t avail() const override { return 1 << 30; }
  void flush() override {}
  offile_off_t write(const void* data, offile_off_t size) override {
    if (refusal || !file) return size;
    try {
      Take(data, static_cast<std::size_t>(size));
    } catch (const Error& error) {
      refusal = RefusalFor(error.Code(), error.what());
    }
    return size;
  }

  StagedFile* file;
  const Limits limits;
  std::optional<StoreRefusal> refusal;

 private:
  void Take(const void* data, std::size_t size) {
    const std::int64_t after = file->Bytes() + static_cast<std::int64_t>(size);
    if (after > limits.max_bytes) {
      const std::string limit = std::to_string(limits.max_bytes) + " bytes";
      refusal = StoreRefusal{kStatusTooLarge, "larger than the limit of " + limit,
                             "it is larger than [dicom] max_instance_bytes, " + limit};
      return;
    }
    if (after / kDiskCheckEvery != file->Bytes() / kDiskCheckEvery && FreeBytes(limits.folder) < limits.min_free_bytes)
      throw Error(ErrorCode::kOutOfSpace, "less than the reserve is free in " + limits.folder.string());
    file->Append(data, size);
  }
};

DataSetStream::DataSetStream(StagedFile* file, Limits limits, std::optional<StoreRefusal> refusal)
    : DataSetStream(std::make_unique<Consumer>(file, std::move(limits), std::move(refusal))) {}

DataSetStream::DataSetStream(std::unique_ptr<Consumer> consumer)
    : DcmOutputStream(consumer.get()), consumer_(std::move(consumer)) {}

DataSetStream::~DataSetStream() = default;

const std::optional<StoreRefusal>& DataSetStream::Refusal() const { return consumer_->refusal; }

StoreRefusal RefusalFor(ErrorCode code, const std::string& text) {
  const char* comment = "internal error of the receiver";
  switch (code) {
    case ErrorCode::kOutOfSpace:
      comment = "not enough disk space";
      break;
    case ErrorCode::kBusy:
      comment = "busy, try again later";
      break;
    case ErrorCode::kBadDataset:
      comment = "the data set cannot be read";
      break;
    case ErrorCode::kWrongSopClass:
      comment = "SOP class or instance differs between command and data set";
      break;
    case ErrorCode::kNotAllowed:
      comment = "not authorised";
      break;
    case ErrorCode::kNotFound:
    case ErrorCode::kUsage:
    case ErrorCode::kMissingPart:
    case ErrorCode::kInternal:
      break;
  }
  return {StoreStatusFor(code), comment, text};
}

std::int64_t FreeBytes(const std::filesystem::path& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) return 0;
  return static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize);
}

}  // namespace glionode::dicom
