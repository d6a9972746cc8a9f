#include "dicom/identity_check.h"

#include "config/error.h"
#include "dicom/source_context.h"

#include <algorithm>
#include <array>

namespace glionode::dicom {
namespace {

/// PS3.3 C.12.1.1.2: the defined terms, with and without code extensions.
constexpr const char* kSingleByte[] = {"6",   "100", "101", "109", "110", "126", "127",
                                       "138", "144", "148", "166", "203", "13"};
constexpr const char* kMultiByte[] = {"87", "159", "149", "58"};

bool IsOneOf(const std::string& number, const char* const* begin, const char* const* end) {
  return std::any_of(begin, end, [&](const char* known) { return number == known; });
}

bool IsKnownCharacterSet(const std::string& term) {
  if (term.empty() || term == "ISO_IR 192" || term == "GB18030" || term == "GBK") return true;
  if (term.rfind("ISO_IR ", 0) == 0)
    return term != "ISO_IR 6" && IsOneOf(term.substr(7), std::begin(kSingleByte), std::end(kSingleByte));
  if (term.rfind("ISO 2022 IR ", 0) != 0) return false;
  return IsOneOf(term.substr(12), std::begin(kSingleByte), std::end(kSingleByte)) ||
         IsOneOf(term.substr(12), std::begin(kMultiByte), std::end(kMultiByte));
}

std::string Trimmed(const std::string& text) {
  const std::string blank(" \0", 2);
  const std::size_t begin = text.find_first_not_of(blank);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(blank) + 1 - begin);
}

/// The bytes as they are in the file.
std::string Bytes(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  item.findAndGetOFStringArray(tag, value);
  return {value.c_str(), value.length()};
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

bool IsAscii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// Letters of a value, which is what PS3.5 6.2 limits, not bytes. Escape sequences (ISO 2022) count as nothing;
/// two-byte sets are recognised by their escape sequence or by the high bit, as they stand in G0 or G1.
std::size_t CountCharacters(const std::string& text, const std::string& character_set) {
  const bool utf8 = character_set == "ISO_IR 192", gb = character_set == "GB18030" || character_set == "GBK";
  const bool extended = character_set.find("ISO 2022") != std::string::npos;
  std::size_t count = 0;
  bool two_in_g0 = false, two_in_g1 = false;
  for (std::size_t i = 0; i < text.size(); ++i, ++count) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (extended && byte == 0x1b) {
      // ESC $ B, ESC $ ( D: two bytes each from here on; ESC $ ) C the same for bytes with the high bit.
      std::size_t last = i + 1;
      while (last < text.size() && text[last] >= 0x20 && text[last] < 0x30) ++last;
      const std::string middle = text.substr(i + 1, last - i - 1);
      const bool to_g1 = middle.find(')') != std::string::npos;
      (to_g1 ? two_in_g1 : two_in_g0) = middle.find('$') != std::string::npos;
      i = last;
      --count;
    } else if (utf8) {
      while (i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xc0) == 0x80) ++i;
    } else if (gb && byte >= 0x81 && i + 1 < text.size()) {
      i += text[i + 1] >= '0' && text[i + 1] <= '9' ? 3 : 1;
    } else if (byte >= 0x80 ? two_in_g1 : two_in_g0) {
      ++i;
    }
  }
  return count;
}

/// "" or what is wrong with a text of at most `longest` characters and one value.
std::string WrongText(const std::string& text, const std::string& character_set, std::size_t longest) {
  const bool extended = character_set.find("ISO 2022") != std::string::npos;
  // In a shifted two-byte set and in GB18030 the bytes of \ and control characters may be halves of others.
  const bool halves = extended || character_set == "GB18030" || character_set == "GBK";
  for (const char c : text) {
    if (c >= 0 && c < 0x20 && !(extended && c == 0x1b)) return "holds control characters";
    if (c == '\\' && !halves) return "holds more than one value";
  }
  if (CountCharacters(text, character_set) > longest)
    return "is longer than " + std::to_string(longest) + " characters";
  return "";
}

std::string WrongName(const std::string& name, const std::string& character_set) {
  // PS3.5 6.2.1: up to three groups of 64 characters each.
  const auto groups = Split(name, '=');
  if (groups.size() > 3) return "has more than three groups";
  for (const std::string& group : groups) {
    const std::string wrong = WrongText(group, character_set, 64);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

/// Of everything that is copied: is there text that needs the character set to be read?
bool NeedsCharacterSet(DcmItem& item) {
  DcmStack stack;
  while (item.nextObject(stack, OFTrue).good()) {
    auto* element = dynamic_cast<DcmElement*>(stack.top());
    if (element == nullptr || !element->isLeaf() || !element->isAffectedBySpecificCharacterSet()) continue;
    const Uint16 group = element->getGTag();
    if (group != 0x0008 && group != 0x0010 && group != 0x0012 && group != 0x0020 && group != 0x0032 && group != 0x0040)
      continue;
    OFString value;
    element->getOFStringArray(value);
    if (!IsAscii(std::string(value.c_str(), value.length()))) return true;
  }
  return false;
}

IdentityProblem Illegal(const std::string& text) { return {"illegal_identity", text}; }

}  // namespace

bool HasKnownCharacterSet(DcmItem& source) {
  const auto terms = Split(Bytes(source, DCM_SpecificCharacterSet), '\\');
  return std::all_of(terms.begin(), terms.end(),
                     [](const std::string& term) { return IsKnownCharacterSet(Trimmed(term)); });
}

bool HasLegalLength(DcmElement& element, std::size_t longest) {
  DcmItem* data_set = element.getParentItem();
  while (data_set != nullptr && data_set->getParentItem() != nullptr) data_set = data_set->getParentItem();
  const std::string character_set = data_set != nullptr ? Bytes(*data_set, DCM_SpecificCharacterSet) : "";
  OFString value;
  element.getOFStringArray(value);
  const std::string text(value.c_str(), value.length());
  for (const std::string& part : Split(text, element.ident() == EVR_PN ? '=' : '\\'))
    if (CountCharacters(Trimmed(part), character_set) > longest) return false;
  return true;
}

std::optional<IdentityProblem> FindIdentityProblem(DcmItem& source) {
  const std::string id = Trimmed(Bytes(source, DCM_PatientID));
  if (id.empty()) return IdentityProblem{"no_patient_id", "The images carry no Patient ID."};
  const std::string character_set = Bytes(source, DCM_SpecificCharacterSet);
  if (!HasKnownCharacterSet(source) && NeedsCharacterSet(source))
    return Illegal("The images name their character set by a term that DICOM does not know, and hold text in it.");
  for (const auto& [tag, name] :
       {std::pair{DCM_PatientID, "Patient ID"}, {DCM_IssuerOfPatientID, "Issuer of Patient ID"}})
    if (const auto wrong = WrongText(Trimmed(Bytes(source, tag)), character_set, 64); !wrong.empty())
      return Illegal(std::string("The ") + name + " of the images " + wrong + ".");
  if (const auto wrong = WrongName(Trimmed(Bytes(source, DCM_PatientName)), character_set); !wrong.empty())
    return Illegal("The Patient's Name of the images " + wrong + ".");
  return std::nullopt;
}

std::optional<IdentityProblem> FindIdentityProblem(const std::filesystem::path& source_file) {
  return FindIdentityProblem(*LoadHead(source_file)->getDataset());
}

}  // namespace glionode::dicom
