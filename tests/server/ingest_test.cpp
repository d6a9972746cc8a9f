#include "config/error.h"
#include "dicom/dataset_hash.h"
#include "dicom/header_reader.h"
#include "node_fixture.h"

#include <atomic>
#include <fstream>
#include <thread>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

class IngestTest : public NodeTest {};

int FilesIn(const fs::path& folder) {
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) count += entry.is_regular_file();
  return count;
}

TEST_F(IngestTest, AnInstanceIsAFileAndARowAndItsStudyIsReceiving) {
  PushStudy({.slices = 3});
  EXPECT_EQ(FilesIn(files_->StagingDir()), 0);
  const auto instances = index_->Instances(StudyUid());
  ASSERT_EQ(instances.size(), 9u);
  for (const auto& instance : instances) EXPECT_TRUE(fs::exists(files_->Root() / instance.file));
  const auto study = index_->Find(StudyUid());
  ASSERT_TRUE(study);
  EXPECT_EQ(study->state, storage::StudyState::kReceiving);
  EXPECT_EQ(study->from_ae, "PACS");
}

TEST_F(IngestTest, TheSameBytesAgainChangeNothing) {
  PushStudy({.slices = 2});
  const auto before = index_->Find(StudyUid());
  const int files = FilesIn(files_->Root());
  PushStudy({.slices = 2});
  EXPECT_EQ(index_->Find(StudyUid())->changes, before->changes);
  EXPECT_EQ(FilesIn(files_->Root()), files);
}

TEST_F(IngestTest, OtherBytesUnderAKnownUidAreKeptBesideTheOldFile) {
  PushStudy({.slices = 2});
  const auto before = index_->Instances(StudyUid());
  PushStudy({.slices = 2, .content = "b"});
  const auto after = index_->Instances(StudyUid());
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_NE(after[i].file, before[i].file);
    EXPECT_TRUE(fs::exists(files_->Root() / before[i].file));
  }
}

TEST_F(IngestTest, OtherBytesFromAnotherPeerAreAConflictThatIsCountedAndShown) {
  const auto first = MakeStudy({.roles = {"t1"}, .slices = 2}).at("t1");
  const auto second = MakeStudy({.roles = {"t1"}, .slices = 2, .content = "b"}).at("t1");
  Push(first[0], "PACS");
  Push(first[1], "PACS");
  Push(second[0], "PACS");  // a correction
  EXPECT_EQ(ingest_->Counters().versions, 1u);
  EXPECT_EQ(ingest_->Counters().conflicts, 0u);
  Push(second[1], "OTHER");
  Push(second[1], "OTHER");  // a resend
  EXPECT_EQ(ingest_->Counters().versions, 2u);
  EXPECT_EQ(ingest_->Counters().conflicts, 1u);
  EXPECT_EQ(ingest_->Counters().resends, 1u);
  const auto versions = index_->Versions(StudyUid());
  ASSERT_EQ(versions.size(), 4u) << "both of both, the older first";
  const std::string disputed = dicom::ReadHeader(second[1]).sop_instance_uid;
  for (std::size_t i = 0; i < versions.size(); i += 2) {
    EXPECT_FALSE(versions[i].current);
    EXPECT_TRUE(versions[i + 1].current);
    EXPECT_TRUE(fs::exists(files_->Root() / versions[i].file));
    EXPECT_EQ(versions[i].from_ae, "PACS");
    EXPECT_EQ(versions[i + 1].from_ae, versions[i].sop_instance_uid == disputed ? "OTHER" : "PACS");
  }
}

TEST_F(IngestTest, OneImageFromManyCallersAtOnceIsStoredOnce) {
  const auto file = MakeStudy({.roles = {"t1"}, .slices = 1}).at("t1")[0];
  std::vector<dicom::ReceivedInstance> copies(8);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const auto header = dicom::ReadHeader(file);
    copies[i].staged_file = files_->StagingDir() / ("copy-" + std::to_string(i));
    fs::copy_file(file, copies[i].staged_file);
    copies[i].sop_class_uid = header.sop_class_uid;
    copies[i].sop_instance_uid = header.sop_instance_uid;
    copies[i].sha256 = "same";
    copies[i].peer = {"PACS", "GLIONODE", "127.0.0.1", i + 1};
  }
  std::vector<std::thread> callers;
  for (const auto& copy : copies) callers.emplace_back([&] { ingest_->Store(copy); });
  for (auto& caller : callers) caller.join();
  ASSERT_TRUE(ingest_->Flush(std::chrono::seconds(30)));
  EXPECT_EQ(FilesIn(files_->Root() / "images"), 1);
  EXPECT_EQ(FilesIn(files_->StagingDir()), 0);
  EXPECT_EQ(index_->Counts().instances, 1);
  EXPECT_EQ(ingest_->Counters().resends, 7u);
}

