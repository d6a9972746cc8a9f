#include "server/worker_steps.h"

#include "config/error.h"
#include "config/log.h"
#include "inference/networks/bundle.h"
#include "inference/networks/classifier.h"
#include "inference/volumes/preprocess.h"
#include "server/bundle_mapping.h"
#include "server/capture_views.h"
#include "server/volume_source.h"

#include <chrono>
#include <memory>
#include <utility>

namespace glionode::server {
namespace {

class Stopwatch {
 public:
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const double milliseconds = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return milliseconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// The bundle, if it is the one that is asked for: the pinned one, and the one that has proven itself.
networks::BundleFiles ReadBundleFor(const WorkerRequest& request, WorkerAnswer& answer) {
  answer.bundle_unproven = !request.proven_sha256.empty();  // also while its files are being replaced
  networks::BundleFiles files = networks::ReadBundleFiles(request.bundle);
  const std::string &pinned = request.bundle_sha256, &weights = files.info.weights_sha256;
  if (!pinned.empty() && pinned != files.sha256 && pinned != weights)
    throw Error(ErrorCode::kBadDataset, request.bundle + ": has the hash " + files.sha256 + " and its weights " +
                                            weights + ", but [model] sha256 asks for " + pinned);
  if (!request.proven_sha256.empty() && request.proven_sha256 != files.sha256)
    throw Error(ErrorCode::kBadDataset, request.bundle + ": was replaced by a bundle that has not proven itself: " +
                                            files.sha256 + " instead of " + request.proven_sha256);
  answer.bundle_unproven = false;
  return files;
}

void SelfTest(const WorkerRequest& request, WorkerAnswer& answer) {
  networks::BundleFiles files = ReadBundleFor(request, answer);
  PreprocessingOf(files.info);  // throws if this program cannot make what the network learned from
  networks::Classifier classifier(request.bundle, std::move(files), request.device, request.threads);
  answer.device = classifier.Device();  // also of a test that fails: whose fault it is
  classifier.SelfTest();
  answer.bundle = Summarize(classifier.Info(), classifier.BundleHash());
}

bool HasAll(const std::map<Role, volumes::Volume>& volumes, const std::vector<Role>& roles) {
  for (const Role role : roles)
    if (volumes.count(role) == 0) return false;
  return true;
}

void Evaluate(const WorkerRequest& request, WorkerAnswer& answer) {
  networks::BundleFiles files = ReadBundleFor(request, answer);  // once: what is hashed is what answers
  const networks::BundleInfo info = files.info;
  answer.bundle = Summarize(info, files.sha256);
  answer.reasons = request.reasons;

  Stopwatch watch;
  DecodedStudy study = DecodeStudy(request.inputs, false);
  answer.timings_ms["decode"] = watch.Lap();
  answer.digests = std::move(study.digests);
  for (Reason& reason : study.reasons) answer.reasons.push_back(std::move(reason));
  if (study.lossy && !info.allow_lossy)
    answer.reasons.push_back(
        {ReasonCode::kLossy, "The images were compressed with loss; this model was not made for that."});

  if (const std::string problem = StateProblem(info.input_state, "native"); !problem.empty())
    answer.reasons.push_back({ReasonCode::kOutOfDomain, problem});

  std::unique_ptr<volumes::NetworkInput> input;
  std::unique_ptr<networks::Answer> network;
  answer.device = "cpu";
  // A job that was made for another bundle may lack what this one needs: no answer without a reason.
  if (answer.reasons.empty() && !HasAll(study.volumes, info.network.sequences))
    answer.reasons.push_back({ReasonCode::kMissingRole,
                              "The series were chosen for another model, and this one needs more of them; an "
                              "administrator can order a new evaluation."});
  if (answer.reasons.empty()) {
    input = std::make_unique<volumes::NetworkInput>(
        volumes::Preprocess(study.volumes, info.network.sequences, PreprocessingOf(info)));
    answer.timings_ms["registration"] = input->registration_ms;
    answer.timings_ms["preprocess"] = input->preprocess_ms;
    answer.reasons = input->reasons;
    if (answer.reasons.empty()) {
      watch.Lap();
      networks::Classifier classifier(request.bundle, std::move(files), request.device, request.threads);
      answer.device = classifier.Device();
      answer.timings_ms["model_load"] = watch.Lap();
      network = std::make_unique<networks::Answer>(classifier.Classify(input->tensor));
      answer.timings_ms["network"] = watch.Lap();
      answer.probability_of_necrosis = network->probability_of_necrosis;
      if (auto reason = CheckDomain(*network)) answer.reasons.push_back(*reason);
    }
    // A phantom model decides on phantoms only: the network has run, its number is kept for the audit and shown to
    // nobody.
    if (info.domain == "phantom" && !study.quality_control_subject)
      answer.reasons.push_back({ReasonCode::kPhantomModel,
                                "The installed model was made from synthetic phantoms, for demonstration only; it does "
                                "not decide on a patient's images."});
  }
  const bool show_map = network != nullptr && answer.reasons.empty();
  watch.Lap();
  if (!request.out_dir.empty())
    WriteViews(study.volumes, input.get(), show_map ? network.get() : nullptr, request.out_dir + "/views.bin", answer);
  answer.timings_ms["views"] = watch.Lap();
}

}  // namespace

WorkerAnswer DoWorkerStep(const WorkerRequest& request) {
  WorkerAnswer answer;
  try {
    switch (request.step) {
      case WorkerStep::kSelfTest:
        SelfTest(request, answer);
        break;
      case WorkerStep::kDigest:
        answer.digests = DecodeStudy(request.inputs, true).digests;
        break;
      case WorkerStep::kEvaluate:
        Evaluate(request, answer);
        break;
    }
    answer.ok = true;
  } catch (const Error& e) {
    answer.error = e.what();
    answer.error_code = static_cast<int>(e.Code());
  } catch (const std::exception& e) {
    answer.error = e.what();
    answer.error_code = static_cast<int>(ErrorCode::kInternal);
  } catch (...) {
    answer.error = "an exception of an unknown kind";
    answer.error_code = static_cast<int>(ErrorCode::kInternal);
  }
  return answer;
}

}  // namespace glionode::server
