// Rejection notes of an archive (IHE IOCM) that come in: what they take back is evaluated no more.
#include "dicom/header_reader.h"
#include "dicom/key_object.h"
#include "dicom/mr_writer.h"
#include "watcher_fixture.h"

namespace glionode::server {
namespace {

using storage::StudyState;

class RejectionTest : public WatcherTest {
 protected:
  /// A note of the archive that takes these roles' images back, under a study of ours or of others.
  std::filesystem::path Note(const std::vector<std::string>& roles, const std::string& study = "study") {
    dicom::RejectionNote note;
    note.study_uid = StudyUid(study);
    note.name = "note of an archive";
    note.device_uid = "1.2.3";
    note.content_date = "20260901", note.content_time = "120000";
    std::filesystem::path source;
    for (const auto& [role, files] : MakeStudy({.roles = roles}))
      for (const auto& file : files) {
        const auto header = dicom::ReadHeader(file);
        note.objects.push_back({header.series_uid, header.sop_class_uid, header.sop_instance_uid});
        source = file;
      }
    if (study != "study") source = MakeStudy({.name = study, .roles = {"t1"}}).at("t1").front();
    const auto file = folder_ / "note.dcm";
    dicom::WriteRejectionNote(note, source, file);
    return file;
  }
  int TickAfterQuiet(StudyWatcher& watcher) {
    watcher.Tick(Bundle());
    clock_.Advance(3700);
    return watcher.Tick(Bundle());
  }
};

TEST_F(RejectionTest, TakesImagesOutAndOpensARevision) {
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  Push(Note({"t2"}));
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReceiving);
  ASSERT_EQ(TickAfterQuiet(*watcher), 1);
  const auto jobs = jobs_->OfStudy(StudyUid());
  EXPECT_EQ(jobs.front().revision, 2);
  EXPECT_EQ(InputsOf(jobs.front()).inputs.count(Role::kT2), 0u);
  const std::string change = DescribeChange(InputsOf(jobs.back()), InputsOf(jobs.front()));
  EXPECT_NE(change.find("images were rejected in the PACS"), std::string::npos) << change;
}

TEST_F(RejectionTest, CountsWhenItComesBeforeTheImages) {
  auto watcher = MakeWatcher(Times());
  Push(Note({"t2"}));
  EXPECT_FALSE(index_->Find(StudyUid()));
  PushStudy({});
  ASSERT_EQ(TickAfterQuiet(*watcher), 1);
  EXPECT_EQ(InputsOf(jobs_->OfStudy(StudyUid()).front()).inputs.count(Role::kT2), 0u);
}

TEST_F(RejectionTest, TheSameImagesAgainStayRejected) {
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  Push(Note({"t2"}));
  PushStudy({});
  ASSERT_EQ(TickAfterQuiet(*watcher), 1);
  EXPECT_EQ(InputsOf(jobs_->OfStudy(StudyUid()).front()).inputs.count(Role::kT2), 0u);
}

TEST_F(RejectionTest, ImagesOfAnotherPatientThatAreRejectedMixNothing) {
  auto watcher = MakeWatcher(Times());
  PushStudy({.patient_id = "P2", .roles = {"t2"}});
  PushStudy({.roles = {"t1", "t1ce"}});
  Push(Note({"t2"}));
  ASSERT_EQ(TickAfterQuiet(*watcher), 1);
  EXPECT_NE(index_->Find(StudyUid())->state, StudyState::kParked);
}

TEST_F(RejectionTest, AllImagesRejectedParksAReportedStudy) {
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  Push(Note({"t1", "t2", "t1ce"}));
  EXPECT_EQ(TickAfterQuiet(*watcher), 0);
  const auto study = index_->Find(StudyUid());
  EXPECT_EQ(study->state, StudyState::kParked);
  EXPECT_NE(study->why.find("glionode withdraw"), std::string::npos) << study->why;
}

TEST_F(RejectionTest, ANoteOfAnotherStudyTakesNothingBack) {
  auto watcher = MakeWatcher(Times());
  MakeReport(*watcher);
  Push(Note({"t2"}, "other"));
  EXPECT_EQ(TickAfterQuiet(*watcher), 0);
  EXPECT_EQ(index_->Find(StudyUid())->state, StudyState::kReported);
}

}  // namespace
}  // namespace glionode::server
