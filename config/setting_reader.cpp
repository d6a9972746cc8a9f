#include "config/setting_reader.h"

#include "config/attribute_pattern.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <tuple>

namespace glionode {
namespace {

std::string Quote(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, 60)) shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return shown + (text.size() > 60 ? "...\"" : "\"");
}

std::string Describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return "the text " + Quote(text->get());
  std::ostringstream out;
  if (const auto* integer = node.as_integer()) {
    out << integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    out << number->get();
  } else if (const auto* truth = node.as_boolean()) {
    out << (truth->get() ? "true" : "false");
  } else if (node.is_array()) {
    out << "a list";
  } else if (node.is_table()) {
    out << "a table";
  } else {
    out << "a date or time";
  }
  return out.str();
}

/// The coding schemes of PS3.16 table 8-1 that a finding may come from.
constexpr const char* kCodingSchemes[] = {"DCM", "SCT",  "LN",   "NCIt",  "UMLS", "RADLEX", "FMA",
                                          "I10", "I10P", "I11",  "ICDO3", "MSH",  "SRT",    "SNM3",
                                          "HPO", "ACR",  "ICDO", "I9C",   "I9",   "MEDDRA", "NCDR"};

bool IsCodingScheme(const std::string& text) {
  if (text.size() > 2 && text.compare(0, 2, "99") == 0) return true;
  return std::find(std::begin(kCodingSchemes), std::end(kCodingSchemes), text) != std::end(kCodingSchemes);
}

/// ASCII that may stand in SH and LO, with no blanks around it.
bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '\\'; }) &&
         text.front() != ' ' && text.back() != ' ';
}

bool IsAddress(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

/// RFC 1123 2.1, with the underscore that hospital networks use all the same.
bool IsHostName(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  std::size_t label = 0;
  bool letter = false;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') return false;
    if (label == 0 && c == '-') return false;
    if (!std::isdigit(static_cast<unsigned char>(c))) letter = true;
    if (++label > 63) return false;
  }
  return letter;  // digits and dots alone are a mistyped address, never a name
}

bool IsSource(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return IsAddress(text) || IsHostName(text);
  const std::string address = text.substr(0, slash), bits = text.substr(slash + 1);
  if (!IsAddress(address) || bits.empty() || bits.size() > 3) return false;
  if (!std::all_of(bits.begin(), bits.end(), [](unsigned char c) { return std::isdigit(c); })) return false;
  return std::stoi(bits) <= (address.find(':') == std::string::npos ? 32 : 128);
}

