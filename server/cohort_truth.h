#pragma once
#include "server/lesion_features.h"

#include <filesystem>
#include <map>
#include <string>

namespace glionode::server {

/// What `glionode phantom` drew for one study (truth.csv beside the cohort). Evaluation reads it for the known ceiling;
/// training never does.
struct PhantomTruth {
  double log_likelihood_ratio = 0;
  double separation = 0;
  LesionPlace lesion;
};

/// By the cohort's study column. Empty if there is no truth.csv beside `cohort`. Throws Error{kUsage} for one that
/// cannot be read.
std::map<std::string, PhantomTruth> ReadTruth(const std::filesystem::path& cohort);

}  // namespace glionode::server
