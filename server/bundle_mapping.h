#pragma once
#include "inference/networks/bundle.h"
#include "inference/volumes/preprocess.h"
#include "server/worker_protocol.h"

#include <string>

namespace glionode::server {

/// What reports need to know of a bundle.
BundleSummary Summarize(const networks::BundleInfo& info, const std::string& sha256);
/// The bundle's preprocessing in the words of inference/volumes.
volumes::PreprocessingSpec PreprocessingOf(const networks::BundleInfo& info);

}  // namespace glionode::server
