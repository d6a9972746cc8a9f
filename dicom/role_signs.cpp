#include "dicom/role_signs.h"

#include <algorithm>
#include <regex>

namespace glionode::dicom {
namespace {

/// The letters of Latin-1 in UTF-8 (U+00C0 to U+00FF) as ASCII writes them: e with an accent is "e", an umlaut "ae", a
/// Nordic o "oe". Other bytes stay, and end a word.
std::string WithoutAccents(std::string_view text) {
  static constexpr std::string_view kAscii[64] = {
      "A", "A", "A", "A", "AE", "A", "AE", "C", "E",  "E", "E", "E", "I",  "I", "I",  "I",
      "D", "N", "O", "O", "O",  "O", "OE", " ", "OE", "U", "U", "U", "UE", "Y", "TH", "ss",
      "a", "a", "a", "a", "ae", "a", "ae", "c", "e",  "e", "e", "e", "i",  "i", "i",  "i",
      "d", "n", "o", "o", "o",  "o", "oe", " ", "oe", "u", "u", "u", "ue", "y", "th", "y"};
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool letter = text[i] == '\xc3' && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) >> 6) == 2;
    if (letter)
      plain += kAscii[static_cast<unsigned char>(text[++i]) & 63U];
    else
      plain += text[i];
  }
  return plain;
}

}  // namespace

std::string SpellOutSigns(std::string_view text) {
  struct Sign {
    std::regex pattern;
    const char* word;
  };
  const auto flags = std::regex::icase | std::regex::optimize;
  static const Sign signs[] = {
      {std::regex(R"(\bi\.\s*v\.?(?![a-z]))", flags), " iv "},
      {std::regex(R"(\bT[\s-]*2w?[\s-]*(\*|star\b))", flags), " t2star "},
      {std::regex(R"(\bw\s*(/|&|\+|and|\s)\s*w\s*/?\s*o\b)", flags), " wwo "},
      {std::regex(R"((\+\s*/\s*-|\xc2\xb1)\s*(c|ce|gd|gad|km|contrast|iv)?(?![a-z0-9]))", flags), " wwo "},
      // "with and without" in the languages of the vocabulary, in either order.
      {std::regex(R"(\b(with|mit|avec|con|com|met|med)\s*(and|und|et|y|e|en|og|och|[&/+,])\s*)"
                  R"((without|ohne|sans|sin|senza|sem|zonder|uten|uden|utan)\b)",
                  flags),
       " wwo "},
      {std::regex(R"(\b(without|ohne|sans|sin|senza|sem|zonder|uten|uden|utan)\s*(and|und|et|y|e|en|og|och|[&/+,])\s*)"
                  R"((with|mit|avec|con|com|met|med)\b)",
                  flags),
       " wwo "},
      {std::regex(R"(\bw\s*/\s*o\b)", flags), " wo "},
      {std::regex(R"(\bw\s*/)", flags), " with "},
      {std::regex(R"(\bs\s*/\s*c\b)", flags), " minusc "},
      {std::regex(R"(\bc\s*/\s*c\b)", flags), " plusc "},
      {std::regex(R"(\bs\s*/\s*(?=(mdc|contr|gd|gad|km|iv\b|civ|cte)))", flags), " senza "},
      {std::regex(R"(\bc\s*/\s*(?=(mdc|contr|gd|gad|km|iv\b|civ|cte)))", flags), " con "},
      {std::regex(R"(\biv\s*\+)", flags), " plusc "},
      {std::regex(R"(\biv-(?=\s|$|\)))", flags), " minusc "},
      {std::regex(R"(\+\s*(c|ce|gd|gad|km|k|contrast|iv)(?![a-z0-9]))", flags), " plusc "},
      {std::regex(R"(\+\s*($|\)))", flags), " plusc "},
      {std::regex(R"(\+(?![a-z0-9]))", flags), " plusmaybe "},
      {std::regex(R"(\bc\s*\+)", flags), " plusc "},
      {std::regex(R"((^|[\s_(])-\s*c(?![a-z0-9]))", flags), " minusc "},
      // "c 1.5mm": a letter between other things in front of a thickness need not mean contrast.
      {std::regex(R"(\bc\s+(?=[0-9]+([.,][0-9]+)?\s*mm\b))", flags), " plusmaybe "},
      // "-KM" as "+KM": a dash between blanks only separates.
      {std::regex(R"((^|[\s(])-(ce|gd|gad|gado|km|contrast|iv)(?![a-z0-9]))", flags), " minusc "},
      {std::regex(R"(\bc-(?=\s|$|\)))", flags), " minusc "},
      {std::regex(R"(\bk\.\s*m\.)", flags), " km "},
      {std::regex(R"(\bm\.\s*d\.\s*c\.?(?![a-z]))", flags), " mdc "},
      {std::regex(R"(\bfield[\s-]*echo\b)", flags), " fe "},
      {std::regex(R"(\bT1[\s-]*rho\b)", flags), " t1rho "},
      {std::regex(R"(\b([ms])\.\s*km\b)", flags), " km "},
      {std::regex(R"(\b[ouv]\.\s*(km|kontrast|gd|gado)\b)", flags), " minusc "},
      {std::regex(R"(\b(dark[\s-]*fluid|da[\s-]fl\b))", flags), " darkfluid "},
      {std::regex(R"(\bmp[\s_-]+rage)", flags), " mprage "},
      // Of a Dixon only the water and in-phase images are T1 or T2 (Siemens writes _W _F _in _opp, GE "FAT: ").
      {std::regex(R"((dixon\b.*\s)(f|fat|opp|out)\s*$)", flags), "$1 fatimage "},
      {std::regex(R"((dixon\b.*\s)w\s*$)", flags), "$1 water "},
      {std::regex(R"(^\s*(fat|out[\s-]*phase)\s*:)", flags), " fatimage "},
      {std::regex(R"(\bT[\s-]([12])(?![0-9a-vx-z.]))", flags), " t$1 "},
      {std::regex(R"(\bb[\s=-]*([1-9][0-9]{2,3})\b)", flags), " dwib "},
      {std::regex(R"(\b(3|three|tri)[\s_-]*(pl|plane)\b)", flags), " threeplane "},
  };
  // Underscores join words for std::regex's \b: they are blanks here.
  std::string result = WithoutAccents(text);
  std::replace(result.begin(), result.end(), '_', ' ');
  for (const Sign& sign : signs) result = std::regex_replace(result, sign.pattern, sign.word);
  return result;
}

}  // namespace glionode::dicom
