#pragma once
#include "inference/networks/evaluation.h"
#include "storage/outcomes.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace glionode::server {

/// One bundle at this site: what it said of studies that it reported, and what is known by now.
struct SiteFigures {
  networks::EvaluationRun run;         ///< one study a patient, those with an outcome; kind "site"
  int reported = 0;                    ///< studies with a result of this bundle that stands
  int withdrawn = 0;                   ///< studies whose report was taken back: in no figure
  int patients = 0;                    ///< patients among `reported`, without those that the bundle was trained on
  int verified = 0;                    ///< patients whose truth is known; the outcome "unknown" is none
  std::optional<int> days_to_outcome;  ///< median over them, from arrival at this node to the day of the outcome
  int called_necrosis = 0, called_necrosis_verified = 0, called_recurrence = 0, called_recurrence_verified = 0;
  bool too_few = true;  ///< fewer than 20 cases of a class: no curve, and the intervals are the message
  std::string bias;     ///< the share verified and what it does to the figures, in words
};

/// What the node has of a bundle beside its answers: the bundle that is configured now.
struct BundleAtHand {
  std::string sha256, weights_sha256, network;
  double calibrated_share = 0;
  std::string salt;
  std::set<std::string> patient_hashes;  ///< of the patients that it was trained on; empty: it names none
};
/// Throws as networks::ReadBundleFiles().
BundleAtHand ReadBundleAtHand(const std::filesystem::path& bundle);

/// One entry a bundle, newest bundle first. Of a patient with several studies the earliest whose truth is known counts,
/// so that no patient counts twice. A patient is a Patient ID with its issuer; an ID without an issuer is the same as
/// with one if only one issuer is known for it. Study and patient names in `run` are numbers (nothing that names a
/// person), the same in the runs of all bundles. Patients that the bundle at hand was trained on are left out of its
/// figures and counted; for other bundles that is not checked, and said.
std::vector<SiteFigures> SiteValidation(const std::vector<storage::ReportedStudy>& studies,
                                        const std::optional<BundleAtHand>& at_hand = {});

/// What GET /api/v1/site-validation answers: {"bundles": [{name, version, sha256, reported, withdrawn, verified,
/// share_verified, too_few, bias, figures (as metrics.json), cases: [...], ...}]}.
nlohmann::json ToJson(const std::vector<SiteFigures>& figures);
/// The runs back out of that answer, for a report elsewhere. Throws Error{kBadDataset} for another shape.
std::vector<networks::EvaluationRun> RunsFromJson(const nlohmann::json& answer);

/// Checks what a person entered: words, a date that exists and is not in the future (`today`: YYYY-MM-DD). Throws
/// Error{kUsage} with what was expected.
void CheckOutcome(const storage::OutcomeRecord& outcome, const std::string& today);

}  // namespace glionode::server