std::string NumberText(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

std::vector<Finding> SettingReader::TakeFindings() {
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  errors_ = 0;
  return std::move(findings_);
}

void SettingReader::Add(bool is_error, const toml::source_region& where, std::string text) {
  Finding finding;
  finding.is_error = is_error;
  finding.line = std::max(1, static_cast<int>(where.begin.line));
  finding.column = std::max(1, static_cast<int>(where.begin.column));
  finding.text = std::move(text);
  findings_.push_back(std::move(finding));
  if (is_error) ++errors_;
}

bool SettingReader::WrongType(const std::string& name, const toml::node& node, const std::string& expected) {
  Error(node.source(), name + ": expected " + expected + ", found " + Describe(node));
  return false;
}

bool SettingReader::ReadText(const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  if (!text) return WrongType(name, node, "a text in quotes");
  if (text->get().empty()) return WrongType(name, node, "a text that is not empty");
  if (text->get().find('\0') != std::string::npos) return WrongType(name, node, "a text without NUL");
  out = text->get();
  return true;
}

bool SettingReader::ReadChoice(const std::string& name, const toml::node& node, std::string& out,
                               std::initializer_list<std::string_view> choices) {
  std::string expected = "one of";
  std::vector<std::string> words;
  for (const auto choice : choices) {
    expected += (words.empty() ? " " : ", ") + Quote(choice);
    words.emplace_back(choice);
  }
  const auto* text = node.as_string();
  if (!text) return WrongType(name, node, expected);
  if (std::find(words.begin(), words.end(), text->get()) == words.end()) {
    Error(node.source(),
          name + ": expected " + expected + ", found " + Describe(node) + DidYouMean(text->get(), words));
    return false;
  }
  out = text->get();
  return true;
}

bool SettingReader::ReadInt(const std::string& name, const toml::node& node, std::int64_t& out, std::int64_t lowest,
                            std::int64_t highest) {
  const auto* value = node.as_integer();
  if (!value || value->get() < lowest || value->get() > highest)
    return WrongType(name, node, "a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  out = value->get();
  return true;
}

bool SettingReader::ReadInt(const std::string& name, const toml::node& node, int& out, int lowest, int highest) {
  std::int64_t value = 0;
  if (!ReadInt(name, node, value, lowest, highest)) return false;
  out = static_cast<int>(value);
  return true;
}

bool SettingReader::ReadNumber(const std::string& name, const toml::node& node, double& out, double lowest,
                               double highest) {
  const auto value = node.is_number() ? node.value<double>() : std::nullopt;
  if (!value || !std::isfinite(*value) || *value < lowest || *value > highest)
    return WrongType(name, node, "a number from " + NumberText(lowest) + " to " + NumberText(highest));
  out = *value;
  return true;
}

bool SettingReader::ReadBool(const std::string& name, const toml::node& node, bool& out) {
  const auto* value = node.as_boolean();
  if (!value) return WrongType(name, node, "true or false");
  out = value->get();
  return true;
}

bool SettingReader::ReadAeTitle(const std::string& name, const toml::node& node, std::string& out) {
  static const std::string kExpected = "an AE title (1 to 16 ASCII characters, not only blanks, no backslash)";
  const auto* text = node.as_string();
  if (!text) return WrongType(name, node, kExpected);
  const std::string& whole = text->get();
  const std::size_t first = whole.find_first_not_of(' ');
  if (first == std::string::npos) return WrongType(name, node, kExpected);
  const std::string title = whole.substr(first, whole.find_last_not_of(' ') - first + 1);
  const bool legal = std::all_of(title.begin(), title.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '\\'; });
  if (title.size() > 16 || !legal) return WrongType(name, node, kExpected);
  out = title;
  return true;
}

bool SettingReader::ReadAeTitles(const std::string& name, const toml::node& node, std::vector<std::string>& out) {
  const auto* list = node.as_array();
  if (!list || list->empty())
    return WrongType(name, node, "a list of AE titles that is not empty, such as [\"OLD_PACS\"]");
  std::vector<std::string> titles;
  bool good = true;
  for (const toml::node& entry : *list) {
    std::string title;
    good = ReadAeTitle(name, entry, title) && good;
    titles.push_back(title);
  }
  if (good) out = std::move(titles);
  return good;
}

bool SettingReader::ReadBindAddress(const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  if (!text || !IsAddress(text->get()))
    return WrongType(name, node, "an address of this machine, such as \"0.0.0.0\", \"127.0.0.1\" or \"::\"");
  out = text->get();
  return true;
}

bool SettingReader::ReadHost(const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  if (!text || (!IsAddress(text->get()) && !IsHostName(text->get())))
    return WrongType(name, node, "a host name or an address, without a port");
  out = text->get();
  return true;
}

bool SettingReader::ReadHosts(const std::string& name, const toml::node& node, std::vector<std::string>& out) {
  const auto* list = node.as_array();
  if (!list) return WrongType(name, node, "a list of host names, such as [\"glionode.hospital.example\"]");
  std::vector<std::string> hosts;
  bool good = true;
  for (const toml::node& entry : *list) {
    std::string host;
    if (ReadHost(name, entry, host))
      hosts.push_back(std::move(host));
    else
      good = false;
  }
  if (good) out = std::move(hosts);
  return good;
}

bool SettingReader::ReadSources(const std::string& name, const toml::node& node, std::vector<std::string>& out) {
  static const std::string kExpected =
      "a list of addresses, ranges or host names, such as [\"10.20.0.5\", \"10.21.0.0/24\"]";
  const auto* list = node.as_array();
  if (!list || list->empty()) return WrongType(name, node, list ? kExpected + " that is not empty" : kExpected);
  std::vector<std::string> sources;
  bool good = true;
  for (const toml::node& entry : *list) {
    const auto* text = entry.as_string();
    if (!text || !IsSource(text->get())) {
      good = WrongType(name, entry, "an address (10.20.0.5), a range (10.20.0.0/24, fd00::/8) or a host name");
      continue;
    }
    const std::string& source = text->get();
    if (source.size() > 2 && source.compare(source.size() - 2, 2, "/0") == 0)
      Warn(entry.source(), name + ": " + Quote(source) + " admits every address");
    sources.push_back(source);
  }
  if (good) out = std::move(sources);
  return good;
}

bool SettingReader::ReadPath(const std::string& name, const toml::node& node, std::filesystem::path& out) {
  std::string text;
  if (!ReadText(name, node, text)) return false;
  out = (folder_ / text).lexically_normal();
  if (!out.has_filename()) out = out.parent_path();
  return true;
}

bool SettingReader::ReadFile(const std::string& name, const toml::node& node, std::filesystem::path& out) {
  std::filesystem::path file;
  if (!ReadPath(name, node, file)) return false;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored) || !std::ifstream(file)) {
    Error(node.source(), name + ": " + file.string() + " cannot be read: is it there, and may this user read it?");
    return false;
  }
  out = file;
  return true;
}

