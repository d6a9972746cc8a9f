#pragma once
#include "inference/networks/evaluation.h"
#include "storage/outcomes.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace glionode::server {

/// One bundle at this site: what it said of studies that it reported, and what is known by now.
struct SiteFigures {
  networks::EvaluationRun run;  ///< one study a patient, those with an outcome; kind "site"
  int reported = 0;             ///< studies with a result of this bundle
  int patients = 0;             ///< patients among them
  int verified = 0;             ///< patients with an outcome
  int called_necrosis = 0, called_necrosis_verified = 0, called_recurrence = 0, called_recurrence_verified = 0;
  bool too_few = true;  ///< fewer than 20 cases of a class: no curve, and the intervals are the message
  std::string bias;     ///< the share verified and what it does to the figures, in words
};

/// One entry a bundle, newest bundle first. Of a patient with several studies the earliest with an outcome counts, so
/// that no patient counts twice; study and patient names in `run` are numbers (nothing that names a person).
std::vector<SiteFigures> SiteValidation(const std::vector<storage::ReportedStudy>& studies);

/// What GET /api/v1/site-validation answers: {"bundles": [{name, version, sha256, reported, verified, share_verified,
/// too_few, bias, figures (as metrics.json), cases: [...]}]}.
nlohmann::json ToJson(const std::vector<SiteFigures>& figures);
/// The runs back out of that answer, for a report elsewhere. Throws Error{kBadDataset} for another shape.
std::vector<networks::EvaluationRun> RunsFromJson(const nlohmann::json& answer);

/// Checks what a person entered: words, a date that exists and is not in the future (`today`: YYYY-MM-DD). Throws
/// Error{kUsage} with what was expected.
void CheckOutcome(const storage::OutcomeRecord& outcome, const std::string& today);

}  // namespace glionode::server
