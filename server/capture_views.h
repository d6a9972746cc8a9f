#pragma once
#include "config/vocabulary.h"
#include "inference/networks/classifier.h"
#include "inference/volumes/preprocess.h"
#include "server/worker_protocol.h"

#include <array>
#include <filesystem>
#include <map>
#include <vector>

namespace glionode::server {

/// The slices that a capture shows, sampled in the reference's scanner coordinates: page 1 through the activation map's
/// peak (without a map, or where that lies outside the head: through the lesion that FindLesion finds, else the head's
/// centre), page 2 around it. Appends to answer.views and writes answer's pictures to `file` (float32 in the machine's
/// order; parent and child are the same machine).
void WriteViews(const std::map<Role, volumes::Volume>& volumes, const volumes::NetworkInput* input,
                const networks::Answer* map_source, const std::filesystem::path& file, WorkerAnswer& answer);

}  // namespace glionode::server
