#pragma once
#include "storage/database.h"
#include "storage/jobs.h"
#include "storage/outbox.h"
#include "storage/peers.h"
#include "storage/study_index.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace glionode::storage {

/// A temporary folder, gone at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "glionode-storage-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& Path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// An index in a temporary folder, and the classes over it.
class IndexTest : public ::testing::Test {
 protected:
  IndexTest() { Open(); }

  void Open() {
    database_ = std::make_unique<Database>(folder_.Path() / "index.sqlite");
    index_ = std::make_unique<StudyIndex>(*database_);
    jobs_ = std::make_unique<Jobs>(*database_);
    outbox_ = std::make_unique<Outbox>(*database_);
    peers_ = std::make_unique<Peers>(*database_);
  }
  /// As after a restart.
  void Reopen() {
    database_.reset();
    Open();
  }

  /// A candidate image of study "1.2" with content `content`.
  static InstanceRecord Image(const std::string& uid, const std::string& content = "a", WallMs at = 1000) {
    InstanceRecord record;
    record.sop_instance_uid = uid;
    record.sop_class_uid = "1.2.840.10008.5.1.4.1.1.4";
    record.series_uid = "1.2.3";
    record.study_uid = "1.2";
    record.transfer_syntax_uid = "1.2.840.10008.1.2.1";
    record.file =
        "images/00/1.2/" + uid + (content == "a" ? "" : "." + std::to_string(int{content[0]} - int{'a'})) + ".dcm";
    record.sha256 = "sha of " + uid + content;
    record.bytes = std::int64_t{5} << 32;  // more than 32 bits
    record.from_ae = "PACS";
    record.received_at = at;
    record.kind = InstanceKind::kCandidate;
    record.header_json = "{\"Rows\":256}";
    record.identity = "ID^A";
    return record;
  }

  StudyRecord Study() const {
    const auto study = index_->Find("1.2");
    EXPECT_TRUE(study);
    return study.value_or(StudyRecord());
  }
  StudyState State() const { return Study().state; }

  static JobRecord NewJob(const std::string& key, WallMs at = 2000) {
    JobRecord job;
    job.study_uid = "1.2";
    job.input_key = key;
    job.inputs_json = "{\"series\":[]}";
    job.created_at = at;
    return job;
  }
  static ResultRecord NewResult(const std::string& decision = "necrosis") {
    ResultRecord result;
    result.decision = decision;
    result.result_json = "{}";
    return result;
  }
  static NewObject Object(const std::string& uid, const std::vector<std::string>& peers,
                          const std::string& kind = "sr") {
    NewObject object;
    object.object.sop_class_uid = "1.2.840.10008.5.1.4.1.1.88.34";
    object.object.sop_instance_uid = uid;
    object.object.series_uid = "1.9";
    object.object.file = "results/1.2/key/" + uid + ".dcm";
    object.object.sha256 = "sha of " + uid;
    object.object.kind = kind;
    object.peers = peers;
    return object;
  }
  /// Creates, claims and finishes a job on the study as it is.
  ResultRecord Report(const std::string& key, const std::vector<NewObject>& objects = {}, WallMs now = 5000) {
    const auto job = jobs_->Create(NewJob(key), Study().changes);
    EXPECT_TRUE(job);
    EXPECT_TRUE(jobs_->Claim("me", now, now + 1000));
    return jobs_->Finish(job.value_or(JobRecord()).id, NewResult(), objects, now);
  }

  TempFolder folder_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<StudyIndex> index_;
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Peers> peers_;
};

}  // namespace glionode::storage
