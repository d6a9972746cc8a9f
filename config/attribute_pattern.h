#pragma once
#include <regex>
#include <string_view>

namespace glionode {

/// A regular expression on the value of a DICOM attribute, as [[accept]] and [[role]] rules write it: ECMAScript, found
/// anywhere in the value; (?i) in front ignores the case of ASCII letters. One place, so that all rules speak one
/// dialect. Threads: const methods from any.
class AttributePattern {
 public:
  /// Longer patterns are refused by the settings loader, in characters.
  static constexpr std::size_t kLongestPattern = 1000;
  /// Only so much of a value is searched, in bytes: std::regex recurses for each character, and what a peer sends may
  /// not exhaust the stack. No attribute of an MR header that a rule is written for comes near it (PS3.5 6.2).
  static constexpr std::size_t kLongestValue = 1024;

  /// Throws std::regex_error if it is no regular expression.
  explicit AttributePattern(std::string_view pattern);

  /// False too where the search itself gives up (std::regex_error: too complex for this value).
  bool FoundIn(std::string_view value) const;

 private:
  std::regex compiled_;
};

}  // namespace glionode
