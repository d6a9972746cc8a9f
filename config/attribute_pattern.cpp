#include "config/attribute_pattern.h"

namespace glionode {
namespace {

constexpr std::string_view kIgnoreCase = "(?i)";

std::regex Compile(std::string_view pattern) {
  auto flags = std::regex::ECMAScript | std::regex::optimize;
  if (pattern.substr(0, kIgnoreCase.size()) == kIgnoreCase) {
    pattern.remove_prefix(kIgnoreCase.size());
    flags |= std::regex::icase;
  }
  return {pattern.begin(), pattern.end(), flags};
}

}  // namespace

AttributePattern::AttributePattern(std::string_view pattern) : compiled_(Compile(pattern)) {}

bool AttributePattern::FoundIn(std::string_view value) const {
  value = value.substr(0, kLongestValue);
  try {
    return std::regex_search(value.begin(), value.end(), compiled_);
  } catch (const std::regex_error&) {
    return false;
  }
}

}  // namespace glionode
