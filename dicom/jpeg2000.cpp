#include "dicom/jpeg2000.h"

#include "config/error.h"

#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace glionode::dicom {
namespace {

struct Source {
  const std::uint8_t* data;
  std::size_t size, at;
};

OPJ_SIZE_T Read(void* buffer, OPJ_SIZE_T wanted, void* user) {
  auto& source = *static_cast<Source*>(user);
  const std::size_t count = std::min<std::size_t>(wanted, source.size - source.at);
  if (count == 0) return static_cast<OPJ_SIZE_T>(-1);  // OpenJPEG's sign for the end of the stream
  std::memcpy(buffer, source.data + source.at, count);
  source.at += count;
  return count;
}

OPJ_OFF_T Skip(OPJ_OFF_T count, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (count < 0) return -1;
  const auto step = std::min<std::size_t>(static_cast<std::size_t>(count), source.size - source.at);
  source.at += step;
  return static_cast<OPJ_OFF_T>(step);
}

OPJ_BOOL Seek(OPJ_OFF_T position, void* user) {
  auto& source = *static_cast<Source*>(user);
  if (position < 0 || static_cast<std::size_t>(position) > source.size) return OPJ_FALSE;
  source.at = static_cast<std::size_t>(position);
  return OPJ_TRUE;
}

void Remember(const char* message, void* user) {
  auto& text = *static_cast<std::string*>(user);
  if (text.empty()) text = message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
}

void Ignore(const char*, void*) {}

}  // namespace

std::vector<std::int32_t> DecodeJpeg2000(const std::uint8_t* data, std::size_t size, int rows, int columns) {
  static constexpr std::uint8_t kBox[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};  // ISO 15444-1 Annex I.5.1
  const bool boxed = size >= sizeof kBox && std::memcmp(data, kBox, sizeof kBox) == 0;
  std::string reason;
  const auto fail = [&reason](const std::string& what) {
    throw Error(ErrorCode::kBadDataset, "JPEG 2000: " + what + (reason.empty() ? "" : " (" + reason + ")"));
  };
  Source source{data, size, 0};
  const std::unique_ptr<opj_codec_t, void (*)(opj_codec_t*)> codec(
      opj_create_decompress(boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K), [](opj_codec_t* c) { opj_destroy_codec(c); });
  const std::unique_ptr<opj_stream_t, void (*)(opj_stream_t*)> stream(
      opj_stream_create(std::clamp<std::size_t>(size, 1, OPJ_J2K_STREAM_CHUNK_SIZE), OPJ_TRUE),
      [](opj_stream_t* s) { opj_stream_destroy(s); });
  if (!codec || !stream) fail("no memory for the decoder");
  opj_set_error_handler(codec.get(), Remember, &reason);
  opj_set_warning_handler(codec.get(), Ignore, nullptr);
  opj_set_info_handler(codec.get(), Ignore, nullptr);
  opj_stream_set_read_function(stream.get(), Read);
  opj_stream_set_skip_function(stream.get(), Skip);
  opj_stream_set_seek_function(stream.get(), Seek);
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), size);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  if (!opj_setup_decoder(codec.get(), &parameters)) fail("the decoder cannot be set up");
  opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE);  // half an image is no image

  opj_image_t* raw = nullptr;
  const bool header = opj_read_header(stream.get(), codec.get(), &raw);
  const std::unique_ptr<opj_image_t, void (*)(opj_image_t*)> image(raw, [](opj_image_t* i) {
    if (i != nullptr) opj_image_destroy(i);
  });
  if (!header || !image) fail("the code stream has no readable header");
  if (image->numcomps != 1) fail("the code stream has " + std::to_string(image->numcomps) + " components, not one");
  const auto width = std::int64_t{image->x1} - image->x0, height = std::int64_t{image->y1} - image->y0;
  if (width != columns || height != rows || image->comps[0].dx != 1 || image->comps[0].dy != 1)
    fail("the code stream is " + std::to_string(width) + " x " + std::to_string(height) + " but the header says " +
         std::to_string(columns) + " x " + std::to_string(rows));
  if (image->comps[0].prec < 1 || image->comps[0].prec > 16)
    fail(std::to_string(image->comps[0].prec) + " bits a pixel are not supported");
  if (!opj_decode(codec.get(), stream.get(), image.get())) fail("the code stream is damaged or cut short");
  const opj_image_comp_t& component = image->comps[0];
  if (component.data == nullptr || component.w != static_cast<OPJ_UINT32>(columns) ||
      component.h != static_cast<OPJ_UINT32>(rows))
    fail("the code stream is incomplete");
  return {component.data, component.data + std::size_t{component.w} * component.h};
}

}  // namespace glionode::dicom
