#include "config/error.h"
#include "images_support.h"
#include "made_dataset.h"

#include <dcmtk/dcmdata/dctk.h>

#include <cmath>
#include <random>

namespace glionode::dicom {
namespace {

using namespace testing;

InstanceHeader ReadBack(DcmFileFormat& object, const std::filesystem::path& file) {
  EXPECT_TRUE(object.saveFile(OFFilename(file.c_str()), EXS_LittleEndianExplicit).good());
  return ReadHeader(file);
}

TEST(HeaderReader, ReadsTheRealStudy) {
  GLIONODE_NEED_DATA("tcga-fg-6692");
  const InstanceHeader header = ReadHeader(TestData() / "tcga-fg-6692/t1ce/001.dcm");
  EXPECT_EQ(header.sop_class_uid, UID_MRImageStorage);
  EXPECT_EQ(header.sop_instance_uid, "2.25.2299866807526808191807821131835564529");
  EXPECT_EQ(header.transfer_syntax_uid, "1.2.840.10008.1.2.1");
  EXPECT_EQ(header.rows, 224);
  EXPECT_EQ(header.columns, 256);
  EXPECT_EQ(header.frames, 1);
  EXPECT_EQ(header.bits_allocated, 16);
  EXPECT_TRUE(header.has_pixels);
  EXPECT_TRUE(IsCandidateImage(header));
  EXPECT_EQ(header.Attribute("SeriesDescription"), "MRHR T1 AX POST GAD");
  EXPECT_EQ(header.Attribute("ImageType"), "ORIGINAL\\PRIMARY\\M\\ND");
  EXPECT_EQ(header.Attribute("AccessionNumber"), "");
  ASSERT_EQ(header.geometry.size(), 1u);
  EXPECT_TRUE(header.geometry[0].valid);
  EXPECT_NEAR(header.geometry[0].position[0], -113.656439, 1e-6);
  EXPECT_NEAR(header.geometry[0].orientation[0], 0.998145271, 1e-6);
  EXPECT_NEAR(header.geometry[0].spacing[0], 0.8984375, 1e-6);
  EXPECT_EQ(IdentityKey(header), "TCGA-FG-6692\n\n\n");
}

TEST(HeaderReader, ReadsEveryFrameOfEnhancedObjects) {
  GLIONODE_NEED_DATA("philips-enhanced");
  const auto folder = TestData() / "philips-enhanced/Philips";
  const auto files = FilesUnder(folder / "401_T1W_FFE_Sno_CS2");
  const InstanceHeader header = ReadHeader(files.front());
  EXPECT_EQ(header.frames, 24);
  ASSERT_EQ(header.geometry.size(), 24u);
  EXPECT_EQ(header.Attribute("AcquisitionContrast"), "T1");
  EXPECT_EQ(header.Attribute("ScanningSequence"), "GR");
  EXPECT_NEAR(std::stod(header.Attribute("RepetitionTime")), 256.4448, 1e-3);
  EXPECT_NEAR(std::stod(header.Attribute("EchoTime")), 3.568, 1e-6);
  EXPECT_EQ(header.Attribute("FlipAngle"), "80");
  // The classic single frames of the same protocol lie on the same positions.
  std::vector<double> enhanced, classic;
  for (const FrameGeometry& frame : header.geometry) {
    EXPECT_TRUE(frame.valid);
    EXPECT_NEAR(frame.spacing[0], 1, 1e-3);
    enhanced.push_back(frame.position[2]);
  }
  for (const auto& file : FilesUnder(folder / "501_T1W_FFE_Sno_CS4"))
    classic.push_back(ReadHeader(file).geometry.at(0).position[2]);
  std::sort(enhanced.begin(), enhanced.end());
  std::sort(classic.begin(), classic.end());
  ASSERT_EQ(enhanced.size(), classic.size());
  for (std::size_t i = 0; i < classic.size(); ++i) EXPECT_NEAR(enhanced[i], classic[i], 1e-3);
}

TEST(HeaderReader, KeepsBothSlopesAndTheGeometryOfAFieldMap) {
  GLIONODE_NEED_DATA("enhanced-small");
  const InstanceHeader header = ReadHeader(TestData() / "enhanced-small/Philips/IM_0027_fMAP.dcm");
  ASSERT_EQ(header.geometry.size(), 64u);
  std::map<std::string, std::vector<FrameGeometry>> volumes;
  for (const FrameGeometry& frame : header.geometry) {
    EXPECT_NEAR(frame.spacing[0], 4, 1e-3);
    volumes[frame.volume_key].push_back(frame);
  }
  ASSERT_EQ(volumes.size(), 2u);  // magnitude and field map
  std::vector<double> slopes;
  for (const auto& [key, frames] : volumes) {
    EXPECT_EQ(frames.size(), 32u) << key;
    slopes.push_back(frames.front().rescale_slope);
    for (const FrameGeometry& frame : frames) EXPECT_EQ(frame.rescale_slope, frames.front().rescale_slope);
  }
  EXPECT_NE(slopes[0], slopes[1]);
}

TEST(HeaderReader, JsonIsLossless) {
  TempFolder folder;
  MrSeries series = SmallSeries("json", "T1");
  series.attributes["PatientName"] = "Müller^Jürgen";
  series.attributes["PatientID"] = "quote\" and \ttab";
  InstanceHeader header = ReadHeader(WriteMrSeries(series, folder.Path()).front());
  header.calling_ae = "PACS";
  header.contributing_device_uids = {"1.2.3"};
  header.rejected_instances = {"4.5.6", "7.8.9"};
  header.geometry[0].volume_key = "echo=1;type=M";
  header.geometry[0].rescale_slope = 0.1;
  const std::string json = HeaderToJson(header);
  const InstanceHeader again = HeaderFromJson(json);
  EXPECT_EQ(HeaderToJson(again), json);
  EXPECT_EQ(again.attributes, header.attributes);
  EXPECT_EQ(again.geometry[0].position, header.geometry[0].position);
  EXPECT_EQ(again.geometry[0].orientation, header.geometry[0].orientation);
  EXPECT_EQ(again.geometry[0].rescale_slope, 0.1);
  EXPECT_EQ(again.geometry[0].valid, true);
  EXPECT_EQ(again.rejected_instances, header.rejected_instances);
  EXPECT_EQ(again.contributing_device_uids, header.contributing_device_uids);
  EXPECT_EQ(again.calling_ae, "PACS");
  EXPECT_EQ(again.has_pixels, true);
  EXPECT_THROW(HeaderFromJson("{"), Error);
  EXPECT_THROW(HeaderFromJson("{\"rows\": \"x\"}"), Error);
}

TEST(HeaderReader, TurnsTextIntoUtf8ByItsCharacterSet) {
  struct Case {
    const char *charset, *bytes, *expected;
  };
  const Case cases[] = {
      {"ISO_IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme"},
      {"ISO_IR 192", "Zażółć^Gęślą", "Zażółć^Gęślą"},
      {"ISO_IR 144", "\xbb\xee\xda\x63\x65\xdc\xd1\xe3\xe0\xd3", "Люкceмбург"},
      {"GB18030", "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"},
      {"\\ISO 2022 IR 87", "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"},
      {"", "J\xe9r\xf4me", "Jérôme"},            // no character set declared: Latin-1
      {"ISO_IR 192", "J\xe9r\xf4me", "Jérôme"},  // declared as UTF-8, but is not
      {"NONSENSE 7", "Jérôme", "Jérôme"},        // unknown set, bytes are UTF-8
  };
  TempFolder folder;
  for (const Case& c : cases) {
    DcmFileFormat object;
    PutUids(*object.getDataset(), UID_MRImageStorage);
    if (*c.charset != 0) object.getDataset()->putAndInsertString(DCM_SpecificCharacterSet, c.charset);
    object.getDataset()->putAndInsertString(DCM_PatientName, c.bytes);
    EXPECT_EQ(ReadBack(object, folder.Path() / "x.dcm").Attribute("PatientName"), c.expected) << c.charset;
  }
}

TEST(HeaderReader, ReadsWhatMattersOutOfSequences) {
  TempFolder folder;
  DcmFileFormat object;
  DcmDataset& dataset = *object.getDataset();
  PutUids(dataset, UID_MRImageStorage);
  DcmItem* item = nullptr;
  dataset.findOrCreateSequenceItem(DCM_ContributingEquipmentSequence, item, 0);
  item->putAndInsertString(DCM_DeviceUID, "1.2.3.99");
  dataset.findOrCreateSequenceItem(DCM_ContributingEquipmentSequence, item, 1);
  item->putAndInsertString(DCM_DeviceUID, "1.2.3.100");
  dataset.findOrCreateSequenceItem(DCM_ProcedureCodeSequence, item, 0);
  item->putAndInsertString(DCM_CodeValue, "MRBRAIN");
  item->putAndInsertString(DCM_CodeMeaning, "MRI of the brain");
  dataset.findOrCreateSequenceItem(DCM_ContrastBolusAgentSequence, item, 0);
  item->putAndInsertString(DCM_CodeMeaning, "Gadobutrol");
  dataset.findOrCreateSequenceItem(DCM_RequestAttributesSequence, item, 0);
  item->putAndInsertString(DCM_RequestedProcedureDescription, "Glioma follow-up");
  const InstanceHeader header = ReadBack(object, folder.Path() / "x.dcm");
  EXPECT_EQ(header.contributing_device_uids, (std::vector<std::string>{"1.2.3.99", "1.2.3.100"}));
  EXPECT_EQ(header.Attribute("ProcedureCode"), "MRBRAIN");
  EXPECT_EQ(header.Attribute("ProcedureCodeMeaning"), "MRI of the brain");
  EXPECT_EQ(header.Attribute("ContrastBolusAgent"), "Gadobutrol");
  EXPECT_EQ(header.Attribute("RequestedProcedureDescription"), "Glioma follow-up");
  EXPECT_FALSE(IsCandidateImage(header));  // no pixels
}

TEST(HeaderReader, ReadsRejectionNotesAndNoOtherKeyObjects) {
  for (const auto& [code, expected] :
       {std::pair{"113001", true}, {"113037", true}, {"113038", true}, {"113000", false}}) {
    TempFolder folder;
    DcmFileFormat object;
    DcmDataset& dataset = *object.getDataset();
    PutUids(dataset, UID_KeyObjectSelectionDocumentStorage);
    DcmItem *title = nullptr, *study = nullptr, *series = nullptr, *reference = nullptr;
    dataset.findOrCreateSequenceItem(DCM_ConceptNameCodeSequence, title, 0);
    title->putAndInsertString(DCM_CodeValue, code);
    title->putAndInsertString(DCM_CodingSchemeDesignator, "DCM");
    dataset.findOrCreateSequenceItem(DCM_CurrentRequestedProcedureEvidenceSequence, study, 0);
    study->findOrCreateSequenceItem(DCM_ReferencedSeriesSequence, series, 0);
    series->findOrCreateSequenceItem(DCM_ReferencedSOPSequence, reference, 0);
    reference->putAndInsertString(DCM_ReferencedSOPInstanceUID, "1.2.3.77");
    const InstanceHeader header = ReadBack(object, folder.Path() / "ko.dcm");
    EXPECT_EQ(header.rejected_instances, expected ? std::vector<std::string>{"1.2.3.77"} : std::vector<std::string>{})
        << code;
  }
}

TEST(HeaderReader, RefusesWhatIsNoUsableDicom) {
  TempFolder folder;
  const auto expect_bad = [&](const std::string& bytes, const char* what) {
    WriteBytes(folder.Path() / "bad.dcm", bytes);
    try {
      ReadHeader(folder.Path() / "bad.dcm");
      ADD_FAILURE() << what << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.Code(), ErrorCode::kBadDataset) << what;
      EXPECT_NE(std::string(error.what()).find("bad.dcm"), std::string::npos) << error.what();
    }
  };
  expect_bad("", "an empty file");
  expect_bad("hello, this is no DICOM", "a text");
  expect_bad(std::string(132, '\0') + "DICM", "a bare preamble");
  const std::string good = Bytes(WriteMrSeries(SmallSeries("bad", "T1"), folder.Path() / "good").front());
  expect_bad(good.substr(0, 300), "a file cut in its meta header");
  expect_bad(good.substr(0, 800), "a file cut in its header");
  expect_bad(good.substr(0, good.size() - 10), "a file cut in its pixels");
  EXPECT_THROW(ReadHeader(folder.Path() / "absent.dcm"), Error);