TEST_F(IngestTest, ADataSetThatNamesAnotherInstanceThanTheCommandIsRefused) {
  const auto made = MakeStudy({.roles = {"t1"}, .slices = 2});
  dicom::ReceivedInstance instance;
  instance.staged_file = files_->StagingDir() / "wrong";
  fs::copy_file(made.at("t1")[0], instance.staged_file);
  instance.sop_class_uid = dicom::ReadHeader(made.at("t1")[0]).sop_class_uid;
  instance.sop_instance_uid = "1.2.3";
  try {
    ingest_->Store(instance);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.Code(), ErrorCode::kWrongSopClass);
  }
  EXPECT_FALSE(fs::exists(instance.staged_file));
  EXPECT_FALSE(index_->Find(StudyUid()));
}

TEST_F(IngestTest, GarbageIsRefusedAndLeavesNothing) {
  dicom::ReceivedInstance instance;
  instance.staged_file = files_->StagingDir() / "garbage";
  std::ofstream(instance.staged_file) << "no DICOM at all";
  EXPECT_THROW(ingest_->Store(instance), Error);
  EXPECT_EQ(FilesIn(files_->StagingDir()), 0);
}

TEST_F(IngestTest, AFileWithoutARowGetsOneAtTheNextStart) {
  const auto made = MakeStudy({.roles = {"t1"}, .slices = 2});
  const auto header = dicom::ReadHeader(made.at("t1")[0]);
  const fs::path staged = files_->StagingDir() / "x";
  fs::copy_file(made.at("t1")[0], staged);
  files_->CommitInstance(staged, header.study_uid, header.sop_instance_uid);  // the crash comes here
  Reopen();
  EXPECT_EQ(ingest_->SweepUnindexed(), 1);
  ASSERT_EQ(index_->Instances(StudyUid()).size(), 1u);
  EXPECT_EQ(ingest_->SweepUnindexed(), 0);
  // The PACS was not told Success and sends it again: known now, nothing twice.
  Push(made.at("t1")[0]);
  EXPECT_EQ(index_->Instances(StudyUid()).size(), 1u);
  EXPECT_EQ(index_->Find(StudyUid())->changes, 1);
}

// The sweep runs while the PACS sends again what it got no answer for.
TEST_F(IngestTest, AResendBeforeTheSweepLeavesOneCopy) {
  const auto file = MakeStudy({.roles = {"t1"}, .slices = 1}).at("t1")[0];
  const auto header = dicom::ReadHeader(file);
  const fs::path staged = files_->StagingDir() / "x";
  fs::copy_file(file, staged);
  files_->CommitInstance(staged, header.study_uid, header.sop_instance_uid);  // the crash comes here
  Reopen();
  Push(file);
  EXPECT_EQ(FilesIn(files_->Root() / "images"), 2);
  EXPECT_EQ(ingest_->SweepUnindexed(), 0);
  EXPECT_EQ(FilesIn(files_->Root() / "images"), 1);
  const auto instances = index_->Instances(StudyUid());
  ASSERT_EQ(instances.size(), 1u);
  EXPECT_TRUE(fs::exists(files_->Root() / instances[0].file));
  EXPECT_EQ(index_->Find(StudyUid())->changes, 1);
}

/// One image whose first copy, number 0, was removed by the sweep: a crash came before its row, and a resend was
/// faster.
class FreeNumberTest : public IngestTest {
 protected:
  FreeNumberTest() {
    const auto file = MakeStudy({.roles = {"t1"}, .slices = 1}).at("t1")[0];
    header_ = dicom::ReadHeader(file);
    first_ = Commit(file);
    Reopen();
    Push(file);
    ingest_->SweepUnindexed();
    EXPECT_FALSE(fs::exists(files_->Root() / first_)) << "else there is no gap";
    corrected_ = MakeStudy({.roles = {"t1"}, .slices = 1, .content = "b"}).at("t1")[0];
  }
  std::string Commit(const fs::path& file) {
    const fs::path staged = files_->StagingDir() / "x";
    fs::copy_file(file, staged);
    return files_->CommitInstance(staged, header_.study_uid, header_.sop_instance_uid);
  }
  void ExpectCorrected() {
    ASSERT_EQ(index_->Candidates(StudyUid()).size(), 1u);
    EXPECT_EQ(index_->Candidates(StudyUid())[0].file, first_) << "it fills the gap";
    EXPECT_EQ(index_->Candidates(StudyUid())[0].sha256, dicom::DatasetSha256(corrected_));
    EXPECT_EQ(index_->Find(StudyUid())->changes, 2);
  }
  dicom::InstanceHeader header_;
  std::string first_;
  fs::path corrected_;
};

TEST_F(FreeNumberTest, ACorrectionIsTheNewest) {
  Push(corrected_);
  ExpectCorrected();
}

TEST_F(FreeNumberTest, ACorrectionWithoutARowIsTheNewest) {
  Commit(corrected_);
  Reopen();
  EXPECT_EQ(ingest_->SweepUnindexed(), 1);
  ExpectCorrected();
}

