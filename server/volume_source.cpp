#include "server/volume_source.h"

#include "config/error.h"
#include "config/log.h"
#include "dicom/pixel_decoder.h"

#include <utility>

namespace glionode::server {
namespace {

volumes::Frame ToFrame(dicom::DecodedFrame&& decoded) {
  volumes::Frame frame;
  frame.rows = decoded.rows;
  frame.columns = decoded.columns;
  frame.position = decoded.geometry.position;
  frame.orientation = decoded.geometry.orientation;
  frame.spacing = decoded.geometry.spacing;
  frame.values = std::move(decoded.values);
  return frame;
}

}  // namespace

DecodedStudy DecodeStudy(const std::map<Role, WorkerInput>& inputs, bool digests_only) {
  DecodedStudy study;
  study.quality_control_subject = !inputs.empty();
  for (const auto& [role, input] : inputs) {
    std::vector<volumes::Frame> frames;
    bool placed = true, readable = true;
    for (const std::string& file : input.files) {
      dicom::DecodedInstance instance;
      try {
        instance = dicom::Decode(file);
      } catch (const Error& e) {
        if (e.Code() != ErrorCode::kBadDataset) throw;
        // One broken image makes the study not evaluable; it does not make the node fail.
        LogWarning("worker", e.what());
        readable = false;
        continue;
      }
      study.digests[instance.header.sop_instance_uid] = {instance.pixel_digest, instance.lossy};
      study.lossy |= instance.lossy;
      study.quality_control_subject &= instance.header.Attribute("QualityControlSubject") == "YES";
      if (digests_only) continue;
      for (dicom::DecodedFrame& frame : instance.frames) {
        placed &= frame.geometry.valid;
        frames.push_back(ToFrame(std::move(frame)));
      }
    }
    if (digests_only) continue;
    if (!readable) {
      study.reasons.push_back({ReasonCode::kIncompleteSeries, "An image of the " + std::string(ToText(role)) +
                                                                  " series is damaged and cannot be read."});
      continue;
    }
    if (!placed) {
      study.reasons.push_back({ReasonCode::kGeometry, "The " + std::string(ToText(role)) +
                                                          " series has images without a position in the patient."});
      continue;
    }
    volumes::StackResult stack = volumes::Stack(std::move(frames));
    for (Reason& reason : stack.reasons) study.reasons.push_back(std::move(reason));
    if (stack.volume.Count() > 0) study.volumes[role] = std::move(stack.volume);
  }
  return study;
}

}  // namespace glionode::server
