#include "server/bundle_mapping.h"

#include "config/error.h"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace glionode::server {
namespace {

/// "tested on n = 200, of 100 necroses 83 found": from the figures that evaluation stored in the bundle.
std::string EvaluationSentence(const std::string& evaluation_json) {
  const auto evaluation = nlohmann::json::parse(evaluation_json, nullptr, false);
  if (!evaluation.is_object() || !evaluation.contains("necrosis_found"))
    return "no evaluation is on record for this model";
  const int necrosis = evaluation.value("necrosis", 0), recurrence = evaluation.value("recurrence", 0);
  return "tested on n = " + std::to_string(necrosis + recurrence) + " (" +
         evaluation.value("cohort", "unnamed cohort") + "), of " + std::to_string(necrosis) + " necroses " +
         std::to_string(evaluation.value("necrosis_found", 0)) + " found, of " + std::to_string(recurrence) +
         " recurrences " + std::to_string(evaluation.value("recurrence_found", 0)) + " found";
}

}  // namespace

BundleSummary Summarize(const networks::BundleInfo& info, const std::string& sha256) {
  BundleSummary summary;
  summary.name = info.name;
  summary.version = info.version;
  summary.sha256 = sha256;
  summary.domain = info.domain;
  summary.intended_use = info.intended_use;
  summary.evaluation = EvaluationSentence(info.evaluation_json);
  summary.sequences = info.network.sequences;
  summary.abstain = info.abstain;
  summary.calibration_slope = info.calibration_slope;
  summary.calibration_intercept = info.calibration_intercept;
  return summary;
}

std::optional<Reason> CheckDomain(const networks::Answer& answer) {
  if (answer.domain_distance <= 1) return std::nullopt;
  char distance[32];
  std::snprintf(distance, sizeof distance, "%.1f", answer.domain_distance);
  return Reason{ReasonCode::kOutOfDomain,
                "These images do not look like those that the model was made from (" + std::string(distance) +
                    " times the accepted distance), most of all in: " + answer.domain_most + "."};
}

volumes::PreprocessingSpec PreprocessingOf(const networks::BundleInfo& info) {
  if (const int version = info.preprocessing_version; version != 0 && version != volumes::kPreprocessingVersion)
    throw Error(ErrorCode::kBadDataset,
                "bundle.json: preprocessing.version: the network learned from images of version " +
                    std::to_string(version) + " of the preprocessing, this program makes those of version " +
                    std::to_string(volumes::kPreprocessingVersion) + "; it must be trained anew");
  volumes::PreprocessingSpec spec;
  spec.spacing_mm = info.spacing_mm;
  spec.shape = info.shape;
  spec.centre = info.centre;
  spec.bias_correction = info.bias_correction;
  spec.normalisation = info.normalisation;
  spec.input_state = info.input_state;
  spec.slice_thickness_mm = info.slice_thickness_mm;
  return spec;
}

std::string StateProblem(const std::string& bundle_state, const std::string& images_state) {
  const bool bundle_stripped = bundle_state == "skull-stripped", images_stripped = images_state == "skull-stripped";
  if (bundle_stripped == images_stripped) return "";  // what remains is registration, and that is done here anyway
  return bundle_stripped ? "The model was made from skull-stripped images, and this software removes no skull."
                         : "The images are skull-stripped, and the model was made from whole heads.";
}

}  // namespace glionode::server