TEST_F(IngestTest, ASweepCanBeBrokenOff) {
  const auto file = MakeStudy({.roles = {"t1"}, .slices = 1}).at("t1")[0];
  const auto header = dicom::ReadHeader(file);
  const fs::path staged = files_->StagingDir() / "x";
  fs::copy_file(file, staged);
  files_->CommitInstance(staged, header.study_uid, header.sop_instance_uid);
  const std::atomic<bool> stop{true};
  EXPECT_EQ(ingest_->SweepUnindexed(&stop), 0);
  EXPECT_EQ(ingest_->SweepUnindexed(), 1);
}

/// Objects that were sealed in staging when the node died.
class RecoverTest : public IngestTest {
 protected:
  fs::path Sealed(const fs::path& made, const std::string& name) {
    const auto header = dicom::ReadHeader(made);
    const fs::path staged = files_->StagingDir() / name;
    fs::copy_file(made, staged);
    files_->SealInstance(staged, header.study_uid, header.sop_instance_uid, dicom::DatasetSha256(made));
    return staged;
  }
  std::vector<fs::path> made_ = MakeStudy({.roles = {"t1"}, .slices = 3}).at("t1");
};

TEST_F(RecoverTest, AWholeObjectGetsItsPlaceAndItsRow) {
  for (int i = 0; i < 3; ++i) Sealed(made_[static_cast<std::size_t>(i)], "in-" + std::to_string(i));
  Reopen();
  EXPECT_EQ(ingest_->RecoverStaged(), 3);
  EXPECT_EQ(FilesIn(files_->StagingDir()), 0);
  EXPECT_EQ(ingest_->SweepUnindexed(), 3);
  const auto rows = index_->Instances(StudyUid());
  ASSERT_EQ(rows.size(), 3u);
  for (const auto& row : rows) EXPECT_EQ(row.sha256, dicom::DatasetSha256(files_->Root() / row.file));
  EXPECT_EQ(ingest_->RecoverStaged(), 0);
  for (const auto& file : made_) Push(file);
  EXPECT_EQ(ingest_->Counters().resends, 3u) << "the PACS had no answer and sends again: known";
}

TEST_F(RecoverTest, WhatIsTornOrWasNeverSealedIsNotTaken) {
  const fs::path shorter = Sealed(made_[0], "shorter"), flipped = Sealed(made_[1], "flipped");
  fs::resize_file(shorter, fs::file_size(shorter) - 1);
  {
    std::fstream file(flipped, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('\x7f');
  }
  fs::copy_file(made_[2], files_->StagingDir() / "unsealed");
  std::ofstream(files_->StagingDir() / "empty");
  Reopen();
  EXPECT_EQ(ingest_->RecoverStaged(), 0);
  EXPECT_EQ(FilesIn(files_->Root() / "images"), 0);
  EXPECT_EQ(files_->CleanStaging(), 4);
}

TEST_F(RecoverTest, WhatHasItsPlaceAlreadyIsNotStoredTwice) {
  const auto header = dicom::ReadHeader(made_[0]);
  const fs::path staged = Sealed(made_[0], "a");
  files_->PlaceInstance(staged, header.study_uid, header.sop_instance_uid);  // the crash comes before FinishPlaces
  Reopen();
  EXPECT_EQ(ingest_->RecoverStaged(), 0);
  EXPECT_EQ(files_->CleanStaging(), 0);  // gone already, behind the sync of its place
  EXPECT_EQ(FilesIn(files_->Root() / "images"), 1);
  EXPECT_EQ(ingest_->SweepUnindexed(), 1);
}

TEST_F(RecoverTest, OtherBytesUnderAKnownUidAreKeptBesideTheOldFile) {
  Push(made_[0]);
  Sealed(MakeStudy({.roles = {"t1"}, .slices = 3, .content = "b"}).at("t1")[0], "b");
  Reopen();
  EXPECT_EQ(ingest_->RecoverStaged(), 1);
  EXPECT_EQ(ingest_->SweepUnindexed(), 1);
  EXPECT_EQ(FilesIn(files_->Root() / "images"), 2);
  EXPECT_EQ(index_->Versions(StudyUid()).size(), 2u);
}

TEST_F(IngestTest, AnOpenOrLostAssociationMayStillBringImages) {
  const auto made = MakeStudy({.roles = {"t1"}, .slices = 2});
  Push(made.at("t1")[0]);
  EXPECT_TRUE(ingest_->MayStillArrive(StudyUid()));
  ingest_->AssociationEnded({{"PACS", "GLIONODE", "127.0.0.1", association_}, true});
  EXPECT_FALSE(ingest_->MayStillArrive(StudyUid()));
  ++association_;
  Push(made.at("t1")[1]);
  EXPECT_TRUE(ingest_->IsArriving(StudyUid()));
  ingest_->AssociationEnded({{"PACS", "GLIONODE", "127.0.0.1", association_}, false});
  EXPECT_TRUE(ingest_->MayStillArrive(StudyUid()));
  EXPECT_FALSE(ingest_->IsArriving(StudyUid())) << "housekeeping and delete would wait for ever";
}

}  // namespace
}  // namespace glionode::server
