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

networks::Classifier LoadClassifier(const WorkerRequest& request) {
  networks::Classifier classifier(request.bundle, request.device, request.threads);
  const std::string& weights = classifier.Info().weights_sha256;
  if (!request.bundle_sha256.empty() && request.bundle_sha256 != weights)
    throw Error(ErrorCode::kBadDataset, request.bundle + ": weights have the hash " + weights +
                                            ", but [model] sha256 asks for " + request.bundle_sha256);
  return classifier;
}

void SelfTest(const WorkerRequest& request, WorkerAnswer& answer) {
  networks::Classifier classifier = LoadClassifier(request);
  classifier.SelfTest();
  answer.bundle = Summarize(classifier.Info(), networks::BundleSha256(request.bundle));
  answer.device = classifier.Device();
}

bool HasAll(const std::map<Role, volumes::Volume>& volumes, const std::vector<Role>& roles) {
  for (const Role role : roles)
    if (volumes.count(role) == 0) return false;
  return true;
}

void Evaluate(const WorkerRequest& request, WorkerAnswer& answer) {
  const networks::BundleInfo info = networks::ReadBundle(request.bundle);
  answer.bundle = Summarize(info, networks::BundleSha256(request.bundle));
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
  if (answer.reasons.empty() && HasAll(study.volumes, info.network.sequences)) {
    input = std::make_unique<volumes::NetworkInput>(
        volumes::Preprocess(study.volumes, info.network.sequences, PreprocessingOf(info)));
    answer.timings_ms["registration"] = input->registration_ms;
    answer.timings_ms["preprocess"] = input->preprocess_ms;
    answer.reasons = input->reasons;
    if (answer.reasons.empty()) {
      watch.Lap();
      networks::Classifier classifier = LoadClassifier(request);
      answer.timings_ms["model_load"] = watch.Lap();
      network = std::make_unique<networks::Answer>(classifier.Classify(input->tensor));
      answer.timings_ms["network"] = watch.Lap();
      answer.probability_of_necrosis = network->probability_of_necrosis;
      answer.device = classifier.Device();
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
