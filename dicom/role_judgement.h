#pragma once
#include "dicom/series_roles.h"

namespace glionode::dicom {

/// A verdict with what the choice within a study needs beside it. Internal to dicom/.
struct RoleJudgement {
  RoleVerdict verdict;
  std::vector<Role> possible;    ///< for `unsure`: the roles that it may have
  bool contrast_stated = false;  ///< something says that contrast was given, or that it was not
  bool after_injection = false;  ///< acquired with or after a contrast injection (T1ce, bolus perfusion)
  bool second_choice = false;    ///< right weighting, but taken for another purpose (planning, mapping)
};

RoleJudgement JudgeInDetail(const SeriesFacts& series, const SiteRules& rules, const std::string& peer);

/// "T1", "T2", "T1 with contrast" as people write it.
std::string RoleInWords(Role role);

}  // namespace glionode::dicom
