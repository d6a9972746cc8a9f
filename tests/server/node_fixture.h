#pragma once
#include "config/clock.h"
#include "dicom/instance_sink.h"
#include "server/ingest.h"
#include "server/study_watcher.h"
#include "server/worker_protocol.h"
#include "storage/database.h"
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/outbox.h"
#include "storage/peers.h"
#include "storage/releases.h"
#include "storage/study_index.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace glionode::server {

/// Time that a test moves by hand.
class HandClock : public Clock {
 public:
  WallMs Wall() const override { return wall; }
  SteadyTime Steady() const override { return steady; }
  void Advance(double seconds) {
    wall += static_cast<WallMs>(seconds * 1000);
    steady += std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  }
  WallMs wall = 1'790'000'000'000;
  SteadyTime steady = SteadyTime(std::chrono::hours(1000));
};

/// What a small study is made of.
struct StudySpec {
  std::string name = "study";
  std::string patient_id = "P1";
  std::vector<std::string> roles = {"t1", "t2", "t1ce"};
  std::string description = "Glioma post RT";
  int slices = 12;
  std::string content = "a";  ///< other text, other pixels
};

/// A data folder with index and ingest, images made by the MR writer, and a worker that the test writes.
class NodeTest : public ::testing::Test {
 protected:
  NodeTest();
  ~NodeTest() override;

  /// As after a restart: everything is opened anew.
  void Reopen();
  /// Writes the study's files outside of the data folder and returns them by role.
  std::map<std::string, std::vector<std::filesystem::path>> MakeStudy(const StudySpec& spec);
  /// Hands one file to ingest, as the receiver would.
  void Push(const std::filesystem::path& file, const std::string& from = "PACS");
  void PushStudy(const StudySpec& spec);
  std::string StudyUid(const std::string& name = "study") const;
  std::unique_ptr<StudyWatcher> MakeWatcher(StudySettings settings, std::vector<AcceptRule> accept = {AcceptRule{}},
                                            std::vector<RoleRule> roles = {});

  static BundleSummary Bundle();
  /// An answer as a healthy worker gives it.
  static WorkerRun Answered(double probability_of_necrosis);

  std::filesystem::path folder_;
  HandClock clock_;
  std::unique_ptr<storage::FileStore> files_;
  std::unique_ptr<storage::Database> database_;
  std::unique_ptr<storage::StudyIndex> index_;
  std::unique_ptr<storage::Jobs> jobs_;
  std::unique_ptr<storage::Outbox> outbox_;
  std::unique_ptr<storage::Peers> peers_;
  std::unique_ptr<storage::Releases> releases_;
  std::unique_ptr<Ingest> ingest_;
  int breaking_digests_ = 0;  ///< the worker dies at so many of the next digest steps
  std::uint64_t association_ = 1;
};

}  // namespace glionode::server
