#pragma once
#include "inference/volumes/volume.h"
#include "tests/bench/bench_report.h"

#include <filesystem>
#include <string>

namespace glionode::bench {

/// Writes the pixels of a volume as 32-bit floats, for the headers of WriteMetaHeader.
void WriteMetaPixels(const volumes::Volume& volume, const std::filesystem::path& raw);

/// Writes a MetaImage header (.mhd) that places `raw`, a file beside it, where the volume stands.
void WriteMetaHeader(const volumes::Volume& volume, const std::filesystem::path& header, const std::string& raw);

struct ElastixResult {
  volumes::RigidTransform transform;  ///< fixed to moving, as ours
  Child child;                        ///< time includes its start and reading its files
};

/// elastix with its own default settings for a rigid registration by mutual information: 4 resolutions, 256 iterations,
/// 2048 random samples, adaptive stochastic gradient descent. One thread. Throws Error{kMissingPart} if it is not
/// installed, Error{kInternal} if it fails.
ElastixResult RunElastix(const std::filesystem::path& fixed, const std::filesystem::path& moving,
                         const std::filesystem::path& folder);

}  // namespace glionode::bench
