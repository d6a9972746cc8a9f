#include "storage/removals.h"

#include "config/error.h"
#include "storage/inventory.h"
#include "storage/restore.h"
#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

#include <fstream>

namespace glionode::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RemovalsTest : public IndexTest {
 protected:
  RemovalsTest() {
    index_->Add(Image("1.1"));
    index_->Add(Image("1.2"));
  }
  std::vector<RemovableStudy> Removable(WallMs before = 1000000, const std::vector<std::string>& confirming = {}) {
    return Removals(*database_).Removable(before, confirming, 10);
  }
  void SendAll(const std::string& peer) {
    for (const auto& row : outbox_->Due(peer, 1 << 30, 100)) outbox_->MarkSent(row.id, "0000", 6000);
  }
};

TEST_F(RemovalsTest, NothingGoesWhileSomethingIsToBeDoneOrSent) {
  EXPECT_THAT(Removable(), IsEmpty()) << "it waits";
  Report("key", {Object("1.9.1", {"PACS", "SECOND"})});
  EXPECT_THAT(Removable(), IsEmpty()) << "nothing is sent yet";
  SendAll("PACS");
  EXPECT_THAT(Removable(), IsEmpty()) << "SECOND has not got it";
  const auto row = outbox_->Due("SECOND", 1 << 30, 1).at(0);
  outbox_->MarkDead(row.id, OutboxState::kDead, "refused");
  EXPECT_THAT(Removable(), IsEmpty()) << "a person may retry it";
  outbox_->RetryNow({row.id}, 7000);
  outbox_->MarkSent(row.id, "0000", 8000);
  EXPECT_EQ(Removable().size(), 1u);
  EXPECT_THAT(Removable(1000), IsEmpty()) << "too young";
  EXPECT_EQ(Removable(1000000, {"SECOND"}).size(), 1u) << "sent before proof was asked for: none will come";
  outbox_->MarkSent(row.id, "0000", 8000, 99000);
  EXPECT_THAT(Removable(1000000, {"X", "SECOND"}), IsEmpty()) << "sent, but not confirmed";
  EXPECT_EQ(Removable(1000000, {"X"}).size(), 1u);
}

TEST_F(RemovalsTest, IgnoredStudiesMayGoFailedAndParkedOnesStay) {
  index_->ForceState("1.2", StudyState::kIgnored, "");
  EXPECT_EQ(Removable().size(), 1u);
  for (const StudyState state : {StudyState::kFailed, StudyState::kParked, StudyState::kReceiving}) {
    index_->ForceState("1.2", state, "");
    EXPECT_THAT(Removable(), IsEmpty()) << ToText(state);
  }
}

TEST_F(RemovalsTest, ImagesGoAndRecordsStay) {
  Report("key", {Object("1.9.1", {"PACS"})});
  SendAll("PACS");
  Removals removals(*database_);
  const Removal removal = removals.RemoveImages(Removable().at(0), "old", 9000);
  EXPECT_EQ(removal.paths.size(), 2u);
  EXPECT_EQ(removal.bytes, std::int64_t{10} << 32);
  EXPECT_EQ(removals.Unfinished().size(), 1u);
  EXPECT_EQ(removals.Unfinished().at(0).paths, removal.paths) << "a crash here forgets no file";
  removals.Finished(removal.id);
  EXPECT_THAT(removals.Unfinished(), IsEmpty());
  EXPECT_THAT(Removable(), IsEmpty());
  EXPECT_EQ(State(), StudyState::kReported);
  EXPECT_TRUE(jobs_->NewestResult("1.2"));
  EXPECT_EQ(index_->Instances("1.2").size(), 2u) << "UIDs, hashes and headers stay";
  EXPECT_EQ(index_->FindCurrent("1.1")->removed_at, 9000);
  ASSERT_EQ(removals.OfStudy("1.2").size(), 1u);
  EXPECT_EQ(removals.OfStudy("1.2").at(0).why, "old");
}

