#pragma once
#include "inference/networks/bundle.h"
#include "inference/networks/classifier.h"
#include "inference/volumes/preprocess.h"
#include "server/worker_protocol.h"

#include <optional>
#include <string>

namespace glionode::server {

/// What reports need to know of a bundle.
BundleSummary Summarize(const networks::BundleInfo& info, const std::string& sha256);
/// The bundle's preprocessing in the words of inference/volumes. Throws Error{kBadDataset} if the bundle learned from
/// images that another version of the preprocessing made: the same study would be another input.
volumes::PreprocessingSpec PreprocessingOf(const networks::BundleInfo& info);

/// Whether a bundle made for images in `bundle_state` may be given images in `images_state`: what its preprocessing
/// does itself (registration) it reaches; skulls it neither removes nor brings back. A sentence that says why not, or
/// "".
std::string StateProblem(const std::string& bundle_state, const std::string& images_state);
/// out_of_domain in words, if the study is too far from those that the bundle was trained on.
std::optional<Reason> CheckDomain(const networks::Answer& answer);

}  // namespace glionode::server
