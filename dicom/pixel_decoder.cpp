#include "dicom/pixel_decoder.h"

#include "config/error.h"
#include "config/sha256.h"
#include "dicom/jpeg2000.h"
#include "dicom/jpeg_markers.h"
#include "dicom/rle_header.h"

#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>

#include <cstdio>
#include <limits>
#include <mutex>

namespace glionode::dicom {
namespace {

[[noreturn]] void Fail(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorCode::kBadDataset, file.filename().string() + ": " + what);
}

/// How a stored value lies in its 8 or 16 bits (PS3.5 8.1.1).
struct PixelLayout {
  int allocated = 16, stored = 16, high_bit = 15;
  bool is_signed = false, inverted = false;

  /// The value of one cell: bits outside High Bit and Bits Stored may hold old overlays and are dropped.
  std::int32_t Value(std::uint32_t cell) const {
    const std::uint32_t mask = (std::uint32_t{1} << stored) - 1;
    cell = (cell >> (high_bit + 1 - stored)) & mask;
    std::int32_t value = static_cast<std::int32_t>(cell);
    if (is_signed && (cell >> (stored - 1) & 1) != 0) value -= std::int32_t{1} << stored;
    if (inverted) value = (is_signed ? -1 : static_cast<std::int32_t>(mask)) - value;
    return value;
  }
};

PixelLayout ReadLayout(const std::filesystem::path& file, DcmDataset& dataset, const InstanceHeader& header) {
  if (header.rows <= 0 || header.columns <= 0) Fail(file, "Rows or Columns is missing");
  if (header.samples_per_pixel != 1) Fail(file, "colour images are not supported");
  OFString photometric;
  dataset.findAndGetOFString(DCM_PhotometricInterpretation, photometric);
  if (photometric != "MONOCHROME1" && photometric != "MONOCHROME2")
    Fail(file, std::string("photometric interpretation ") + photometric.c_str() + " is not supported");
  PixelLayout layout;
  Uint16 value = 0;
  layout.allocated = header.bits_allocated;
  if (layout.allocated != 8 && layout.allocated != 16)
    Fail(file, std::to_string(layout.allocated) + " bits allocated are not supported");
  layout.stored = dataset.findAndGetUint16(DCM_BitsStored, value).good() ? value : layout.allocated;
  layout.high_bit = dataset.findAndGetUint16(DCM_HighBit, value).good() ? value : layout.stored - 1;
  layout.is_signed = dataset.findAndGetUint16(DCM_PixelRepresentation, value).good() && value == 1;
  layout.inverted = photometric == "MONOCHROME1";
  if (layout.stored < 1 || layout.stored > layout.allocated || layout.high_bit >= layout.allocated ||
      layout.high_bit + 1 < layout.stored)
    Fail(file, "Bits Stored and High Bit do not fit Bits Allocated");
  return layout;
}

/// One frame after the other as cells of 8 or 16 bits in the machine's byte order; the whole object is never decoded at
/// once, so that memory is bounded by one frame beside the result.
class FrameSource {
 public:
  FrameSource(const std::filesystem::path& file, DcmDataset& dataset, const InstanceHeader& header)
      : file_(file), dataset_(dataset), header_(header), syntax_(dataset.getOriginalXfer()) {
    DcmElement* element = nullptr;
    if (dataset.findAndGetElement(DCM_PixelData, element).bad() || element == nullptr) Fail(file, "no Pixel Data");
    pixels_ = dynamic_cast<DcmPixelData*>(element);
    if (pixels_ == nullptr) Fail(file, "Pixel Data has an unexpected form");
    cells_ = static_cast<std::size_t>(header.rows) * static_cast<std::size_t>(header.columns);
    bytes_ = cells_ * static_cast<std::size_t>(header.bits_allocated / 8);
    const E_TransferSyntax xfer = syntax_.getXfer();
    is_jpeg2000_ = xfer == EXS_JPEG2000 || xfer == EXS_JPEG2000LosslessOnly;
    if (is_jpeg2000_) {
      CollectFragments();
    } else if (syntax_.isEncapsulated()) {
      if (xfer == EXS_JPEGProcess1 || xfer == EXS_JPEGProcess2_4 || xfer == EXS_JPEGProcess14 ||
          xfer == EXS_JPEGProcess14SV1)
        CheckJpegHeaders();
      if (xfer == EXS_RLELossless) CheckRleHeaders();
      buffer_.resize(bytes_ + bytes_ % 2);  // DCMTK's decoders write whole 16-bit words
    } else {
      const std::size_t expected = bytes_ * static_cast<std::size_t>(header.frames);
      if (pixels_->getLength() < expected)
        Fail(file, "Pixel Data is cut short: " + std::to_string(pixels_->getLength()) + " bytes of " +
                       std::to_string(expected));
      const OFCondition status =
          header.bits_allocated == 8 ? pixels_->getUint8Array(native8_) : pixels_->getUint16Array(native16_);
      if (status.bad() || (native8_ == nullptr && native16_ == nullptr))
        Fail(file, std::string("Pixel Data cannot be read: ") + status.text());
    }
  }

