#include "config/error.h"
#include "dicom/identity_check.h"
#include "results_fixture.h"

namespace glionode::dicom {
namespace {

const DcmTagKey kCopied[] = {DCM_SpecificCharacterSet,
                             DCM_PatientName,
                             DCM_PatientID,
                             DCM_IssuerOfPatientID,
                             DCM_PatientBirthDate,
                             DCM_PatientSex,
                             DCM_PatientAge,
                             DCM_PatientSize,
                             DCM_PatientWeight,
                             DCM_StudyInstanceUID,
                             DCM_StudyDate,
                             DCM_StudyTime,
                             DCM_StudyID,
                             DCM_AccessionNumber,
                             DCM_ReferringPhysicianName,
                             DCM_StudyDescription};

/// Identity, byte for byte, in report and capture.
class IdentityTest : public ResultsTest {
 protected:
  std::vector<std::filesystem::path> WriteAll(const std::filesystem::path& source) {
    const ReportContent content = Content(Decision::kNecrosis);
    std::vector<std::filesystem::path> files = {
        WriteSr(content, SrClass::kComprehensive3D, source, folder_ / "sr.dcm").file};
    for (const EncodedObject& object : WriteCaptures(content, Views(), source, folder_)) files.push_back(object.file);
    return files;
  }
  void ExpectSameIdentity(const std::filesystem::path& source) {
    ReadBack original(source);
    for (const std::filesystem::path& file : WriteAll(source)) {
      ReadBack ours(file);
      for (const DcmTagKey& tag : kCopied)
        EXPECT_EQ(ours.Text(tag), original.Text(tag)) << DcmTag(tag).getTagName() << " in " << file.filename();
    }
  }
};

TEST_F(IdentityTest, IsCopiedByteForByteInLatin1) { ExpectSameIdentity(source_); }

struct NameCase {
  const char *title, *character_set, *name;
  friend void PrintTo(const NameCase& one, std::ostream* out) { *out << one.title; }
};

class IdentityInCharacterSet : public IdentityTest, public ::testing::WithParamInterface<NameCase> {};

TEST_P(IdentityInCharacterSet, IsCopiedByteForByte) {
  // Shapes of PS3.5 annexes H (Japanese), I (Korean), J (UTF-8, GB18030).
  ExpectSameIdentity(WriteSource("named.dcm", [&](DcmDataset& data) {
    data.putAndInsertString(DCM_SpecificCharacterSet, GetParam().character_set);
    data.putAndInsertString(DCM_PatientName, GetParam().name);
    data.putAndInsertString(DCM_StudyDescription, GetParam().name);
  }));
}

INSTANTIATE_TEST_SUITE_P(
    Names, IdentityInCharacterSet,
    ::testing::Values(
        NameCase{"utf8", "ISO_IR 192", "Wang^XiaoDong=\xE7\x8E\x8B^\xE5\xB0\x8F\xE6\x9D\xB1="},
        NameCase{"japanese", "\\ISO 2022 IR 87",
                 "Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B=\x1B$B$d$^$@\x1B(B^\x1B$B$?$m$&\x1B(B"},
        NameCase{"korean", "\\ISO 2022 IR 149",
                 "Hong^Gildong=\x1B$)C\xFB\xF3^\x1B$)C\xD1\xCE\xD4\xD7=\x1B$)C\xC8\xAB^\x1B$)C\xB1\xE6\xB5\xBF"},
        NameCase{"gb18030", "GB18030", "Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB="},
        NameCase{"ascii", "", "Plain^Name"}),
    [](const auto& name_case) { return std::string(name_case.param.title); });

TEST_F(IdentityTest, SequencesComeAlongAndRequestsBecomeReferences) {
  for (const std::filesystem::path& file : WriteAll(source_)) {
    ReadBack ours(file);
    DcmItem *other = nullptr, *issuer = nullptr;
    ASSERT_TRUE(ours.Data().findAndGetSequenceItem(DCM_OtherPatientIDsSequence, other, 0).good());
    EXPECT_EQ(ReadBack::TextOf(*other, DCM_PatientID), "OLD-7");
    ASSERT_TRUE(ours.Data().findAndGetSequenceItem(DCM_IssuerOfAccessionNumberSequence, issuer, 0).good());
    EXPECT_EQ(ReadBack::TextOf(*issuer, DCM_LocalNamespaceEntityID), "RIS_A");
  }
  ReadBack report(folder_ / "sr.dcm");
  DcmItem* request = nullptr;
  ASSERT_TRUE(report.Data().findAndGetSequenceItem(DCM_ReferencedRequestSequence, request, 0).good());
  EXPECT_EQ(ReadBack::TextOf(*request, DCM_RequestedProcedureID), "RP-5");
  EXPECT_EQ(ReadBack::TextOf(*request, DCM_AccessionNumber), "ACC-2026-9");
  EXPECT_EQ(ReadBack::TextOf(*request, DCM_StudyInstanceUID), report.Text(DCM_StudyInstanceUID));
  EXPECT_TRUE(request->tagExists(DCM_FillerOrderNumberImagingServiceRequest));
}

TEST_F(IdentityTest, MissingStudyAttributesBecomeEmptyNotInvented) {
  const auto source = WriteSource("bare.dcm", [](DcmDataset& data) {
    for (const DcmTagKey& tag : {DCM_AccessionNumber, DCM_StudyID, DCM_PatientBirthDate, DCM_StudyTime})
      data.findAndDeleteElement(tag);
  });
  for (const std::filesystem::path& file : WriteAll(source)) {
    ReadBack ours(file);
    for (const DcmTagKey& tag : {DCM_AccessionNumber, DCM_StudyID, DCM_PatientBirthDate, DCM_StudyTime}) {
      EXPECT_TRUE(ours.Data().tagExists(tag));
      EXPECT_EQ(ours.Text(tag), "");
    }
  }
}

TEST_F(IdentityTest, OptionalValuesThatBreakTheirTypeAreLeftOut) {
  const auto source = WriteSource("odd.dcm", [](DcmDataset& data) {
    data.putAndInsertString(DCM_PatientWeight, "heavy");
    data.putAndInsertString(DCM_PatientAge, "about sixty");
  });
  for (const std::filesystem::path& file : WriteAll(source)) {
    ReadBack ours(file);
    EXPECT_FALSE(ours.Data().tagExists(DCM_PatientWeight));
    EXPECT_FALSE(ours.Data().tagExists(DCM_PatientAge));
    EXPECT_EQ(ours.Text(DCM_PatientSize), "1.81");
  }
}

TEST_F(IdentityTest, NoObjectIsMadeWithoutAPatientId) {
  for (const char* id : {"", "  "}) {
    const auto source =
        WriteSource("nobody.dcm", [&](DcmDataset& data) { data.putAndInsertString(DCM_PatientID, id); });
    EXPECT_THROW(WriteAll(source), Error);
  }
  EXPECT_THROW(WriteAll(folder_ / "absent.dcm"), Error);
}

TEST_F(IdentityTest, AnIdentityThatNoObjectMayCarryIsFoundAndNothingIsMade) {
  struct Bad {
    const char* title;
    ResultsTest::Edit edit;
    const char* code;
  };
  const auto put = [](const DcmTagKey& tag, const std::string& value) {
    return
        [tag, value](DcmDataset& data) { data.putAndInsertOFStringArray(tag, OFString(value.c_str(), value.size())); };
  };
  const std::vector<Bad> cases = {
      {"no id", put(DCM_PatientID, " "), "no_patient_id"},
      {"long id", put(DCM_PatientID, std::string(65, '7')), "illegal_identity"},
      {"two ids", put(DCM_PatientID, "1\\2"), "illegal_identity"},
      {"control character", put(DCM_PatientID, "1\x02"), "illegal_identity"},
      {"long name", put(DCM_PatientName, std::string(65, 'N')), "illegal_identity"},
      {"four groups", put(DCM_PatientName, "A=B=C=D"), "illegal_identity"},
      {"long issuer", put(DCM_IssuerOfPatientID, std::string(65, 'I')), "illegal_identity"},
      {"unknown set with text in it", put(DCM_SpecificCharacterSet, "LATIN1"), "illegal_identity"}};
  for (const Bad& bad : cases) {
    const auto source = WriteSource("bad.dcm", bad.edit);
    const auto problem = FindIdentityProblem(source);
    ASSERT_TRUE(problem) << bad.title;
    EXPECT_EQ(problem->code, bad.code) << bad.title;
    for (const char* secret : {"777", "NNN", "LATIN1", "Nils"})
      EXPECT_EQ(problem->text.find(secret), std::string::npos) << problem->text;
    EXPECT_THROW(WriteAll(source), Error) << bad.title;
  }
  EXPECT_FALSE(FindIdentityProblem(source_));
}

TEST_F(IdentityTest, LongNamesInManyBytesAreCountedInCharacters) {
  const auto legal = [&](const char* character_set, const std::string& name) {
    return !FindIdentityProblem(WriteSource("long.dcm", [&](DcmDataset& data) {
      data.putAndInsertString(DCM_SpecificCharacterSet, character_set);
      data.putAndInsertString(DCM_PatientName, name.c_str());
      data.putAndInsertString(DCM_StudyDescription, "x");
    }));
  };
  std::string utf8, gb, japanese = "\x1B$B";
  for (int i = 0; i < 60; ++i) utf8 += "\xE7\x8E\x8B", gb += "\xCD\xF5", japanese += ";3";
  EXPECT_TRUE(legal("ISO_IR 192", utf8 + "="));
  EXPECT_TRUE(legal("GB18030", gb));
  EXPECT_TRUE(legal("\\ISO 2022 IR 87", japanese + "\x1B(B"));
  EXPECT_FALSE(legal("ISO_IR 192", utf8 + utf8));
  EXPECT_FALSE(legal("GB18030", gb + gb));
  EXPECT_FALSE(legal("\\ISO 2022 IR 87", japanese + ";3;3;3;3;3;3;3\x1B(B"));
}

TEST_F(IdentityTest, RequiredValuesThatBreakTheirTypeBecomeEmpty) {
  const auto source = WriteSource("odd.dcm", [](DcmDataset& data) {
    data.putAndInsertString(DCM_PatientBirthDate, "unknown");
    data.putAndInsertString(DCM_PatientSex, "W");
    data.putAndInsertString(DCM_AccessionNumber, "ACC-2026-0000000000042");  // SH holds 16
    data.putAndInsertString(DCM_StudyID, "1\\2");
    data.putAndInsertString(DCM_StudyTime, "25:00");
  });
  for (const std::filesystem::path& file : WriteAll(source)) {
    ReadBack ours(file);
    for (const DcmTagKey& tag :
         {DCM_PatientBirthDate, DCM_PatientSex, DCM_AccessionNumber, DCM_StudyID, DCM_StudyTime}) {
      EXPECT_TRUE(ours.Data().tagExists(tag));
      EXPECT_EQ(ours.Text(tag), "") << DcmTag(tag).getTagName();
    }
    EXPECT_EQ(ours.Text(DCM_PatientID), "PID 0042");
  }
}

TEST_F(IdentityTest, AnUnknownCharacterSetBesideAsciiIsLeftOut) {
  const auto source = WriteSource("ascii.dcm", [](DcmDataset& data) {
    data.putAndInsertString(DCM_SpecificCharacterSet, "LATIN1");
    data.putAndInsertString(DCM_PatientName, "Plain^Name");
  });
  EXPECT_FALSE(FindIdentityProblem(source));
  for (const std::filesystem::path& file : WriteAll(source)) {
    ReadBack ours(file);
    EXPECT_EQ(ours.Text(DCM_SpecificCharacterSet), "");
    EXPECT_EQ(ours.Text(DCM_PatientName), "Plain^Name");
  }
}

TEST_F(IdentityTest, WhoThePatientIsChangesNoPixel) {
  WriteAll(source_);
  const std::string before = FileBytes(folder_ / "capture-1.png");
  WriteAll(WriteSource("other.dcm", [](DcmDataset& data) {
    data.putAndInsertString(DCM_PatientName, "Somebody^Else");
    data.putAndInsertString(DCM_PatientID, "77");
    data.putAndInsertString(DCM_AccessionNumber, "Z");
  }));
  EXPECT_EQ(FileBytes(folder_ / "capture-1.png"), before);
}

}  // namespace
}  // namespace glionode::dicom
