// The worker's side, in this process, with the bundle of the checkout.
#include "server/worker_steps.h"

#include "config/error.h"
#include "inference/networks/bundle.h"
#include "server/bundle_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace glionode::server {
namespace {

using testing::HasSubstr;

const std::filesystem::path kBundle = std::filesystem::path(GLIONODE_SOURCE_DIR) / "models" / "phantom-resnet10";

WorkerRequest Asking(WorkerStep step) {
  WorkerRequest request;
  request.step = step;
  request.bundle = kBundle.string();
  request.device = "cpu";
  request.threads = 1;
  return request;
}

TEST(WorkerSteps, APinNamesTheBundleOrItsWeights) {
  const auto files = networks::ReadBundleFiles(kBundle);
  WorkerRequest request = Asking(WorkerStep::kSelfTest);
  for (const std::string& pin : {files.sha256, files.info.weights_sha256}) {
    request.bundle_sha256 = pin;
    const WorkerAnswer answer = DoWorkerStep(request);
    EXPECT_TRUE(answer.ok) << answer.error;
    EXPECT_EQ(answer.bundle->sha256, files.sha256);
    EXPECT_EQ(answer.device, "cpu");
  }
  request.bundle_sha256 = std::string(64, '0');
  const WorkerAnswer refused = DoWorkerStep(request);
  EXPECT_FALSE(refused.ok);
  EXPECT_THAT(refused.error, HasSubstr("[model] sha256 asks for 000"));
  EXPECT_FALSE(refused.bundle_unproven);
}

TEST(WorkerSteps, OnlyTheBundleThatHasProvenItselfEvaluates) {
  WorkerRequest request = Asking(WorkerStep::kEvaluate);
  request.proven_sha256 = networks::ReadBundleFiles(kBundle).sha256;
  const WorkerAnswer answer = DoWorkerStep(request);
  EXPECT_TRUE(answer.ok) << answer.error;
  EXPECT_EQ(answer.bundle->sha256, request.proven_sha256);
  request.proven_sha256 = std::string(64, '0');
  const WorkerAnswer refused = DoWorkerStep(request);
  EXPECT_FALSE(refused.ok);
  EXPECT_TRUE(refused.bundle_unproven);
  EXPECT_THAT(refused.error, HasSubstr("was replaced by a bundle that has not proven itself"));
  request.bundle = (kBundle / "none").string();  // half copied, or gone
  EXPECT_TRUE(DoWorkerStep(request).bundle_unproven);
}

TEST(WorkerSteps, ABundleOfAnotherPreprocessingIsRefusedBeforeAStudyComes) {
  auto files = networks::ReadBundleFiles(kBundle);
  files.info.preprocessing_version = volumes::kPreprocessingVersion - 1;
  EXPECT_THAT([&] { PreprocessingOf(files.info); },
              testing::ThrowsMessage<Error>(HasSubstr("preprocessing.version: the network learned from images of")));
  files.info.preprocessing_version = 0;  // made before it was written down
  EXPECT_NO_THROW(PreprocessingOf(files.info));
  std::string name = ::testing::TempDir() + "glionode-bundle-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name.data());
  std::filesystem::copy(kBundle, folder / "old");
  files.info.preprocessing_version = volumes::kPreprocessingVersion - 1;
  networks::WriteBundle(folder / "old", files.info);
  WorkerRequest request = Asking(WorkerStep::kSelfTest);
  request.bundle = (folder / "old").string();
  const WorkerAnswer answer = DoWorkerStep(request);
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(answer.ok);
  EXPECT_FALSE(answer.bundle.has_value());
  EXPECT_THAT(answer.error, HasSubstr("it must be trained anew"));
}

}  // namespace
}  // namespace glionode::server