  /// Calls take(cell index, value) for all cells of frame `index`; frames are asked for in order.
  template <typename Take>
  void Read(int index, const PixelLayout& layout, Take take) {
    const auto offset = static_cast<std::size_t>(index) * cells_;
    if (is_jpeg2000_) {
      const auto& stream = streams_[static_cast<std::size_t>(index)];
      const auto values = DecodeJpeg2000(stream.data(), stream.size(), header_.rows, header_.columns);
      // A code stream holds Bits Stored, wherever High Bit is (PS3.5 A.4.4).
      PixelLayout packed = layout;
      packed.high_bit = layout.stored - 1;
      for (std::size_t i = 0; i < cells_; ++i) take(i, packed.Value(static_cast<std::uint32_t>(values[i])));
      return;
    }
    const Uint8* bytes = native8_ == nullptr ? nullptr : native8_ + offset;
    const Uint16* words = native16_ == nullptr ? nullptr : native16_ + offset;
    if (syntax_.isEncapsulated()) {
      OFString color_model;
      const OFCondition status =
          pixels_->getUncompressedFrame(&dataset_, static_cast<Uint32>(index), fragment_, buffer_.data(),
                                        static_cast<Uint32>(buffer_.size()), color_model, nullptr);
      if (status.bad()) Fail(file_, "frame " + std::to_string(index + 1) + " cannot be decoded: " + status.text());
      if (header_.bits_allocated == 8)
        bytes = buffer_.data();
      else
        words = reinterpret_cast<const Uint16*>(buffer_.data());
    }
    for (std::size_t i = 0; i < cells_; ++i) take(i, layout.Value(bytes != nullptr ? bytes[i] : words[i]));
  }

 private:
  /// Calls check(index, data, size) for every fragment behind the basic offset table, from 1; returns their number.
  template <typename Check>
  unsigned long ForEachFragment(Check check) {
    DcmPixelSequence* sequence = nullptr;
    if (pixels_->getEncapsulatedRepresentation(syntax_.getXfer(), nullptr, sequence).bad() || sequence == nullptr)
      Fail(file_, "Pixel Data has no code stream");
    for (unsigned long index = 1; index < sequence->card(); ++index) {
      DcmPixelItem* fragment = nullptr;
      Uint8* data = nullptr;
      if (sequence->getItem(fragment, index).bad() || fragment == nullptr || fragment->getLength() == 0 ||
          fragment->getUint8Array(data).bad() || data == nullptr)
        Fail(file_, "a fragment cannot be read");
      check(index, data, std::size_t{fragment->getLength()});
    }
    return sequence->card() == 0 ? 0 : sequence->card() - 1;
  }

  /// A fragment that begins a code stream has a header that DCMTK comes to the end of.
  void CheckJpegHeaders() {
    ForEachFragment([this](unsigned long index, const Uint8* data, std::size_t size) {
      const bool begins = index == 1 || (size > 1 && data[0] == 0xFF && data[1] == 0xD8);
      if (begins && !HasJpegHeader(data, size)) Fail(file_, "its JPEG code stream has no valid header");
    });
  }

