#pragma once
#include "dicom/series_roles.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace glionode::dicom {

/// Judges every name of a list (separated by |) by its description alone. `count`: how many there must be, so that a
/// lost separator is seen.
inline void ExpectAllNames(std::string_view names, Role expected, std::size_t count) {
  std::size_t found = 0;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find('|'), names.size());
    std::string name(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
    name.erase(0, name.find_first_not_of(" \n"));
    name.erase(name.find_last_not_of(" \n") + 1);
    SeriesFacts facts;
    facts.attributes["SeriesDescription"] = name;
    const RoleVerdict verdict = JudgeSeries(facts);
    EXPECT_EQ(ToText(verdict.role), ToText(expected)) << name << ": " << verdict.why;
    ++found;
  }
  EXPECT_EQ(found, count);
}

}  // namespace glionode::dicom
