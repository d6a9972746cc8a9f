#pragma once
#include "inference/volumes/phantom.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace glionode::server {

/// A cohort of synthetic studies as `glionode phantom` is asked for it.
struct PhantomCohort {
  int studies = 1;
  std::uint64_t seed = 0;
  volumes::PhantomOptions options;
  std::string hold_out;  ///< R/N: so many recurrences and necroses are for testing; empty: see DrawHoldOut
};

/// Decimal digits, 0 to 2^64-1. Throws Error{kUsage} for anything else, a minus too.
std::uint64_t ParseSeed(const std::string& text);

/// Throws Error{kUsage} for a prevalence outside 0 to 1 or a separation outside 0 to 20; NaN is outside.
void CheckOptions(const volumes::PhantomOptions& options);

/// One label a study, 1 for necrosis: the share of necrosis as asked for, in an order that the seed alone decides.
std::vector<int> DrawLabels(const PhantomCohort& cohort);

/// A sentence if all studies, of more than one, are of the same class; else empty.
std::string EmptyClass(const std::vector<int>& labels);

/// Which studies are held out for testing; empty if there is no split. A cohort of the paper's shape (192 and 42) has
/// the paper's 49/9 unless told otherwise. A phantom is a patient of its own: no patient is on both sides. Throws
/// Error{kUsage} for a hold-out that is no R/N or more than the cohort has.
std::vector<bool> DrawHoldOut(const PhantomCohort& cohort, const std::vector<int>& labels);

/// What the UIDs of a study are derived from: all that its pixels depend on, so that different pixels never meet under
/// one UID in a PACS. Distractors are series of their own and change no other.
std::string StudyName(const PhantomCohort& cohort, int index, const std::string& label);

/// Makes the studies with `threads` threads (0: all cores), the same bytes for any number of them; then truth.csv, and
/// cohort.csv last: where it is, the cohort is whole. Replaces what a broken-off run left. `labels`: DrawLabels'.
/// `done` is told how many studies are ready, by one thread at a time. Throws Error{kUsage} before anything is written
/// if the hold-out is wrong, or the folder holds a cohort or a study of somebody else; Error{kOutOfSpace} or
/// {kInternal} with the reason.
void WritePhantomCohort(const PhantomCohort& cohort, const std::vector<int>& labels,
                        const std::filesystem::path& folder, int threads, const std::function<void(int)>& done);

}  // namespace glionode::server