TEST_F(RemovalsTest, AnImageThatComesInBetweenKeepsTheStudy) {
  index_->ForceState("1.2", StudyState::kIgnored, "");
  const auto study = Removable().at(0);
  index_->Add(Image("1.3", "a", 5000));
  index_->ForceState("1.2", StudyState::kIgnored, "");
  EXPECT_TRUE(Removals(*database_).RemoveImages(study, "old", 9000).paths.empty());
}

TEST_F(RemovalsTest, ARemovedImageThatComesAgainIsStoredAgain) {
  index_->ForceState("1.2", StudyState::kIgnored, "");
  const auto removal = Removals(*database_).RemoveImages(Removable().at(0), "old", 9000);
  EXPECT_FALSE(index_->HasFile(removal.paths.at(0))) << "the sweep takes what is there for new";
  InstanceRecord again = Image("1.1", "a", 10000);
  EXPECT_EQ(index_->Add(again), AddResult::kRestored);
  EXPECT_EQ(index_->FindCurrent("1.1")->removed_at, 0);
  EXPECT_EQ(State(), StudyState::kReceiving) << "judged anew";
  EXPECT_EQ(index_->Add(again), AddResult::kDuplicate);
}

TEST_F(RemovalsTest, ADeletedStudyIsGoneAndItsRevisionsGoOn) {
  Report("key", {Object("1.9.1", {"PACS"})});
  Removals removals(*database_);
  const Removal removal = removals.RemoveStudy("1.2", "study", "asked for", 9000);
  EXPECT_EQ(removal.paths.size(), 2u);
  EXPECT_EQ(removal.revision, 1);
  EXPECT_FALSE(index_->Find("1.2"));
  EXPECT_EQ(index_->Counts().instances, 0);
  EXPECT_TRUE(outbox_->Page(10, 0).empty());
  EXPECT_FALSE(jobs_->IsOwnObject("1.9.1"));
  EXPECT_THROW(removals.RemoveStudy("1.2", "study", "", 9000), Error);
  index_->Add(Image("1.1", "a", 20000));
  EXPECT_EQ(Study().revision, 1) << "the next report is number 2: no UID is used for other bytes";
}

TEST_F(RemovalsTest, AStudyThatIsEvaluatedIsNotDeleted) {
  jobs_->Create(NewJob("key"), Study().changes);
  jobs_->Claim("me", 1, 2);
  try {
    Removals(*database_).RemoveStudy("1.2", "study", "", 9000);
    FAIL() << "deleted";
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kBusy);
  }
  EXPECT_TRUE(index_->Find("1.2"));
}

TEST_F(RemovalsTest, OldRecordsAreThoseWithoutImages) {
  Report("key", {Object("1.9.1", {"PACS"})}, 5000);
  SendAll("PACS");
  Removals removals(*database_);
  EXPECT_THAT(removals.OldRecords(1000000, 10), IsEmpty()) << "its images are here";
  removals.RemoveImages(Removable().at(0), "old", 9000);
  EXPECT_THAT(removals.OldRecords(5000, 10), IsEmpty()) << "its result is younger";
  EXPECT_THAT(removals.OldRecords(5001, 10), ElementsAre("1.2"));
}

TEST_F(RemovalsTest, PatientsAreTakenByTheirWholeId) {
  InstanceRecord other = Image("7.1");
  other.study_uid = "1.7", other.identity = "ID^AB\n\n\n";
  index_->Add(other);
  InstanceRecord first = Image("8.1");
  first.study_uid = "1.8", first.identity = "ID^A\n\n\n";
  index_->Add(first);
  EXPECT_THAT(Removals(*database_).StudiesByIdentity("ID^A\n"), ElementsAre("1.8"));
  EXPECT_THAT(Removals(*database_).StudiesByIdentity("%\n"), IsEmpty());
}

class InventoryTest : public RemovalsTest {
 protected:
  const std::filesystem::path file_ = folder_.Path() / "index.sqlite";
};

