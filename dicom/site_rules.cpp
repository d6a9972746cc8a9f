#include "dicom/site_rules.h"

#include "dicom/role_rules.h"

#include <algorithm>

namespace glionode::dicom {
namespace {

struct Holds {
  const std::string& value;
  bool operator()(const AttributePattern& pattern) const { return pattern.FoundIn(value); }
  bool operator()(const NumberRange& range) const {
    const auto number = FirstNumber(value);
    return number && (!range.min || *number >= *range.min) && (!range.max || *number <= *range.max);
  }
};

}  // namespace

SiteRules::SiteRules(const std::vector<RoleRule>& rules) {
  std::vector<Compiled> compiled;
  for (const RoleRule& rule : rules) {
    const std::string number = std::to_string(compiled.size() + 1);
    Compiled made{{rule.role, "site rule " + number + " (line " + std::to_string(rule.line) + ")", ""}, rule.peer, {}};
    for (const auto& [keyword, condition] : rule.matches) {
      made.match.keywords += (made.match.keywords.empty() ? "" : ", ") + keyword;
      if (const auto* pattern = std::get_if<std::string>(&condition))
        made.conditions.emplace(keyword, AttributePattern(*pattern));
      else
        made.conditions.emplace(keyword, std::get<NumberRange>(condition));
    }
    compiled.push_back(std::move(made));
  }
  rules_ = std::make_shared<const std::vector<Compiled>>(std::move(compiled));
}

std::optional<SiteRules::Match> SiteRules::Find(const std::map<std::string, std::string>& attributes,
                                                const std::string& peer) const {
  if (!rules_) return std::nullopt;
  static const std::string absent;
  for (const Compiled& rule : *rules_) {
    if (!rule.peer.empty() && rule.peer != peer) continue;
    const bool fits = std::all_of(rule.conditions.begin(), rule.conditions.end(), [&](const auto& entry) {
      const auto value = attributes.find(entry.first);
      return std::visit(Holds{value == attributes.end() ? absent : value->second}, entry.second);
    });
    if (fits) return rule.match;
  }
  return std::nullopt;
}

}  // namespace glionode::dicom
