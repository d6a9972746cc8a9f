#pragma once
#include "config/attribute_pattern.h"
#include "config/settings.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace glionode::dicom {

/// The [[role]] rules of the site, compiled: what a series is where the site says so. They win over the general rules.
/// Cheap to copy. Threads: const methods from any.
class SiteRules {
 public:
  /// No rules.
  SiteRules() = default;
  /// Throws std::regex_error for a pattern that the settings loader would have refused.
  explicit SiteRules(const std::vector<RoleRule>& rules);

  struct Match {
    Role role;
    std::string name;      ///< "site rule 2 (line 41)", counted from 1 in file order
    std::string keywords;  ///< the attributes that it looked at: "RepetitionTime, SeriesDescription"
  };

  /// The first rule whose every condition holds. `attributes`: DICOM keyword -> value; an absent attribute is an empty
  /// text, and no number. `peer`: calling AE title of who sent the study, "" if unknown: rules of a peer then never
  /// fit.
  std::optional<Match> Find(const std::map<std::string, std::string>& attributes, const std::string& peer) const;

 private:
  struct Compiled {
    Match match;
    std::string peer;
    std::map<std::string, std::variant<AttributePattern, NumberRange>> conditions;
  };
  std::shared_ptr<const std::vector<Compiled>> rules_;
};

}  // namespace glionode::dicom
