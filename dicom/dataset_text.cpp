#include "dicom/dataset_text.h"

#include <dcmtk/ofstd/ofchrenc.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace glionode::dicom {
namespace {

bool IsAscii(const std::string& bytes) {
  for (const char c : bytes)
    if (static_cast<unsigned char>(c) >= 0x80 || c == 0x1b) return false;
  return true;
}

/// Well-formed UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(const std::string& bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    const int extra = lead < 0x80                    ? 0
                      : lead >= 0xc2 && lead <= 0xdf ? 1
                      : (lead & 0xf0) == 0xe0        ? 2
                      : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                     : -1;
    if (extra < 0 || i + static_cast<std::size_t>(extra) >= bytes.size()) return false;
    std::uint32_t code = extra == 0 ? lead : lead & (0x3fu >> extra);
    for (int k = 1; k <= extra; ++k) {
      const auto next = static_cast<unsigned char>(bytes[i + static_cast<std::size_t>(k)]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    if ((extra == 2 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
        (extra == 3 && (code < 0x10000 || code > 0x10ffff)))
      return false;
    i += static_cast<std::size_t>(extra) + 1;
  }
  return true;
}

std::string Latin1ToUtf8(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

bool IsPadding(char c) { return c == ' ' || c == '\0'; }

std::string Trimmed(const std::string& text, bool leading) {
  std::size_t begin = 0, end = text.size();
  while (end > begin && IsPadding(text[end - 1])) --end;
  while (leading && begin < end && IsPadding(text[begin])) ++begin;
  return text.substr(begin, end - begin);
}

}  // namespace

TextReader::TextReader(DcmItem& dataset) {
  OFString value;
  if (dataset.findAndGetOFStringArray(DCM_SpecificCharacterSet, value).good())
    charset_ = Trimmed(std::string(value.c_str(), value.size()), true);
}

TextReader::~TextReader() = default;

std::string TextReader::ToUtf8(const std::string& bytes) {
  if (IsAscii(bytes)) return bytes;
  if (charset_ == "ISO_IR 192") return IsUtf8(bytes) ? bytes : Latin1ToUtf8(bytes);
  if (charset_ == "ISO_IR 100") return Latin1ToUtf8(bytes);
  if (!converter_tried_) {  // opening iconv costs more than a whole header of ASCII, so only when a value needs it
    converter_tried_ = true;
    converter_ready_ = !charset_.empty() && converter_.selectCharacterSet(OFString(charset_.c_str())).good();
  }
  OFString converted;
  // Code extensions fall back to the first set at these delimiters (PS3.5 6.1.2.5.3).
  if (converter_ready_ && converter_.convertString(OFString(bytes.data(), bytes.size()), converted, "\\^=").good()) {
    std::string text(converted.data(), converted.size());
    if (IsUtf8(text)) return text;
  }
  // glibc's iconv has no ISO-IR 87 and 159, so DCMTK cannot convert Japanese names; it has their ISO 2022 envelope.
  if (bytes.find('\x1b') != std::string::npos &&
      (charset_.find("ISO 2022 IR 87") != std::string::npos || charset_.find("ISO 2022 IR 159") != std::string::npos)) {
    OFCharacterEncoding japanese;
    if (japanese.selectEncoding("ISO-2022-JP-2", "UTF-8").good() &&
        japanese.convertString(OFString(bytes.data(), bytes.size()), converted).good())
      return std::string(converted.data(), converted.size());
  }
  return IsUtf8(bytes) ? bytes : Latin1ToUtf8(bytes);
}

std::string TextReader::Text(DcmElement& element) {
  OFString raw;
  const DcmEVR vr = element.ident();
  if (element.getOFStringArray(raw, OFFalse).bad()) return {};
  const std::string text = ToUtf8(std::string(raw.data(), raw.size()));
  // ST, LT and UT hold one value in which a backslash is a plain character and leading blanks count.
  if (vr == EVR_ST || vr == EVR_LT || vr == EVR_UT) return Trimmed(text, false);
  std::string result;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find('\\', begin);
    result += Trimmed(text.substr(begin, end == std::string::npos ? end : end - begin), true);
    if (end == std::string::npos) break;
    result += '\\';
    begin = end + 1;
  }
  return result;
}

std::string TextReader::Text(DcmItem& item, const DcmTagKey& tag) {
  DcmElement* element = nullptr;
  return item.findAndGetElement(tag, element).good() && element != nullptr ? Text(*element) : std::string();
}

std::optional<double> Number(DcmItem& item, const DcmTagKey& tag, unsigned long index) {
  OFString text;
  if (item.findAndGetOFString(tag, text, index).bad()) return std::nullopt;
  const std::string trimmed = Trimmed(std::string(text.data(), text.size()), true);
  const char* begin = trimmed.c_str();
  if (*begin == '+') ++begin;
  double value = 0;
  const auto [end, error] = std::from_chars(begin, trimmed.c_str() + trimmed.size(), value);
  if (error != std::errc() || end != trimmed.c_str() + trimmed.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::vector<double> Numbers(DcmItem& item, const DcmTagKey& tag, unsigned long count) {
  std::vector<double> values;
  for (unsigned long i = 0; i < count; ++i) {
    const auto value = Number(item, tag, i);
    if (!value) return {};
    values.push_back(*value);
  }
  return values;
}

DcmItem* SequenceItem(DcmItem& item, const DcmTagKey& sequence, long index) {
  DcmSequenceOfItems* items = nullptr;
  if (item.findAndGetSequence(sequence, items).bad() || items == nullptr) return nullptr;
  if (index < 0 || static_cast<unsigned long>(index) >= items->card()) return nullptr;
  return items->getItem(static_cast<unsigned long>(index));
}

std::string ShortNumber(double value, int digits) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits);
  return std::string(buffer, result.ptr);
}

}  // namespace glionode::dicom
