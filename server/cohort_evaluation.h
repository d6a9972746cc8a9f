#pragma once
#include "inference/networks/evaluation.h"
#include "server/cohort.h"

#include <filesystem>
#include <string>
#include <vector>

namespace glionode::server {

struct EvaluationOptions {
  std::filesystem::path cohort;
  std::filesystem::path cache;
  std::string device = "auto";
  int threads = 0;
  FolderRules rules;      ///< of the site: which series is which
  bool apparent = false;  ///< keep patients that the bundle was trained on
};

/// One bundle on the rows of a cohort: patients of its training left out (and counted), every study prepared as in
/// serving, and judged. Studies labelled mixed, neither or unknown are judged too, in a list of their own. Throws
/// Error{kUsage} when no two-class case is there, or none is left: each in words of its own.
networks::EvaluationRun EvaluateOnCohort(const std::string& bundle, std::vector<CohortRow> rows,
                                         const EvaluationOptions& options);

}  // namespace glionode::server
