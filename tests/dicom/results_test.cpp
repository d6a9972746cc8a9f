#include "config/error.h"
#include "dicom/ascii_text.h"
#include "results_fixture.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cmath>
#include <map>
#include <set>

namespace glionode::dicom {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class PhrasesTest : public ResultsTest {};

TEST_F(PhrasesTest, PercentIsWholeAndNeverClaimsCertainty) {
  EXPECT_EQ(PercentText(0), "<1");
  EXPECT_EQ(PercentText(0.004), "<1");
  EXPECT_EQ(PercentText(0.006), "1");
  EXPECT_EQ(PercentText(0.873), "87");
  EXPECT_EQ(PercentText(0.994), "99");
  EXPECT_EQ(PercentText(0.996), ">99");
  EXPECT_EQ(PercentText(1), ">99");
}

TEST_F(PhrasesTest, FiguresAddUpToHundredAtEveryHalfPercent) {
  for (const double p : {0.125, 0.375, 0.005, 0.995, 0.5}) {
    ReportContent content = Content(Decision::kIndeterminate);
    content.probability_of_necrosis = p;
    const long necrosis = std::lround(100 * p);
    const auto text = [](long percent) {
      return percent <= 0 ? std::string("<1") : percent >= 100 ? std::string(">99") : std::to_string(percent);
    };
    EXPECT_THAT(ResultSentences(content), HasSubstr("of radiation necrosis " + text(necrosis) + " %"));
    EXPECT_THAT(ResultSentences(content), HasSubstr("of glioma recurrence " + text(100 - necrosis) + " %"));
  }
}

TEST_F(PhrasesTest, EveryDecisionNamesItsClassAndWhatItRestsOn) {
  const std::string recurrence = ResultSentences(Content(Decision::kRecurrence));
  EXPECT_THAT(recurrence, StartsWith("AI result: glioma recurrence is more likely than radiation necrosis"));
  EXPECT_THAT(recurrence, HasSubstr("of glioma recurrence 88 %"));
  const std::string necrosis = ResultSentences(Content(Decision::kNecrosis));
  EXPECT_THAT(necrosis, StartsWith("AI result: radiation necrosis is more likely than glioma recurrence"));
  EXPECT_THAT(ResultSentences(Content(Decision::kIndeterminate)), StartsWith("AI result: indeterminate"));
  for (const Decision decision : kAllDecisions) {
    const std::string text = ResultSentences(Content(decision));
    EXPECT_THAT(text, HasSubstr("tested on 200 phantoms; of 100 necroses 83 found"));
    EXPECT_THAT(text, HasSubstr("demonstration on synthetic phantoms only"));
    EXPECT_THAT(text, HasSubstr("\"T1 AX POST GAD\""));
    EXPECT_THAT(text, EndsWith("NOT FOR CLINICAL USE."));
    EXPECT_EQ(text.find("positive"), std::string::npos);
  }
  EXPECT_THAT(recurrence, HasSubstr("cannot say both, neither or a mixture"));
  EXPECT_THAT(recurrence, HasSubstr("has not verified it"));
}

TEST_F(PhrasesTest, NotEvaluableGivesItsReasonsAndNoFigure) {
  const std::string text = ResultSentences(Content(Decision::kNotEvaluable));
  EXPECT_THAT(text, HasSubstr("The model was made for synthetic phantoms, not for patients."));
  EXPECT_THAT(text, HasSubstr("No T2 series was found."));
  EXPECT_EQ(text.find('%'), std::string::npos);
}

TEST_F(PhrasesTest, RoundingOntoTheLimitIsSaid) {
  ReportContent content = Content(Decision::kNecrosis);
  content.probability_of_necrosis = 0.6512;
  EXPECT_THAT(ResultSentences(content), HasSubstr("just above 65 %"));
  content = Content(Decision::kRecurrence);
  content.probability_of_necrosis = 0.3488;
  EXPECT_THAT(ResultSentences(content), HasSubstr("just below 35 %"));
}

TEST_F(PhrasesTest, RevisionSaysWhatItReplacesAndWhetherTheDecisionChanged) {
  EXPECT_EQ(RevisionSentence(Content(Decision::kNecrosis)), "");
  EXPECT_EQ(RevisionSentence(Revised(Content(Decision::kNecrosis))),
            "Replaces the report of 2026-11-20 14:03; decision changed from indeterminate to necrosis; why: the T2 "
            "series was replaced.");
  EXPECT_THAT(RevisionSentence(Revised(Content(Decision::kIndeterminate))), HasSubstr("decision unchanged"));
}

TEST_F(PhrasesTest, SeriesDescriptionFitsAndWarns) {
  for (const Decision decision : kAllDecisions)
    for (const bool capture : {false, true}) {
      const std::string text = ResultSeriesDescription(Content(decision), capture);
      EXPECT_LE(text.size(), 64u);
      EXPECT_THAT(text, StartsWith("AI"));
      EXPECT_THAT(text, EndsWith("NOT FOR CLINICAL USE"));
    }
}

TEST_F(PhrasesTest, TextIsFoldedToAscii) {
  EXPECT_EQ(FoldToAscii("Sch\xC3\xA4"
                        "del T1 \xE6\x97\xA5\xE6\x9C\xAC\\x\n"),
            "Schadel T1 ?"
            "?/x ");
  EXPECT_EQ(FoldToAscii("cut \xC3"), "cut ?");
  EXPECT_EQ(Truncate("abcdefgh", 6), "abc...");
}

class SrReportTest : public ResultsTest {
 protected:
  EncodedObject Write(const ReportContent& content, SrClass sr_class = SrClass::kComprehensive3D,
                      const std::string& name = "sr.dcm") {
    return WriteSr(content, sr_class, source_, folder_ / name);
  }
};

TEST_F(SrReportTest, SameResultIsEncodedToTheSameBytes) {
  Write(Content(Decision::kNecrosis), SrClass::kComprehensive3D, "a.dcm");
  Write(Content(Decision::kNecrosis), SrClass::kComprehensive3D, "b.dcm");
  EXPECT_EQ(FileBytes(folder_ / "a.dcm"), FileBytes(folder_ / "b.dcm"));
}

TEST_F(SrReportTest, EachClassAndEachInputHasUidsOfItsOwn) {
  std::set<std::string> uids;
  for (const SrClass sr_class : {SrClass::kComprehensive3D, SrClass::kComprehensive, SrClass::kEnhanced})
    for (const Decision decision : kAllDecisions) {
      const EncodedObject object = Write(Content(decision), sr_class);
      EXPECT_EQ(object.sop_class_uid, SrClassUid(sr_class));
      ReadBack report(object.file);
      EXPECT_EQ(report.Text(DCM_SOPInstanceUID), object.sop_instance_uid);
      EXPECT_EQ(report.Text(DCM_SeriesInstanceUID), object.series_uid);
      EXPECT_EQ(report.Text(DCM_SOPClassUID), object.sop_class_uid);
      uids.insert(object.sop_instance_uid);
      uids.insert(object.series_uid);
    }
  EXPECT_EQ(uids.size(), 24u);
}

TEST_F(SrReportTest, TheAnswerComesFirst) {
  ReadBack report(Write(Revised(Content(Decision::kNecrosis))).file);
  for (DcmItem* item : report.ContentItems()) {
    if (ReadBack::TextOf(*item, DCM_RelationshipType) != "CONTAINS") continue;
    EXPECT_EQ(ReadBack::TextOf(*item, DCM_ValueType), "TEXT");
    EXPECT_EQ(ReadBack::CodeOf(*item, DCM_ConceptNameCodeSequence), "121106|DCM");
    EXPECT_THAT(ReadBack::TextOf(*item, DCM_TextValue), StartsWith("Replaces the report of 2026-11-20 14:03"));
    EXPECT_THAT(ReadBack::TextOf(*item, DCM_TextValue), HasSubstr("radiation necrosis is more likely"));
    break;
  }
}

TEST_F(SrReportTest, ProbabilitiesAreSeparateNumbersNamedByTheirClass) {
  ReadBack report(Write(Content(Decision::kNecrosis)).file);
  std::map<std::string, std::string> numbers;
  for (DcmItem* item : report.ContentItems()) {
    if (ReadBack::TextOf(*item, DCM_ValueType) != "NUM") continue;
    DcmItem *measured = nullptr, *modifier = nullptr;
    ASSERT_TRUE(item->findAndGetSequenceItem(DCM_MeasuredValueSequence, measured, 0).good());
    ASSERT_TRUE(item->findAndGetSequenceItem(DCM_ContentSequence, modifier, 0).good());
    EXPECT_EQ(ReadBack::CodeOf(*measured, DCM_MeasurementUnitsCodeSequence), "1|UCUM");
    numbers[ReadBack::CodeOf(*modifier, DCM_ConceptCodeSequence)] = ReadBack::TextOf(*measured, DCM_NumericValue);
  }
  EXPECT_EQ(numbers, (std::map<std::string, std::string>{{"25173007|SCT", "0.127"}, {"445145001|SCT", "0.873"}}));
}

TEST_F(SrReportTest, NotEvaluableHoldsNoNumberAndNoMeasurementGroup) {
  ReadBack report(Write(Content(Decision::kNotEvaluable)).file);
  bool evaluations = false;
  for (DcmItem* item : report.ContentItems()) {
    EXPECT_NE(ReadBack::TextOf(*item, DCM_ValueType), "NUM");
    EXPECT_NE(ReadBack::CodeOf(*item, DCM_ConceptNameCodeSequence), "125007|DCM");
    evaluations |= ReadBack::CodeOf(*item, DCM_ConceptNameCodeSequence) == "C0034375|UMLS";
  }
  EXPECT_TRUE(evaluations);
}

TEST_F(SrReportTest, EvidenceListsEveryReferencedImage) {
  ReadBack report(Write(Content(Decision::kRecurrence)).file);
  std::set<std::string> referenced, evidence;
  for (DcmItem* item : report.ContentItems()) {
    DcmItem* image = nullptr;
    if (item->findAndGetSequenceItem(DCM_ReferencedSOPSequence, image, 0).good())
      referenced.insert(ReadBack::TextOf(*image, DCM_ReferencedSOPInstanceUID));
  }
  DcmStack stack;
  DcmSequenceOfItems* studies = nullptr;
  ASSERT_TRUE(report.Data().findAndGetSequence(DCM_CurrentRequestedProcedureEvidenceSequence, studies).good());
  while (studies->nextObject(stack, OFTrue).good())
    if (stack.top()->getTag() == DCM_ReferencedSOPInstanceUID) {
      OFString uid;
      static_cast<DcmElement*>(stack.top())->getOFString(uid, 0);
      evidence.insert(uid.c_str());
    }
  EXPECT_EQ(referenced.size(), 15u);
  EXPECT_EQ(evidence, referenced);
}

TEST_F(SrReportTest, SaysThatItIsPreliminaryUnverifiedAndFromThisNode) {
  const ReportContent content = Revised(Content(Decision::kNecrosis));
  ReadBack report(Write(content).file);
  EXPECT_EQ(report.Text(DCM_VerificationFlag), "UNVERIFIED");
  EXPECT_EQ(report.Text(DCM_PreliminaryFlag), "PRELIMINARY");
  EXPECT_EQ(report.Text(DCM_CompletionFlag), "COMPLETE");
  EXPECT_EQ(report.Text(DCM_Manufacturer), "glionode");
  EXPECT_EQ(report.Text(DCM_TimezoneOffsetFromUTC), "+0100");
  EXPECT_EQ(report.Text(DCM_ContentDate) + report.Text(DCM_ContentTime), "20261121140305");
  DcmItem* equipment = nullptr;
  ASSERT_TRUE(report.Data().findAndGetSequenceItem(DCM_ContributingEquipmentSequence, equipment, 0).good());
  EXPECT_EQ(ReadBack::TextOf(*equipment, DCM_DeviceUID), content.device_uid);
  EXPECT_EQ(ReadBack::CodeOf(*equipment, DCM_PurposeOfReferenceCodeSequence), "109102|DCM");
  DcmItem *study = nullptr, *series = nullptr, *instance = nullptr;
  ASSERT_TRUE(report.Data().findAndGetSequenceItem(DCM_PredecessorDocumentsSequence, study, 0).good());
  ASSERT_TRUE(study->findAndGetSequenceItem(DCM_ReferencedSeriesSequence, series, 0).good());
  ASSERT_TRUE(series->findAndGetSequenceItem(DCM_ReferencedSOPSequence, instance, 0).good());
  EXPECT_EQ(ReadBack::TextOf(*instance, DCM_ReferencedSOPInstanceUID), content.predecessor->sop_instance_uid);
}

TEST_F(SrReportTest, ThreeThousandImagesStaySmallAndQuick) {
  const auto start = std::chrono::steady_clock::now();
  const EncodedObject object = Write(Content(Decision::kNecrosis, 1000));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_LT(std::filesystem::file_size(object.file), 2u << 20);
  ReadBack report(object.file);
  DcmStack stack;
  DcmSequenceOfItems* studies = nullptr;
  ASSERT_TRUE(report.Data().findAndGetSequence(DCM_CurrentRequestedProcedureEvidenceSequence, studies).good());
  int evidence = 0;
  while (studies->nextObject(stack, OFTrue).good()) evidence += stack.top()->getTag() == DCM_ReferencedSOPInstanceUID;
  EXPECT_EQ(evidence, 3000);
}

TEST_F(SrReportTest, RefusesWhatCouldBeMisread) {
  const auto refuses = [&](const std::function<void(ReportContent&)>& spoil, Decision decision) {
    ReportContent content = Content(decision);
    spoil(content);
    EXPECT_THROW(Write(content, SrClass::kComprehensive3D, "refused.dcm"), Error);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "refused.dcm"));
  };
  refuses([](ReportContent& c) { c.probability_of_necrosis = 0.9; }, Decision::kNotEvaluable);
  refuses([](ReportContent& c) { c.probability_of_necrosis.reset(); }, Decision::kNecrosis);
  refuses([](ReportContent& c) { c.probability_of_necrosis = std::nan(""); }, Decision::kNecrosis);
  refuses([](ReportContent& c) { c.study_uid = "2.25.1"; }, Decision::kNecrosis);
  refuses([](ReportContent& c) { c.series.clear(); }, Decision::kNecrosis);
  refuses([](ReportContent& c) { c.input_key.clear(); }, Decision::kNecrosis);
  refuses([](ReportContent& c) { c.device_uid.clear(); }, Decision::kNecrosis);
}

TEST_F(SrReportTest, TextFormBeginsWithTheResultAndNamesNobody) {
  for (const Decision decision : kAllDecisions) {
    const std::string text = RenderSrText(Write(Content(decision)).file);
    EXPECT_THAT(text, HasSubstr("NOT FOR CLINICAL USE"));
    const std::size_t result = text.find("AI result: "), library = text.find("Image Library");
    ASSERT_NE(result, std::string::npos);
    EXPECT_LT(result, library);
    for (const char* secret : {"Ekstr", "Nils", "PID 0042", "19610203", "ACC-2026-9", "Referrer"})
      EXPECT_THAT(text, Not(HasSubstr(secret)));
  }
  const std::string text = RenderSrText(Write(Content(Decision::kNecrosis)).file);
  EXPECT_THAT(text, HasSubstr("Probability: 0.873"));
  EXPECT_THAT(text, HasSubstr("Images: 5"));
  EXPECT_THROW(RenderSrText(source_), Error);
}

}  // namespace
}  // namespace glionode::dicom
