#include "server/accept_rules.h"

#include <chrono>
#include <cstdlib>

namespace glionode::server {
std::optional<int> DaysSince(const std::string& date, WallMs now) {
  if (date.size() != 8 || date.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  namespace ch = std::chrono;
  const ch::year_month_day day(ch::year(std::atoi(date.substr(0, 4).c_str())),
                               ch::month(std::atoi(date.substr(4, 2).c_str())),
                               ch::day(std::atoi(date.substr(6, 2).c_str())));
  if (!day.ok()) return std::nullopt;
  const auto today = ch::floor<ch::days>(ch::sys_time<ch::milliseconds>(ch::milliseconds(now)));
  return static_cast<int>((today - ch::sys_days(day)).count());
}

AcceptRules::AcceptRules(const std::vector<AcceptRule>& rules) {
  for (const AcceptRule& rule : rules) {
    Compiled compiled{rule, {}};
    for (const auto& [keyword, pattern] : rule.matches) compiled.patterns.emplace(keyword, AttributePattern(pattern));
    rules_.push_back(std::move(compiled));
  }
}

std::optional<std::string> AcceptRules::Match(const std::map<std::string, std::string>& attributes,
                                              const std::string& peer, WallMs now) const {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Compiled& candidate = rules_[i];
    if (!candidate.rule.peer.empty() && candidate.rule.peer != peer) continue;
    if (candidate.rule.max_age_days > 0) {
      const auto date = attributes.find("StudyDate");
      const auto age = date == attributes.end() ? std::nullopt : DaysSince(date->second, now);
      if (!age || *age > candidate.rule.max_age_days) continue;
    }
    bool holds = true;
    for (const auto& [keyword, pattern] : candidate.patterns) {
      const auto value = attributes.find(keyword);
      holds &= pattern.FoundIn(value == attributes.end() ? std::string_view() : value->second);
    }
    if (holds) return "accept rule " + std::to_string(i + 1) + " (line " + std::to_string(candidate.rule.line) + ")";
  }
  return std::nullopt;
}

}  // namespace glionode::server