bool SettingReader::ReadRegex(const std::string& name, const toml::node& node, std::string& out) {
  const auto* text = node.as_string();
  if (!text) return WrongType(name, node, "a regular expression in quotes");
  if (text->get().size() > AttributePattern::kLongestPattern)
    return WrongType(
        name, node,
        "a regular expression of at most " + std::to_string(AttributePattern::kLongestPattern) + " characters");
  try {
    const AttributePattern compiled(text->get());
  } catch (const std::regex_error& error) {
    Error(node.source(), name + ": this is no regular expression (ECMAScript): " + error.what());
    return false;
  }
  out = text->get();
  return true;
}

bool SettingReader::ReadCode(const std::string& name, const toml::node& node, ReportCode& out) {
  const auto* table = node.as_table();
  if (!table) return WrongType(name, node, "{ value = \"...\", scheme = \"...\", meaning = \"...\" }");
  ReportCode code;
  bool good = true;
  // PS3.5 6.2: SH holds 16 characters, LO 64. ASCII, because they stand beside names in any character set.
  const std::tuple<const char*, std::string*, std::size_t> parts[] = {
      {"value", &code.value, 16}, {"scheme", &code.scheme, 16}, {"meaning", &code.meaning, 64}};
  for (const auto& [part, target, longest] : parts) {
    const toml::node* given = table->get(part);
    if (!given) {
      Error(node.source(), name + ": " + part + " is missing; a code has value, scheme and meaning");
      good = false;
    } else if (!ReadText(name + "." + part, *given, *target)) {
      good = false;
    } else if (target->empty() || target->size() > longest || !IsPlain(*target)) {
      Error(given->source(), name + "." + part + ": expected 1 to " + std::to_string(longest) +
                                 " characters of ASCII without a backslash, found " + Quote(*target));
      good = false;
    } else if (std::string_view(part) == "scheme" && !IsCodingScheme(*target)) {
      Error(given->source(), name + ".scheme: " + Quote(*target) +
                                 " is no coding scheme of PS3.16 table 8-1; private ones begin with 99" +
                                 DidYouMean(*target, {std::begin(kCodingSchemes), std::end(kCodingSchemes)}));
      good = false;
    }
  }
  for (auto&& [key, value] : *table)
    if (key.str() != "value" && key.str() != "scheme" && key.str() != "meaning") {
      Error(key.source(), "unknown key " + name + "." + std::string(key.str()) +
                              DidYouMean(key.str(), {"value", "scheme", "meaning"}));
      good = false;
    }
  if (good) out = code;
  return good;
}

bool SettingReader::ReadCondition(const std::string& name, const toml::node& node, AttributeCondition& out) {
  if (node.is_string()) {
    std::string pattern;
    if (!ReadRegex(name, node, pattern)) return false;
    if (pattern.empty() || pattern == "(?i)") {
      Error(node.source(), name + ": an empty pattern fits every series; for an empty value write \"^$\"");
      return false;
    }
    out = std::move(pattern);
    return true;
  }
  const auto* table = node.as_table();
  if (!table) return WrongType(name, node, "a regular expression in quotes, or { min = 1, max = 2 } for a number");
  NumberRange range;
  bool good = true;
  constexpr double kLargest = 1e12;  // far beyond every attribute; a range is open by leaving a side out
  for (auto&& [key, value] : *table) {
    const std::string side(key.str());
    double number = 0;
    if (side != "min" && side != "max") {
      Error(key.source(),
            "unknown key " + name + "." + side + ": expected min or max" + DidYouMean(side, {"min", "max"}));
      good = false;
    } else if (!ReadNumber(name + "." + side, value, number, -kLargest, kLargest)) {
      good = false;
    } else {
      (side == "min" ? range.min : range.max) = number;
    }
  }
  if (!good) return false;
  if (table->empty()) return WrongType(name, node, "min, max or both between the braces");
  if (range.min && range.max && *range.min > *range.max) {
    Error(node.source(), name + ": min (" + NumberText(*range.min) + ") is greater than max (" +
                             NumberText(*range.max) + "); no number fits");
    return false;
  }
  out = range;
  return true;
}

}  // namespace glionode
