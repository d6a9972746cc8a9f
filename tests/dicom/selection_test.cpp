#include "images_support.h"

#include <random>

namespace glionode::dicom {
namespace {

using namespace testing;

const std::vector<Role> kWanted = {Role::kT1, Role::kT2, Role::kT1ce};

StudySelection Select(const std::vector<InstanceHeader>& headers) {
  return SelectSeries(SummarizeSeries(headers), kWanted);
}

bool HasReason(const StudySelection& selection, ReasonCode code, const std::string& words = "") {
  return std::any_of(selection.reasons.begin(), selection.reasons.end(), [&](const Reason& reason) {
    return reason.code == code && reason.text.find(words) != std::string::npos;
  });
}

std::string Texts(const StudySelection& selection) {
  std::string text;
  for (const Reason& reason : selection.reasons) text += std::string(ToText(reason.code)) + ": " + reason.text + "\n";
  for (const JudgedSeries& series : selection.series)
    text += std::string(ToText(series.verdict.role)) + " " + series.verdict.why + "\n";
  return text;
}

/// A study of three complete series made in memory, 24 slices each.
std::vector<InstanceHeader> SmallStudy() {
  static const TempFolder folder;
  static const std::vector<InstanceHeader> headers = ReadAll(Flatten(WriteSmallStudy(folder.Path())));
  return headers;
}

std::vector<InstanceHeader*> OfSeries(std::vector<InstanceHeader>& headers, const std::string& description) {
  std::vector<InstanceHeader*> found;
  for (InstanceHeader& header : headers)
    if (header.Attribute("SeriesDescription") == description) found.push_back(&header);
  return found;
}

/// The series again under another UID and description.
void AddCopy(std::vector<InstanceHeader>& headers, const std::string& description, const std::string& copy,
             const std::map<std::string, std::string>& changes = {}) {
  std::vector<InstanceHeader> added;
  for (const InstanceHeader* header : OfSeries(headers, description)) {
    added.push_back(*header);
    added.back().series_uid += ".9";
    added.back().sop_instance_uid += ".9";
    added.back().attributes["SeriesDescription"] = copy;
    for (const auto& [keyword, value] : changes) added.back().attributes[keyword] = value;
  }
  headers.insert(headers.end(), added.begin(), added.end());
}

TEST(SeriesSelection, RealStudy) {
  GLIONODE_NEED_DATA("tcga-fg-6692");
  const auto selection = Select(ReadAll(FilesUnder(TestData() / "tcga-fg-6692")));
  EXPECT_TRUE(selection.reasons.empty()) << Texts(selection);
  EXPECT_EQ(selection.series.size(), 4u);
  ASSERT_EQ(selection.chosen.size(), 3u) << Texts(selection);
  EXPECT_EQ(selection.chosen.at(Role::kT1).description, "T1 AX");
  EXPECT_EQ(selection.chosen.at(Role::kT1ce).description, "MRHR T1 AX POST GAD");
  EXPECT_EQ(selection.chosen.at(Role::kT2).description, "MRHR T2 AX");
  for (const auto& [role, chosen] : selection.chosen) EXPECT_EQ(chosen.sop_instance_uids.size(), 26u);
  EXPECT_FALSE(selection.count_evidence);  // nothing in these headers counts the images
}

TEST(SeriesSelection, CompleteStudy) {
  auto headers = SmallStudy();
  const auto selection = Select(headers);
  EXPECT_TRUE(selection.reasons.empty()) << Texts(selection);
  EXPECT_EQ(selection.chosen.size(), 3u);
  EXPECT_TRUE(selection.count_evidence);  // mr_writer gives ImagesInAcquisition
  // Order does not matter.
  std::shuffle(headers.begin(), headers.end(), std::mt19937(3));
  const auto again = Select(headers);
  for (const Role role : kWanted) {
    EXPECT_EQ(again.chosen.at(role).sop_instance_uids, selection.chosen.at(role).sop_instance_uids);
    EXPECT_EQ(again.chosen.at(role).why, selection.chosen.at(role).why);
  }
}

TEST(SeriesSelection, MissingSliceIsIncomplete) {
  for (const bool announced : {true, false}) {
    auto headers = SmallStudy();
    auto slices = OfSeries(headers, "AX T2 TSE");
    if (!announced)
      for (InstanceHeader* header : slices) header->attributes.erase("ImagesInAcquisition");
    const std::string gone = slices[11]->sop_instance_uid;
    std::erase_if(headers, [&](const InstanceHeader& header) { return header.sop_instance_uid == gone; });
    const auto selection = Select(headers);
    EXPECT_TRUE(HasReason(selection, ReasonCode::kIncompleteSeries, "T2")) << Texts(selection);
    EXPECT_EQ(selection.reasons.size(), 1u);
    EXPECT_FALSE(selection.count_evidence);
  }
}

TEST(SeriesSelection, EndsMissingIsSeenByTheCountOnly) {
  auto headers = SmallStudy();
  const std::string gone = OfSeries(headers, "AX T1").back()->sop_instance_uid;
  std::erase_if(headers, [&](const InstanceHeader& header) { return header.sop_instance_uid == gone; });
  EXPECT_TRUE(HasReason(Select(headers), ReasonCode::kIncompleteSeries, "23 of 24"));
  for (InstanceHeader& header : headers) header.attributes.erase("ImagesInAcquisition");
  const auto selection = Select(headers);
  EXPECT_TRUE(selection.reasons.empty()) << Texts(selection);
  EXPECT_FALSE(selection.count_evidence);
}

TEST(SeriesSelection, MissingRoleIsNamed) {
  auto headers = SmallStudy();
  std::erase_if(headers,
                [](const InstanceHeader& header) { return header.Attribute("SeriesDescription") == "AX T2 TSE"; });
  const auto selection = Select(headers);
  ASSERT_EQ(selection.reasons.size(), 1u);
  EXPECT_EQ(selection.reasons[0].code, ReasonCode::kMissingRole);
  EXPECT_EQ(selection.reasons[0].text, "No T2 series was found in this study.");
  EXPECT_EQ(selection.chosen.size(), 2u);
}

TEST(SeriesSelection, UnsureRoleIsNamed) {
  auto headers = SmallStudy();
  for (InstanceHeader* header : OfSeries(headers, "AX T1 POST GD"))
    header->attributes["SeriesDescription"] = "AX T1 PRE/POST GD";
  const auto selection = Select(headers);
  EXPECT_TRUE(HasReason(selection, ReasonCode::kUnsureRole, "T1 with contrast")) << Texts(selection);
  EXPECT_FALSE(HasReason(selection, ReasonCode::kMissingRole));
}

TEST(SeriesSelection, PlainT1AfterTheInjectionIsUnsure) {
  auto headers = SmallStudy();
  for (InstanceHeader* header : OfSeries(headers, "AX T1 POST GD")) header->attributes["SeriesTime"] = "090000";
  for (InstanceHeader* header : OfSeries(headers, "AX T1")) header->attributes["SeriesTime"] = "085000";
  EXPECT_TRUE(Select(headers).reasons.empty());
  for (InstanceHeader* header : OfSeries(headers, "AX T1")) header->attributes["SeriesTime"] = "090500";
  EXPECT_TRUE(HasReason(Select(headers), ReasonCode::kUnsureRole, "T1 series"));
  for (InstanceHeader* header : OfSeries(headers, "AX T1")) header->attributes["SeriesDescription"] = "AX T1 PRE";
  EXPECT_TRUE(Select(headers).reasons.empty());  // the name says so: the clock of a repeat may mislead
}

TEST(SeriesSelection, ChoosesAmongSeveral) {
  auto headers = SmallStudy();
  AddCopy(headers, "AX T1", "AX T1 repeat", {{"SeriesTime", "081000"}});
  for (InstanceHeader* header : OfSeries(headers, "AX T1")) header->attributes["SeriesTime"] = "080500";
  auto selection = Select(headers);
  EXPECT_EQ(selection.chosen.at(Role::kT1).description, "AX T1 repeat");
  EXPECT_NE(selection.chosen.at(Role::kT1).why.find("acquired last"), std::string::npos)
      << selection.chosen.at(Role::kT1).why;

  for (InstanceHeader* header : OfSeries(headers, "AX T1 repeat"))
    header->attributes["ImageType"] = "DERIVED\\SECONDARY";
  selection = Select(headers);
  EXPECT_EQ(selection.chosen.at(Role::kT1).description, "AX T1");
  EXPECT_NE(selection.chosen.at(Role::kT1).why.find("original"), std::string::npos);

  // An incomplete one never wins over a complete one.
  const std::string gone = OfSeries(headers, "AX T1")[7]->sop_instance_uid;
  std::erase_if(headers, [&](const InstanceHeader& header) { return header.sop_instance_uid == gone; });
  selection = Select(headers);
  EXPECT_EQ(selection.chosen.at(Role::kT1).description, "AX T1 repeat");
  EXPECT_TRUE(selection.reasons.empty()) << Texts(selection);
}

TEST(SeriesSelection, FinerResolutionAndCoverageWin) {
  auto headers = SmallStudy();
  AddCopy(headers, "AX T1", "AX T1 thin");
  for (InstanceHeader* header : OfSeries(headers, "AX T1 thin"))
    header->geometry[0].spacing = {5.5, 5};  // half the field
  EXPECT_EQ(Select(headers).chosen.at(Role::kT1).description, "AX T1");
  for (InstanceHeader* header : OfSeries(headers, "AX T1 thin")) header->rows *= 2, header->columns *= 2;
  const auto selection = Select(headers);
  EXPECT_EQ(selection.chosen.at(Role::kT1).description, "AX T1 thin");
  EXPECT_NE(selection.chosen.at(Role::kT1).why.find("finer"), std::string::npos);
}

TEST(SeriesSelection, UnfitGeometryIsSaid) {
  const auto with = [](auto change) {
    auto headers = SmallStudy();
    change(OfSeries(headers, "AX T1"), headers);
    return Select(headers);
  };
  using Slices = std::vector<InstanceHeader*>;
  using All = std::vector<InstanceHeader>;
  EXPECT_TRUE(
      HasReason(with([](Slices s, All&) { s[3]->geometry[0].valid = false; }), ReasonCode::kGeometry, "position"));
  EXPECT_TRUE(HasReason(with([](Slices s, All&) { s[3]->geometry[0].orientation = {0, 1, 0, 0, 0, -1}; }),
                        ReasonCode::kGeometry, "directions"));
  EXPECT_TRUE(HasReason(with([](Slices s, All&) { s[3]->rows = 99; }), ReasonCode::kGeometry, "size"));
  EXPECT_TRUE(HasReason(with([](Slices s, All&) {
                          s[3]->geometry[0].spacing = {3, 3};
                        }),
                        ReasonCode::kGeometry, "spacing"));
  EXPECT_TRUE(HasReason(with([](Slices s, All&) { s[3]->geometry[0].position = s[4]->geometry[0].position; }),
                        ReasonCode::kGeometry, "several images"));
  EXPECT_TRUE(
      HasReason(with([](Slices s, All&) { s[3]->geometry[0].position[0] += 9; }), ReasonCode::kGeometry, "sideways"));
  EXPECT_TRUE(HasReason(with([](Slices s, All&) {
                          for (std::size_t i = 0; i < s.size(); ++i)
                            s[i]->geometry[0].position[2] += i % 2 == 0 ? 0.8 : 0;
                        }),
                        ReasonCode::kGeometry, "equally"));
  // One slice, and a few.
  for (const std::size_t kept : {std::size_t{1}, std::size_t{4}})
    EXPECT_TRUE(HasReason(with([kept](Slices s, All& all) {
                            std::vector<std::string> uids;
                            for (std::size_t i = kept; i < s.size(); ++i) uids.push_back(s[i]->sop_instance_uid);
                            std::erase_if(all, [&](const InstanceHeader& h) {
                              return std::find(uids.begin(), uids.end(), h.sop_instance_uid) != uids.end();
                            });
                          }),
                          ReasonCode::kGeometry, "slice"));
}

TEST(SeriesSelection, SeveralVolumesInOneSeries) {
  // Magnitude and phase, told apart by the volume key: the magnitude is taken.
  auto headers = SmallStudy();
  for (InstanceHeader* header : OfSeries(headers, "AX T2 TSE")) header->geometry[0].volume_key = "echo=1;type=M";
  std::vector<InstanceHeader> more;
  std::vector<std::string> magnitude;
  for (const InstanceHeader* header : OfSeries(headers, "AX T2 TSE")) {
    magnitude.push_back(header->sop_instance_uid);
    more.push_back(*header);
    more.back().sop_instance_uid += ".7";
    more.back().geometry[0].volume_key = "echo=1;type=P";
  }
  const auto study_with = [&](const std::string& key) {
    auto all = headers;
    for (InstanceHeader& header : more) header.geometry[0].volume_key = key;
    all.insert(all.end(), more.begin(), more.end());
    return Select(all);
  };
  std::sort(magnitude.begin(), magnitude.end());
  auto selection = study_with("echo=1;type=P");
  EXPECT_TRUE(selection.reasons.empty()) << Texts(selection);
  EXPECT_EQ(selection.chosen.at(Role::kT2).sop_instance_uids, magnitude);
  // A double echo: T2 is the later one.
  selection = study_with("echo=2;type=M");
  EXPECT_TRUE(selection.reasons.empty()) << Texts(selection);
  EXPECT_NE(selection.chosen.at(Role::kT2).sop_instance_uids, magnitude);
  EXPECT_EQ(selection.chosen.at(Role::kT2).sop_instance_uids.size(), 24u);
  EXPECT_NE(selection.chosen.at(Role::kT2).why.find("longest echo"), std::string::npos);
  // Time points, and copies that nothing tells apart.
  EXPECT_TRUE(HasReason(study_with("echo=1;time=2;type=M"), ReasonCode::kGeometry, "time points"));
  EXPECT_TRUE(HasReason(study_with("echo=1;type=M"), ReasonCode::kGeometry, "several images"));
}

TEST(SeriesSelection, RejectionNotesTakeImagesBack) {
  auto headers = SmallStudy();
  InstanceHeader note;
  note.sop_class_uid = "1.2.840.10008.5.1.4.1.1.88.59";
  note.sop_instance_uid = "1.2.3.5";
  note.series_uid = "1.2.3.6";
  note.attributes["Modality"] = "KO";
  for (const InstanceHeader* header : OfSeries(headers, "AX T2 TSE"))
    note.rejected_instances.push_back(header->sop_instance_uid);
  headers.push_back(note);
  EXPECT_TRUE(HasReason(Select(headers), ReasonCode::kMissingRole, "T2"));
}

TEST(SeriesSelection, OtherRealObjectsAreRefusedForTheRightReason) {
  GLIONODE_NEED_DATA("emri-small");
  // An abdomen with a contrast agent, reformatted: no T1ce.
  auto series = SummarizeSeries(ReadAll({TestData() / "emri-small/MR-SIEMENS-DICOM-WithOverlays.dcm"}));
  EXPECT_EQ(JudgeSeries(series.at(0)).role, Role::kNone) << JudgeSeries(series.at(0)).why;
  for (const char* folder : {"enhanced-small/Siemens", "enhanced-small/Philips"})
    for (const SeriesFacts& facts : SummarizeSeries(ReadAll(FilesUnder(TestData() / folder)))) {
      EXPECT_GT(facts.frames, 0);
      EXPECT_EQ(JudgeSeries(facts).role, Role::kNone) << JudgeSeries(facts).why;
    }
  // Enhanced and classic T1 of a phantom object, private raw objects beside them.
  const auto selection =
      SelectSeries(SummarizeSeries(ReadAll(FilesUnder(TestData() / "philips-enhanced"))), {Role::kT1});
  EXPECT_EQ(selection.chosen.count(Role::kT1), 1u) << Texts(selection);
  EXPECT_TRUE(selection.reasons.empty()) << Texts(selection);
  const auto single = SelectSeries(SummarizeSeries(ReadAll({TestData() / "nema-wg04/REF/MR1_UNC"})), {Role::kT1});
  EXPECT_FALSE(single.reasons.empty());
}

}  // namespace
}  // namespace glionode::dicom
