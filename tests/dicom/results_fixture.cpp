#include "results_fixture.h"

#include "dicom/uid.h"

#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

namespace glionode::dicom {
namespace {

constexpr char kStudyUid[] = "2.25.329800735698586629295641978511506172918";

void Put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  ASSERT_TRUE(item.putAndInsertOFStringArray(tag, OFString(value.c_str(), value.size())).good()) << value;
}

void PutIdentity(DcmDataset& data) {
  Put(data, DCM_SpecificCharacterSet, "ISO_IR 100");
  Put(data, DCM_PatientName, "Ekstr\xF6m^Nils");
  Put(data, DCM_PatientID, "PID 0042");
  Put(data, DCM_IssuerOfPatientID, "HOSPITAL_A");
  Put(data, DCM_PatientBirthDate, "19610203");
  Put(data, DCM_PatientSex, "M");
  Put(data, DCM_PatientAge, "064Y");
  Put(data, DCM_PatientSize, "1.81");
  Put(data, DCM_PatientWeight, "82.5");
  DcmItem* other = nullptr;
  data.findOrCreateSequenceItem(DCM_OtherPatientIDsSequence, other, -2);
  Put(*other, DCM_PatientID, "OLD-7");
  Put(*other, DCM_IssuerOfPatientID, "HOSPITAL_B");
  Put(*other, DCM_TypeOfPatientID, "TEXT");
}

void PutStudy(DcmDataset& data) {
  Put(data, DCM_StudyInstanceUID, kStudyUid);
  Put(data, DCM_StudyDate, "20261120");
  Put(data, DCM_StudyTime, "101500");
  Put(data, DCM_StudyID, "S17");
  Put(data, DCM_AccessionNumber, "ACC-2026-9");
  Put(data, DCM_ReferringPhysicianName, "Referrer^R");
  Put(data, DCM_StudyDescription, "MRI glioma follow-up");
  DcmItem* issuer = nullptr;
  data.findOrCreateSequenceItem(DCM_IssuerOfAccessionNumberSequence, issuer, -2);
  Put(*issuer, DCM_LocalNamespaceEntityID, "RIS_A");
  DcmItem* request = nullptr;
  data.findOrCreateSequenceItem(DCM_RequestAttributesSequence, request, -2);
  Put(*request, DCM_RequestedProcedureID, "RP-5");
  Put(*request, DCM_RequestedProcedureDescription, "MRI brain with contrast");
  Put(*request, DCM_ScheduledProcedureStepID, "SPS-5");
}

void PutImage(DcmDataset& data) {
  Put(data, DCM_SOPClassUID, UID_MRImageStorage);
  Put(data, DCM_SOPInstanceUID, NamedUid("results test source"));
  Put(data, DCM_SeriesInstanceUID, NamedUid("results test source series"));
  Put(data, DCM_Modality, "MR");
  Put(data, DCM_PhotometricInterpretation, "MONOCHROME2");
  for (const auto& [tag, value] : {std::pair{DCM_SamplesPerPixel, 1},
                                   {DCM_Rows, 4},
                                   {DCM_Columns, 4},
                                   {DCM_BitsAllocated, 16},
                                   {DCM_BitsStored, 12},
                                   {DCM_HighBit, 11},
                                   {DCM_PixelRepresentation, 0}})
    data.putAndInsertUint16(tag, static_cast<Uint16>(value));
  const std::array<Uint16, 16> pixels{};
  data.putAndInsertUint16Array(DCM_PixelData, pixels.data(), pixels.size());
}

void Collect(DcmItem& parent, std::vector<DcmItem*>& items) {
  DcmSequenceOfItems* children = nullptr;
  if (parent.findAndGetSequence(DCM_ContentSequence, children).bad() || children == nullptr) return;
  for (unsigned long i = 0; i < children->card(); ++i) {
    items.push_back(children->getItem(i));
    Collect(*items.back(), items);
  }
}

}  // namespace

