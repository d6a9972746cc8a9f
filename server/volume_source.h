#pragma once
#include "config/vocabulary.h"
#include "inference/volumes/stack.h"
#include "server/worker_protocol.h"

#include <map>
#include <string>
#include <vector>

namespace glionode::server {

/// What decoding a study's series gave.
struct DecodedStudy {
  std::map<Role, volumes::Volume> volumes;
  std::map<std::string, InstanceDigest> digests;
  std::vector<Reason> reasons;  ///< geometry, incomplete_series
  bool lossy = false;
  bool quality_control_subject = false;  ///< every image says QualityControlSubject (0010,0200) = YES
};

/// Decodes the files of each role and, unless `digests_only`, stacks them to volumes. The one bridge from dicom/ to
/// inference/volumes: serving and training use it. An image that cannot be decoded is a reason (incomplete_series),
/// said in the log with its file; everything else throws.
DecodedStudy DecodeStudy(const std::map<Role, WorkerInput>& inputs, bool digests_only);

}  // namespace glionode::server
