#pragma once
#include "config/clock.h"
#include "server/worker_protocol.h"
#include "storage/jobs.h"
#include "storage/study_index.h"

#include <optional>
#include <string>

namespace glionode::server {

struct RerunParts {
  storage::StudyIndex& index;
  storage::Jobs& jobs;
  const Clock& clock;
  std::string software;
  std::optional<BundleSummary> bundle;  ///< empty: none has proven itself
};
struct RerunAnswer {
  bool started = false;
  std::string text;  ///< what happens now, or why nothing does
};

/// Asked by a person: evaluates the images that a study's newest job selected once more, as the next revision. Nothing
/// starts when images, bundle and software are those of the newest result: the answer would be the same. A failed study
/// is tried again. Throws Error{kNotFound} for an unknown study.
RerunAnswer RerunStudy(const RerunParts& parts, const std::string& study_uid);

}  // namespace glionode::server
