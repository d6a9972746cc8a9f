#include "storage/study_index.h"

#include "config/error.h"
#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

#include <thread>

namespace glionode::storage {
namespace {

using ::testing::ElementsAre;
using StudyIndexTest = IndexTest;

TEST_F(StudyIndexTest, ANewCandidateMakesItsStudy) {
  EXPECT_FALSE(index_->Find("1.2"));
  EXPECT_EQ(index_->Add(Image("1.1", "a", 1763740000000)), AddResult::kNew);
  const StudyRecord study = Study();
  EXPECT_EQ(study.state, StudyState::kReceiving);
  EXPECT_EQ(study.from_ae, "PACS");
  EXPECT_EQ(study.first_arrival, 1763740000000);
  EXPECT_EQ(study.last_arrival, 1763740000000);
  EXPECT_FALSE(study.accepted);
  EXPECT_EQ(study.revision, 0);
  EXPECT_EQ(study.changes, 1);
  EXPECT_EQ(study.judged_changes, -1);
}

TEST_F(StudyIndexTest, EveryFieldOfAnInstanceComesBack) {
  auto image = Image("1.1");
  image.identity = "ID\\^\u00c4\xc4";  // bytes in whatever character set
  index_->Add(image);
  const auto found = index_->FindCurrent("1.1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sop_instance_uid, image.sop_instance_uid);
  EXPECT_EQ(found->sop_class_uid, image.sop_class_uid);
  EXPECT_EQ(found->series_uid, image.series_uid);
  EXPECT_EQ(found->study_uid, image.study_uid);
  EXPECT_EQ(found->transfer_syntax_uid, image.transfer_syntax_uid);
  EXPECT_EQ(found->file, image.file);
  EXPECT_EQ(found->sha256, image.sha256);
  EXPECT_EQ(found->bytes, image.bytes);
  EXPECT_EQ(found->from_ae, image.from_ae);
  EXPECT_EQ(found->received_at, image.received_at);
  EXPECT_EQ(found->kind, image.kind);
  EXPECT_EQ(found->header_json, image.header_json);
  EXPECT_EQ(found->identity, image.identity);
  EXPECT_TRUE(found->current);
  EXPECT_FALSE(index_->FindCurrent("1.9"));
}

TEST_F(StudyIndexTest, ADuplicateTouchesNothing) {
  index_->Add(Image("1.1", "a", 1000));
  auto resend = Image("1.1", "a", 9000);
  resend.from_ae = "OTHER";
  resend.file = "images/00/1.2/1.1.1.dcm";  // two came at once
  EXPECT_EQ(index_->Add(resend), AddResult::kDuplicate);
  EXPECT_EQ(Study().last_arrival, 1000);
  EXPECT_EQ(Study().changes, 1);
  EXPECT_EQ(Study().from_ae, "PACS");
  EXPECT_EQ(index_->Counts().instances, 1);
  EXPECT_FALSE(index_->HasFile(resend.file)) << "so its file may be removed";
}

TEST_F(StudyIndexTest, OtherBytesUnderAKnownUidAreANewVersion) {
  index_->Add(Image("1.1", "a", 1000));
  EXPECT_EQ(index_->Add(Image("1.1", "b", 2000)), AddResult::kNewVersion);
  EXPECT_EQ(index_->FindCurrent("1.1")->sha256, Image("1.1", "b").sha256);
  EXPECT_EQ(index_->Candidates("1.2").size(), 1u) << "the old one is no input any more";
  EXPECT_EQ(index_->Instances("1.2").size(), 1u);
  EXPECT_EQ(index_->Counts().instances, 2) << "but it is kept";
  EXPECT_EQ(Study().changes, 2);
  EXPECT_EQ(Study().first_arrival, 1000);
  EXPECT_EQ(Study().last_arrival, 2000);
  EXPECT_TRUE(index_->HasFile(Image("1.1", "a").file));
  EXPECT_TRUE(index_->HasFile(Image("1.1", "b").file));
  // The first bytes again, as a file of their own: somebody went back to them.
  auto back = Image("1.1", "a", 3000);
  back.file = "images/00/1.2/1.1.2.dcm";
  EXPECT_EQ(index_->Add(back), AddResult::kNewVersion);
  EXPECT_EQ(index_->FindCurrent("1.1")->sha256, back.sha256);
}

TEST_F(StudyIndexTest, AnOlderFileFoundLaterStaysOld) {
  index_->Add(Image("1.1", "b", 2000));  // 1.1.1.dcm has its row, 1.1.dcm lost it in a crash
  EXPECT_EQ(index_->Add(Image("1.1", "a", 1000)), AddResult::kSuperseded);
  EXPECT_EQ(index_->FindCurrent("1.1")->sha256, Image("1.1", "b").sha256);
  EXPECT_TRUE(index_->HasFile(Image("1.1", "a").file));
  EXPECT_EQ(Study().changes, 1);
  EXPECT_EQ(index_->Add(Image("1.1", "a", 1000)), AddResult::kDuplicate) << "a second sweep finds nothing new";
  EXPECT_EQ(index_->Counts().instances, 2);
}

TEST_F(StudyIndexTest, OtherKindsMakeNoStudyAndTouchNoTimer) {
  for (const InstanceKind kind : {InstanceKind::kOther, InstanceKind::kOwn}) {
    auto object = Image(kind == InstanceKind::kOther ? "1.7" : "1.8", "a", 9000);
    object.kind = kind;
    EXPECT_EQ(index_->Add(object), AddResult::kNew);
    EXPECT_FALSE(index_->Find("1.2"));
  }
  index_->Add(Image("1.1", "a", 1000));
  auto own = Image("1.9", "a", 9000);
  own.kind = InstanceKind::kOwn;
  index_->Add(own);
  own = Image("1.9", "b", 9500);
  own.kind = InstanceKind::kOwn;
  EXPECT_EQ(index_->Add(own), AddResult::kNewVersion);
  EXPECT_EQ(Study().last_arrival, 1000);
  EXPECT_EQ(Study().changes, 1);
  EXPECT_EQ(index_->Instances("1.2").size(), 4u);
  EXPECT_EQ(index_->Candidates("1.2").size(), 1u);
}

TEST_F(StudyIndexTest, AReportedStudyIsNotReopenedByOurOwnObjects) {
  index_->Add(Image("1.1"));
  Report("key", {Object("1.9.1", {"PACS"})});
  auto own = Image("1.9.1", "a", 90000);
  own.kind = InstanceKind::kOwn;
  index_->Add(own);
  EXPECT_EQ(State(), StudyState::kReported);
}

TEST_F(StudyIndexTest, AnImageUnderAnotherStudyMovesAndBothAreJudgedAnew) {
  index_->Add(Image("1.1", "a", 1000));
  index_->Add(Image("1.3", "a", 1000));
  Report("key");
  auto moved = Image("1.1", "b", 7000);
  moved.study_uid = "9.9";
  moved.from_ae = "OTHER";
  EXPECT_EQ(index_->Add(moved), AddResult::kNewVersion);
  EXPECT_EQ(index_->Candidates("1.2").size(), 1u);
  EXPECT_EQ(index_->Candidates("9.9").size(), 1u);
  EXPECT_EQ(State(), StudyState::kReceiving);
  EXPECT_EQ(Study().from_ae, "PACS") << "nobody sent this study anything";
  EXPECT_EQ(Study().first_arrival, 7000);
  EXPECT_EQ(Study().changes, 3);
  EXPECT_EQ(index_->Find("9.9")->changes, 1);
}

TEST_F(StudyIndexTest, ACandidateThatTurnsIntoSomethingElseChangesItsStudy) {
  index_->Add(Image("1.1"));
  auto other = Image("1.1", "b", 2000);
  other.kind = InstanceKind::kOther;
  index_->Add(other);
  EXPECT_EQ(Study().changes, 2);
  EXPECT_TRUE(index_->Candidates("1.2").empty());
}

TEST_F(StudyIndexTest, WhatANewImageDoesInEachState) {
  const struct {
    StudyState before, after;
    bool new_round;
  } cases[] = {
      {StudyState::kReceiving, StudyState::kReceiving, false}, {StudyState::kReady, StudyState::kReady, false},
      {StudyState::kRunning, StudyState::kRunning, false},  // a new round only once it was judged: see jobs_test
      {StudyState::kReported, StudyState::kReceiving, true},   {StudyState::kFailed, StudyState::kReceiving, true},
      {StudyState::kParked, StudyState::kReceiving, true},     {StudyState::kIgnored, StudyState::kReceiving, true},
  };
  int number = 0;
  for (const auto& one : cases) {
    auto image = Image("1.5." + std::to_string(++number), "a", 1000);
    image.study_uid = "1.2." + std::to_string(number);
    index_->Add(image);
    index_->ForceState(image.study_uid, one.before, "because");
    image = Image("1.6." + std::to_string(number), "a", 5000);
    image.study_uid = "1.2." + std::to_string(number);
    image.from_ae = "SECOND";
    index_->Add(image);
    const auto study = index_->Find(image.study_uid);
    EXPECT_EQ(study->state, one.after) << ToText(one.before);
    EXPECT_EQ(study->first_arrival, one.new_round ? 5000 : 1000) << ToText(one.before);
    EXPECT_EQ(study->last_arrival, 5000);
    EXPECT_EQ(study->changes, 2);
    EXPECT_EQ(study->from_ae, "SECOND");
  }
}

TEST_F(StudyIndexTest, SetStateComparesChanges) {
  index_->Add(Image("1.1"));
  EXPECT_FALSE(index_->SetState("1.2", StudyState::kIgnored, "no rule", 0));
  EXPECT_EQ(State(), StudyState::kReceiving);
  EXPECT_EQ(Study().why, "");
  EXPECT_FALSE(index_->SetState("none", StudyState::kIgnored, "no rule", 1));

  EXPECT_TRUE(index_->SetState("1.2", StudyState::kReceiving, "rule in line 3", 1));
  EXPECT_TRUE(Study().accepted);
  EXPECT_EQ(Study().why, "rule in line 3");
  EXPECT_EQ(Study().judged_changes, -1) << "waiting is no judgement";

  EXPECT_TRUE(index_->SetState("1.2", StudyState::kParked, "two patients", 1));
  EXPECT_EQ(State(), StudyState::kParked);
  EXPECT_TRUE(Study().accepted);
  EXPECT_EQ(Study().judged_changes, 1);

  EXPECT_TRUE(index_->SetState("1.2", StudyState::kIgnored, "no rule", 1));
  EXPECT_FALSE(Study().accepted);

  index_->Add(Image("1.3"));
  EXPECT_EQ(Study().why, "");
  EXPECT_FALSE(index_->SetState("1.2", StudyState::kIgnored, "late", 1)) << "judged before the image came";
}

TEST_F(StudyIndexTest, AddAllIsOneTransaction) {
  auto bad = Image("1.4");
  bad.kind = static_cast<InstanceKind>(99);
  EXPECT_THROW(index_->AddAll({Image("1.1"), Image("1.3"), bad}), Error);
  EXPECT_EQ(index_->Counts().instances, 0);
  EXPECT_FALSE(index_->Find("1.2"));
  EXPECT_THAT(index_->AddAll({Image("1.1"), Image("1.1"), Image("1.1", "b"), Image("1.3")}),
              ElementsAre(AddResult::kNew, AddResult::kDuplicate, AddResult::kNewVersion, AddResult::kNew));
  EXPECT_EQ(Study().changes, 3);
  EXPECT_TRUE(index_->AddAll({}).empty());
}

TEST_F(StudyIndexTest, ListAndPage) {
  for (int i = 0; i < 5; ++i) {
    auto image = Image("1.5." + std::to_string(i), "a", 1000 + (i * 7) % 5);
    image.study_uid = "1.2." + std::to_string(i);
    index_->Add(image);
  }
  index_->ForceState("1.2.3", StudyState::kReported, "");
  const auto uids = [](const std::vector<StudyRecord>& studies) {
    std::vector<std::string> list;
    for (const auto& study : studies) list.push_back(study.study_uid);
    return list;
  };
  EXPECT_THAT(uids(index_->List({StudyState::kReceiving})), ElementsAre("1.2.0", "1.2.1", "1.2.4", "1.2.2"));
  EXPECT_THAT(uids(index_->List({StudyState::kReceiving}, 2, 1)), ElementsAre("1.2.1", "1.2.4"));
  EXPECT_THAT(uids(index_->List({StudyState::kReceiving, StudyState::kReported})),
              ElementsAre("1.2.0", "1.2.3", "1.2.1", "1.2.4", "1.2.2"));
  EXPECT_TRUE(index_->List({}).empty());
  EXPECT_THAT(uids(index_->Page(2, 0)), ElementsAre("1.2.2", "1.2.4"));
  EXPECT_THAT(uids(index_->Page(10, 3)), ElementsAre("1.2.3", "1.2.0"));
  EXPECT_TRUE(index_->Page(-1, -1).empty());
  const StudyCounts counts = index_->Counts();
  EXPECT_EQ(counts.studies, 5);
  EXPECT_EQ(counts.instances, 5);
  EXPECT_THAT(counts.by_state, ElementsAre(std::pair("receiving", 4), std::pair("reported", 1)));
}

TEST_F(StudyIndexTest, RolesAreReplacedAsAWhole) {
  index_->Add(Image("1.1"));
  const auto role = [](const std::string& series, const std::string& name, double score) {
    return SeriesRoleRecord{"1.2", series, name, "TR 500", "tr_te", "T1 AX", score, name != "none"};
  };
  index_->SetRoles("1.2", {role("1.2.3", "t1", 0.1), role("1.2.4", "none", -1e-9)});
  index_->SetRoles("1.2", {role("1.2.5", "t2", 1.0 / 3), role("1.2.4", "none", 2)});
  const auto roles = index_->Roles("1.2");
  ASSERT_EQ(roles.size(), 2u);
  EXPECT_EQ(roles[0].series_uid, "1.2.4");
  EXPECT_FALSE(roles[0].chosen);
  EXPECT_EQ(roles[1].role, "t2");
  EXPECT_EQ(roles[1].score, 1.0 / 3);
  EXPECT_TRUE(roles[1].chosen);
  EXPECT_EQ(roles[1].why, "TR 500");
  EXPECT_EQ(roles[1].rule, "tr_te");
  EXPECT_EQ(roles[1].description, "T1 AX");
  EXPECT_THROW(index_->SetRoles("none", {role("1.2.3", "t1", 1)}), Error) << "no such study";
  EXPECT_TRUE(index_->Roles("none").empty());
}

TEST_F(StudyIndexTest, HasFileTellsUidsAndVersionsApart) {
  index_->Add(Image("1.2.3", "b"));  // 1.2.3.1.dcm
  EXPECT_TRUE(index_->HasFile("images/00/1.2/1.2.3.1.dcm"));
  EXPECT_FALSE(index_->HasFile("images/00/1.2/1.2.3.dcm"));
  EXPECT_FALSE(index_->HasFile("images/11/1.2/1.2.3.1.dcm"));
  EXPECT_FALSE(index_->HasFile(""));
  EXPECT_THAT(index_->WithoutRow({"images/00/1.2/1.2.3.dcm", "images/00/1.2/1.2.3.1.dcm", "images/00/1.2/9.dcm"}),
              ElementsAre("images/00/1.2/1.2.3.dcm", "images/00/1.2/9.dcm"));
}

TEST_F(StudyIndexTest, TwoThreadsAddingLoseNothing) {
  constexpr int kEach = 60;
  const auto work = [this](int thread) {
    for (int i = 0; i < kEach; ++i) {
      index_->Add(Image("1." + std::to_string(thread) + "." + std::to_string(i)));
      index_->FindCurrent("1.1.0");
      // Both send this one, in the same bytes.
      index_->AddAll({Image("1.9." + std::to_string(i))});
    }
  };
  std::thread a(work, 1), b(work, 2);
  a.join();
  b.join();
  EXPECT_EQ(index_->Counts().instances, 3 * kEach);
  EXPECT_EQ(Study().changes, 3 * kEach);
  EXPECT_EQ(index_->Candidates("1.2").size(), 3u * kEach);
}

TEST_F(StudyIndexTest, OfManyThreadsWithDifferentBytesOneIsCurrent) {
  const auto work = [this](char first) {
    for (char content = first; content < first + 8; ++content) index_->Add(Image("1.1", std::string(1, content)));
  };
  std::thread a(work, 'b'), b(work, 'k');
  a.join();
  b.join();
  EXPECT_EQ(index_->Candidates("1.2").size(), 1u);
}

}  // namespace
}  // namespace glionode::storage