  /// One fragment a frame (PS3.5 A.4.2), each with segments that lie in it.
  void CheckRleHeaders() {
    const auto count = ForEachFragment([this](unsigned long, const Uint8* data, std::size_t size) {
      if (!HasRleHeader(data, size, header_.bits_allocated / 8)) Fail(file_, "an RLE frame has no valid header");
    });
    if (count != static_cast<unsigned long>(header_.frames))
      Fail(file_, "the number of RLE frames does not fit Number of Frames");
  }

  /// One code stream a frame: all fragments of a single frame; one fragment a frame; or by the basic offset table
  /// (PS3.5 A.4).
  void CollectFragments() {
    DcmPixelSequence* sequence = nullptr;
    if (pixels_->getEncapsulatedRepresentation(syntax_.getXfer(), nullptr, sequence).bad() || sequence == nullptr)
      Fail(file_, "Pixel Data has no code stream");
    const unsigned long count = sequence->card();
    const auto frames = static_cast<std::size_t>(header_.frames);
    if (count < 2) Fail(file_, "Pixel Data has no code stream");
    std::vector<std::uint32_t> starts;
    const auto item = [&](unsigned long index, Uint8*& data) -> std::size_t {
      DcmPixelItem* fragment = nullptr;
      if (sequence->getItem(fragment, index).bad() || fragment == nullptr) Fail(file_, "a fragment is missing");
      data = nullptr;
      if (fragment->getLength() > 0 && fragment->getUint8Array(data).bad()) Fail(file_, "a fragment cannot be read");
      return data == nullptr ? 0 : fragment->getLength();
    };
    if (frames != 1 && frames != count - 1) {
      Uint8* table = nullptr;
      const std::size_t size = item(0, table);
      if (size != frames * 4) Fail(file_, "the number of code streams does not fit Number of Frames");
      for (std::size_t i = 0; i < size; i += 4)
        starts.push_back(static_cast<std::uint32_t>(table[i]) | static_cast<std::uint32_t>(table[i + 1]) << 8 |
                         static_cast<std::uint32_t>(table[i + 2]) << 16 |
                         static_cast<std::uint32_t>(table[i + 3]) << 24);
    }
    streams_.resize(frames);
    std::uint64_t offset = 0;
    std::size_t frame = 0;
    for (unsigned long index = 1; index < count; ++index) {
      Uint8* data = nullptr;
      const std::size_t size = item(index, data);
      if (starts.empty()) {
        frame = frames == 1 ? 0 : index - 1;
      } else {
        while (frame + 1 < frames && offset >= starts[frame + 1]) ++frame;
      }
      streams_[frame].insert(streams_[frame].end(), data, data + size);
      offset += size + 8;
    }
    for (const auto& stream : streams_)
      if (stream.empty()) Fail(file_, "a frame has no code stream");
  }

  const std::filesystem::path& file_;
  DcmDataset& dataset_;
  const InstanceHeader& header_;
  DcmXfer syntax_;
  DcmPixelData* pixels_ = nullptr;
  std::size_t cells_ = 0, bytes_ = 0;
  bool is_jpeg2000_ = false;
  std::vector<std::vector<std::uint8_t>> streams_;
  std::vector<Uint8> buffer_;
  Uint8* native8_ = nullptr;
  Uint16* native16_ = nullptr;
  Uint32 fragment_ = 0;
};

/// LossyImageCompression (0028,2110), or a transfer syntax that is lossy by its nature. JPEG 2000 (.91) can be either:
/// it counts as lossy unless the header says 00.
bool IsLossy(const InstanceHeader& header) {
  const std::string flag = header.Attribute("LossyImageCompression");
  if (flag == "01") return true;
  const std::string& syntax = header.transfer_syntax_uid;
  if (syntax == UID_JPEG2000TransferSyntax) return flag != "00";
  return syntax == UID_JPEGProcess1TransferSyntax || syntax == UID_JPEGProcess2_4TransferSyntax ||
         syntax == UID_JPEGLSLossyTransferSyntax;
}

void HashGeometry(Sha256& hash, const FrameGeometry& frame) {
  char text[64];
  const auto add = [&](double value) {
    const int length = std::snprintf(text, sizeof text, "%.9g;", value == 0 ? 0.0 : value);  // no minus zero
    hash.Update(text, static_cast<std::size_t>(length));
  };
  hash.Update(frame.valid ? "plane;" : "no plane;");
  for (const double x : frame.position) add(x);
  for (const double x : frame.orientation) add(x);
  for (const double x : frame.spacing) add(x);
  add(frame.rescale_slope);
  add(frame.rescale_intercept);
}

}  // namespace