  DcmFileFormat object;
  PutUids(*object.getDataset(), UID_MRImageStorage);
  object.getDataset()->putAndInsertString(DCM_StudyInstanceUID, "../../etc/passwd");
  object.saveFile(OFFilename((folder.Path() / "uid.dcm").c_str()), EXS_LittleEndianExplicit);
  EXPECT_THROW(ReadHeader(folder.Path() / "uid.dcm"), Error);
  object.getDataset()->findAndDeleteElement(DCM_StudyInstanceUID);
  object.saveFile(OFFilename((folder.Path() / "uid.dcm").c_str()), EXS_LittleEndianExplicit);
  EXPECT_THROW(ReadHeader(folder.Path() / "uid.dcm"), Error);
  object.getDataset()->putAndInsertString(DCM_StudyInstanceUID, "1.2.3");
  object.getDataset()->putAndInsertString(DCM_NumberOfFrames, "2147483647");
  object.saveFile(OFFilename((folder.Path() / "uid.dcm").c_str()), EXS_LittleEndianExplicit);
  EXPECT_THROW(ReadHeader(folder.Path() / "uid.dcm"), Error);
}

TEST(HeaderReader, ToleratesBytesAfterThePixels) {
  TempFolder folder;
  const auto file = WriteMrSeries(SmallSeries("tail", "T1"), folder.Path()).front();
  WriteBytes(file, Bytes(file) + std::string(37, 'x'));
  EXPECT_TRUE(ReadHeader(file).has_pixels);
}

TEST(HeaderReader, SurvivesDamagedBytes) {
  TempFolder folder;
  const std::string good = Bytes(WriteMrSeries(SmallSeries("damage", "T1"), folder.Path() / "good").front());
  std::mt19937 random(7);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = good;
    for (int k = 0; k < 6; ++k) bytes[random() % 1400] = static_cast<char>(random());
    WriteBytes(folder.Path() / "x.dcm", bytes);
    try {
      HeaderFromJson(HeaderToJson(ReadHeader(folder.Path() / "x.dcm")));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.Code(), ErrorCode::kBadDataset);
      ++refused;
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 0);
}

TEST(HeaderReader, IdentityTellsPatientsApart) {
  InstanceHeader a;
  EXPECT_EQ(IdentityKey(a), "");
  a.attributes = {{"PatientID", "1"}, {"PatientSex", "F"}};
  InstanceHeader b = a;
  EXPECT_EQ(IdentityKey(a), IdentityKey(b));
  b.attributes["IssuerOfPatientID"] = "OTHER";
  EXPECT_NE(IdentityKey(a), IdentityKey(b));
  b = a;
  b.attributes["PatientBirthDate"] = "19700101";
  EXPECT_NE(IdentityKey(a), IdentityKey(b));
  b = a;
  b.attributes["PatientName"] = "Someone^Else";  // a name may be spelt in many ways
  EXPECT_EQ(IdentityKey(a), IdentityKey(b));
}

}  // namespace
}  // namespace glionode::dicom
