#pragma once
#include "config/attribute_pattern.h"
#include "config/clock.h"
#include "config/settings.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glionode::server {

/// The [[accept]] rules, compiled: which studies are evaluated. Nothing in an MR header says glioma or radiotherapy, so
/// a site says it here. Threads: const methods from any.
class AcceptRules {
 public:
  explicit AcceptRules(const std::vector<AcceptRule>& rules);

  /// The first rule whose every condition holds, in words for the administrator; empty if none does.
  /// `attributes`: DICOM keyword -> value of one image; `peer`: calling AE title. A rule with max_age_days never takes
  /// a study without a readable StudyDate.
  std::optional<std::string> Match(const std::map<std::string, std::string>& attributes, const std::string& peer,
                                   WallMs now) const;

 private:
  struct Compiled {
    AcceptRule rule;
    std::map<std::string, AttributePattern> patterns;
  };
  std::vector<Compiled> rules_;
};

/// Whole days from a DICOM date (YYYYMMDD) to `now`; empty if it is no date. Negative for a date in the future.
std::optional<int> DaysSince(const std::string& date, WallMs now);

}  // namespace glionode::server