void RegisterCodecs() {
  static std::once_flag once;
  std::call_once(once, [] {
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    DcmRLEDecoderRegistration::registerCodecs();
  });
}

DecodedInstance Decode(const std::filesystem::path& file, const DecodeLimits& limits) {
  RegisterCodecs();
  DecodedInstance result;
  result.header = ReadHeader(file);
  const InstanceHeader& header = result.header;
  if (!header.has_pixels) Fail(file, "no Pixel Data");
  if (header.Attribute("ImageType").find("MOSAIC") != std::string::npos)
    Fail(file, "a Siemens mosaic: many slices in one picture, which is not supported");
  const std::int64_t cells = std::int64_t{header.rows} * header.columns;  // 16 bits each: cannot overflow
  if (cells > limits.max_pixels / header.frames)
    Fail(file, std::to_string(header.rows) + " x " + std::to_string(header.columns) + " x " +
                   std::to_string(header.frames) + " pixels are more than the limit of " +
                   std::to_string(limits.max_pixels));

  DcmFileFormat object;
  const OFCondition loaded = object.loadFile(OFFilename(file.c_str()), EXS_Unknown, EGL_noChange, 4096, ERM_fileOnly);
  if (loaded.bad()) {
    // ReadHeader tolerates bytes after the pixel data. Reading stops behind it here too.
    object.clear();
    if (object
            .loadFileUntilTag(OFFilename(file.c_str()), EXS_Unknown, EGL_noChange, 4096, ERM_fileOnly,
                              DcmTagKey(0x7fe0, 0x0011))
            .bad())
      Fail(file, std::string("cannot be read: ") + loaded.text());
  }
  DcmDataset& dataset = *object.getDataset();
  const PixelLayout layout = ReadLayout(file, dataset, header);
  FrameSource source(file, dataset, header);

  Sha256 hash;
  const std::string shape = "glionode pixels 1;" + std::to_string(header.frames) + ";" + std::to_string(header.rows) +
                            ";" + std::to_string(header.columns) + ";";
  hash.Update(shape);
  std::vector<std::uint8_t> stored(static_cast<std::size_t>(cells) * 4);
  result.frames.resize(static_cast<std::size_t>(header.frames));
  for (int index = 0; index < header.frames; ++index) {
    DecodedFrame& frame = result.frames[static_cast<std::size_t>(index)];
    frame.rows = header.rows;
    frame.columns = header.columns;
    if (static_cast<std::size_t>(index) < header.geometry.size())
      frame.geometry = header.geometry[static_cast<std::size_t>(index)];
    frame.values.resize(static_cast<std::size_t>(cells));
    const double slope = frame.geometry.rescale_slope, intercept = frame.geometry.rescale_intercept;
    source.Read(index, layout, [&](std::size_t i, std::int32_t value) {
      frame.values[i] = static_cast<float>(value * slope + intercept);
      const auto bits = static_cast<std::uint32_t>(value);
      for (std::size_t k = 0; k < 4; ++k) stored[4 * i + k] = static_cast<std::uint8_t>(bits >> (8 * k));
    });
    hash.Update(stored.data(), stored.size());
    HashGeometry(hash, frame.geometry);
  }
  result.pixel_digest = hash.HexDigest();
  result.lossy = IsLossy(header);
  return result;
}

}  // namespace glionode::dicom