TEST_F(InventoryTest, NamesEveryFileInPages) {
  Report("key", {Object("1.9.1", {})});
  const Inventory inventory(*database_);
  EXPECT_EQ(inventory.Count(), 3);
  const auto first = inventory.Instances(0, 1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(inventory.Instances(first[0].id, 10).size(), 1u);
  EXPECT_EQ(inventory.Objects(0, 10).at(0).study_uid, "1.2");
}

TEST_F(InventoryTest, ACopyIsWholeAndOverwritesNothing) {
  const auto copy = folder_.Path() / "copy.sqlite";
  CopyIndex(file_, copy);
  EXPECT_EQ(StudyIndex(*std::make_unique<Database>(copy)).Counts().instances, 2);
  EXPECT_THROW(CopyIndex(file_, copy), Error);
}

TEST_F(InventoryTest, DamageIsFoundAndSetAside) {
  for (int i = 0; i < 500; ++i) index_->Add(Image("5." + std::to_string(i)));
  database_.reset();
  EXPECT_EQ(CheckIndex(file_, 60000), IndexHealth::kGood);
  EXPECT_EQ(CheckIndex(folder_.Path() / "none.sqlite", 1000), IndexHealth::kGood);
  {
    std::fstream damage(file_, std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp(5 * 4096);
    damage << std::string(20 * 4096, '\x5a');
  }
  EXPECT_EQ(CheckIndex(file_, 60000), IndexHealth::kDamaged);
  const auto aside = SetIndexAside(file_);
  EXPECT_TRUE(std::filesystem::exists(aside));
  EXPECT_FALSE(std::filesystem::exists(file_));
  std::ofstream(file_) << "this is no database at all, but long enough to have a header that is none of SQLite's ....";
  EXPECT_EQ(CheckIndex(file_, 60000), IndexHealth::kDamaged);
  EXPECT_NE(SetIndexAside(file_), aside) << "nothing is overwritten";
  Open();
  EXPECT_EQ(index_->Counts().instances, 0);
}

TEST_F(InventoryTest, AResultComesBackWithWhatWasDelivered) {
  RememberedResult remembered;
  remembered.job = NewJob("key");
  remembered.job.study_uid = "1.77";
  remembered.job.revision = 1;
  remembered.result = NewResult();
  remembered.result.created_at = 3000;
  remembered.objects = {Object("1.9.1", {"PACS", "SECOND"}), Object("1.9.2", {"PACS"}, "sc")};
  remembered.delivered = {{"PACS", "1.9.1"}};
  EXPECT_TRUE(RestoreResult(*database_, remembered, 50000));
  EXPECT_FALSE(RestoreResult(*database_, remembered, 50000)) << "once";
  EXPECT_EQ(index_->Find("1.77")->state, StudyState::kReported);
  EXPECT_EQ(index_->Find("1.77")->revision, 1);
  EXPECT_TRUE(jobs_->IsOwnObject("1.9.1"));
  EXPECT_EQ(jobs_->OfStudy("1.77").at(0).state, JobState::kDone);
  EXPECT_THAT(outbox_->Due("PACS", 49999, 10), IsEmpty());
  const auto due = outbox_->Due("PACS", 50000, 10);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].object.sop_instance_uid, "1.9.2") << "what PACS has is not sent again";
  EXPECT_EQ(outbox_->Due("SECOND", 50000, 10).size(), 1u);
}

TEST_F(RemovalsTest, JobsOfARestingPeerWait) {
  jobs_->Create(NewJob("key"), Study().changes);
  EXPECT_FALSE(jobs_->Claim("me", 100000, 200000, {"X", "PACS"}));
  EXPECT_TRUE(jobs_->StartedSince(0, 100000).empty());
  EXPECT_TRUE(jobs_->Claim("me", 100000, 200000, {"X"}));
  EXPECT_THAT(jobs_->StartedSince(99999, 100000), ElementsAre(::testing::Pair("PACS", 1)));
  EXPECT_THAT(jobs_->StartedSince(100000, 200000), IsEmpty());
  EXPECT_THAT(jobs_->StartedSince(0, 99999), IsEmpty()) << "the clock was set back: nobody rests until then";
}

}  // namespace
}  // namespace glionode::storage