ResultsTest::ResultsTest() {
  static std::atomic<int> number{0};
  folder_ = std::filesystem::temp_directory_path() /
            ("glionode-results-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
  std::filesystem::create_directories(folder_);
  source_ = WriteSource("source.dcm");
}

ResultsTest::~ResultsTest() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::filesystem::path ResultsTest::WriteSource(const std::string& name, const Edit& edit) const {
  DcmFileFormat file;
  DcmDataset& data = *file.getDataset();
  PutIdentity(data);
  PutStudy(data);
  PutImage(data);
  if (edit) edit(data);
  const std::filesystem::path path = folder_ / name;
  EXPECT_TRUE(file.saveFile(path.c_str(), EXS_LittleEndianExplicit).good());
  return path;
}

ReportContent ResultsTest::Content(Decision decision, int instances) const {
  ReportContent content;
  content.decision = decision;
  switch (decision) {
    case Decision::kRecurrence:
      content.probability_of_necrosis = 0.124;
      break;
    case Decision::kNecrosis:
      content.probability_of_necrosis = 0.873;
      break;
    case Decision::kIndeterminate:
      content.probability_of_necrosis = 0.482;
      break;
    case Decision::kNotEvaluable:
      content.reasons = {{ReasonCode::kPhantomModel, "The model was made for synthetic phantoms, not for patients."},
                         {ReasonCode::kMissingRole, "No T2 series was found."}};
  }
  for (const auto& [role, description] :
       {std::pair{Role::kT1, "T1 AX"}, {Role::kT2, "T2 AX"}, {Role::kT1ce, "T1 AX POST GAD"}}) {
    ReportedSeries series{
        role, NamedUid(std::string("series ") + description), description, "the description says so", {}};
    for (int i = 0; i < instances; ++i)
      series.instances.push_back({UID_MRImageStorage, NamedUid(std::string(description) + std::to_string(i))});
    content.series.push_back(series);
  }
  content.study_uid = kStudyUid;
  content.study_date = "20261120";
  content.bundle_name = "phantom-resnet10";
  content.bundle_version = "1.0.0";
  content.bundle_sha256 = std::string(64, 'a');
  content.intended_use = "demonstration on synthetic phantoms only";
  content.evaluation = "tested on 200 phantoms; of 100 necroses 83 found";
  content.abstain_low = 0.35;
  content.abstain_high = 0.65;
  content.software = "glionode 0.1.0";
  content.device = "cpu";
  content.device_uid = NamedUid("results test device");
  content.ae_title = "GLIONODE";
  content.content_date = "20261121";
  content.content_time = "140305";
  content.timezone = "+0100";
  content.input_key = "results-test-" + std::string(ToText(decision));
  return content;
}

ReportContent ResultsTest::Revised(ReportContent content) {
  content.revision = 2;
  content.input_key += "-2";
  content.revision_reason = "the T2 series was replaced";
  content.predecessor =
      Predecessor{content.study_uid,          NamedUid("earlier series"), SrClassUid(SrClass::kComprehensive3D),
                  NamedUid("earlier report"), "2026-11-20 14:03",         Decision::kIndeterminate};
  return content;
}

SliceView ResultsTest::View(Role role, Plane plane, double position_mm) {
  SliceView view;
  view.role = role;
  view.plane = plane;
  view.position_mm = position_mm;
  view.image.width = view.image.height = 96;
  view.image.pixel_mm = 2;
  for (int y = 0; y < 96; ++y)
    for (int x = 0; x < 96; ++x) {
      const double r = std::hypot((x - 47.5) / 36, (y - 47.5) / 44);
      const double skull = r < 1 && r > 0.92 ? 900 : 0, brain = r <= 0.9 ? 400 + 60 * std::sin(x * 0.4) : 0;
      view.image.values.push_back(static_cast<float>(skull + brain + (x * 7 + y * 13) % 10));
      view.map.push_back(static_cast<float>(std::exp(-(std::pow(x - 60, 2) + std::pow(y - 40, 2)) / 150)));
    }
  return view;
}

CaptureViews ResultsTest::Views() {
  CaptureViews views;
  views.map_class = "necrosis";
  for (const Role role : {Role::kT1ce, Role::kT1, Role::kT2}) views.main.push_back(View(role, Plane::kAxial, 18));
  for (const Plane plane : {Plane::kAxial, Plane::kCoronal, Plane::kSagittal})
    for (int i = 0; i < 4; ++i) views.mosaic.push_back(View(Role::kT1ce, plane, 16 * i - 24));
  return views;
}

ReadBack::ReadBack(const std::filesystem::path& file) {
  EXPECT_TRUE(file_.loadFile(file.c_str()).good()) << file;
  file_.loadAllDataIntoMemory();
}

std::string ReadBack::TextOf(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  item.findAndGetOFStringArray(tag, value);
  return {value.c_str(), value.length()};
}

std::string ReadBack::CodeOf(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* code = nullptr;
  if (item.findAndGetSequenceItem(sequence, code, 0).bad() || code == nullptr) return "";
  return TextOf(*code, DCM_CodeValue) + "|" + TextOf(*code, DCM_CodingSchemeDesignator);
}

std::vector<DcmItem*> ReadBack::ContentItems() {
  std::vector<DcmItem*> items;
  Collect(Data(), items);
  return items;
}

std::string FileBytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

ToolRun RunTool(const std::string& command) {
  ToolRun run;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return run;
  std::array<char, 4096> buffer{};
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    run.output.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

bool HasTool(const std::string& program) { return RunTool("command -v " + program).exit_code == 0; }

}  // namespace glionode::dicom
