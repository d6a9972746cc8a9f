#pragma once
#include "inference/networks/training.h"
#include "server/dicom_folder.h"

#include <filesystem>
#include <functional>
#include <string>

namespace glionode::server {

struct CohortTraining {
  std::filesystem::path cohort, out;
  std::filesystem::path cache;  ///< empty: OUT.cache
  double field_of_view = 0;     ///< mm; 0: what the centre of the input needs
  networks::BundleInfo info;    ///< network, shape and centre
  networks::TrainingOptions options;
  FolderRules rules;
};

/// Trains on the rows of cohort.csv whose split is `train`, writes the bundle to `out` and curves and figures to
/// OUT.training, and says on standard output what was left out and what came of it. `interrupted` is asked after every
/// step; true ends the training, whose last whole epoch stays. What can be wrong is looked for before anything that
/// takes long. Throws Error{kUsage} for options, cohorts and places that cannot be trained with, Error{kBusy} when
/// interrupted, and what networks::Train throws.
networks::BundleInfo TrainOnCohort(CohortTraining work, const std::function<bool()>& interrupted);

}  // namespace glionode::server
