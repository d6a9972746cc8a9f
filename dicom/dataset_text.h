#pragma once
// Internal to dicom/: it shows DCMTK types, so no other folder includes it.
#include <dcmtk/dcmdata/dcspchrs.h>
#include <dcmtk/dcmdata/dctk.h>

#include <optional>
#include <string>
#include <vector>

namespace glionode::dicom {

/// Turns values of one data set into UTF-8 by its Specific Character Set (0008,0005), PS3.3 C.12.1.1.2.
/// Never fails: bytes that the declared character set does not explain are kept if they are UTF-8 already, else read as
/// Latin-1, so that a name with one bad byte does not cost the hospital the image.
/// Threads: one object per thread.
class TextReader {
 public:
  explicit TextReader(DcmItem& dataset);
  ~TextReader();
  TextReader(const TextReader&) = delete;
  TextReader& operator=(const TextReader&) = delete;

  /// All values of an element as UTF-8 with backslashes between them, padding trimmed (PS3.5 6.2); "" if it has none.
  std::string Text(DcmElement& element);
  /// The same for a tag directly in `item`; "" if absent.
  std::string Text(DcmItem& item, const DcmTagKey& tag);

 private:
  std::string ToUtf8(const std::string& bytes);
  std::string charset_;
  DcmSpecificCharacterSet converter_;
  bool converter_tried_ = false, converter_ready_ = false;
};

/// `count` finite numbers of a DS, FD or similar element; empty if fewer or not finite.
std::vector<double> Numbers(DcmItem& item, const DcmTagKey& tag, unsigned long count);

/// The number `index` of an element, if it is there and finite.
std::optional<double> Number(DcmItem& item, const DcmTagKey& tag, unsigned long index = 0);

/// Item `index` of a sequence directly in `item`, or null.
DcmItem* SequenceItem(DcmItem& item, const DcmTagKey& sequence, long index = 0);

/// A number as short text for keys and people: at most `digits` significant digits, never a locale's comma.
std::string ShortNumber(double value, int digits = 6);

}  // namespace glionode::dicom
