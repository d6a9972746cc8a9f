#include "server/rerun.h"

#include "config/error.h"
#include "config/log.h"
#include "server/study_inputs.h"

namespace glionode::server {
namespace {

/// Whether the study's newest result says that it comes from another bundle than this. A bundle that was replaced while
/// a job waited answers it under the key that was made with the bundle before.
bool AnotherBundleAnswered(const storage::Jobs& jobs, const std::string& study_uid, const std::string& sha256) {
  const auto newest = jobs.NewestResult(study_uid);
  if (!newest) return false;
  const auto result = nlohmann::json::parse(newest->result_json, nullptr, false);
  const nlohmann::json::json_pointer field("/bundle/sha256");
  return result.contains(field) && result.at(field) != sha256;
}

}  // namespace

RerunAnswer RerunStudy(const RerunParts& parts, const std::string& study_uid) {
  const auto study = parts.index.Find(study_uid);
  if (!study) throw Error(ErrorCode::kNotFound, "there is no study " + study_uid);
  if (study->state == storage::StudyState::kFailed && parts.jobs.RetryFailed(study_uid))
    return {true, "the failed evaluation is tried again"};
  if (study->state != storage::StudyState::kReported)
    return {false, "the study is " + std::string(storage::ToText(study->state)) +
                       "; only a reported or failed one can be evaluated again"};
  if (!parts.bundle) return {false, "the model has not proven itself; nothing can be evaluated now"};
  std::optional<storage::JobRecord> newest;
  for (auto& job : parts.jobs.OfStudy(study_uid))
    if (!newest || job.id > newest->id) newest = std::move(job);
  if (!newest) return {false, "the index holds no evaluation of this study to repeat"};

  const StudyInputs inputs = InputsFromJson(nlohmann::json::parse(newest->inputs_json));
  if (InputKey(inputs.selection_key, parts.bundle->sha256, parts.software, newest->revision) == newest->input_key &&
      !AnotherBundleAnswered(parts.jobs, study_uid, parts.bundle->sha256))
    return {false, "images, bundle and software are those of revision " + std::to_string(newest->revision) +
                       ": the result would be the same, nothing was started"};
  storage::JobRecord job;
  job.study_uid = study_uid;
  job.revision = study->revision + 1;
  job.input_key = InputKey(inputs.selection_key, parts.bundle->sha256, parts.software, job.revision);
  job.inputs_json = newest->inputs_json;
  job.created_at = parts.clock.Wall();
  if (!parts.jobs.Create(job, study->changes)) return {false, "images arrived meanwhile; they are judged first"};
  LogInfo("rerun", "study " + study_uid + ": revision " + std::to_string(job.revision) + " was asked for by hand");
  return {true, "revision " + std::to_string(job.revision) + " is being made"};
}

}  // namespace glionode::server
