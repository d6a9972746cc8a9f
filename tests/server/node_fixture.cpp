#include "node_fixture.h"

#include "dicom/dataset_hash.h"
#include "dicom/header_reader.h"
#include "dicom/mr_writer.h"
#include "dicom/uid.h"

#include <cstdlib>
#include <utility>

namespace glionode::server {

namespace fs = std::filesystem;

namespace {

const std::map<std::string, std::map<std::string, std::string>> kSeries = {
    {"t1", {{"SeriesDescription", "T1 AX SE"}, {"RepetitionTime", "500"}, {"EchoTime", "10"}, {"SeriesNumber", "2"}}},
    {"t2",
     {{"SeriesDescription", "T2 AX TSE"}, {"RepetitionTime", "4500"}, {"EchoTime", "100"}, {"SeriesNumber", "3"}}},
    {"t1ce",
     {{"SeriesDescription", "T1 AX POST GAD"},
      {"RepetitionTime", "500"},
      {"EchoTime", "10"},
      {"SeriesNumber", "4"},
      {"ContrastBolusAgent", "GADOVIST"}}},
    {"flair",
     {{"SeriesDescription", "T2 FLAIR"},
      {"RepetitionTime", "9000"},
      {"EchoTime", "120"},
      {"InversionTime", "2500"},
      {"SeriesNumber", "5"}}}};

}  // namespace

NodeTest::NodeTest() {
  std::string pattern = (fs::temp_directory_path() / "glionode-server-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  Reopen();
}

NodeTest::~NodeTest() {
  ingest_.reset();
  fs::remove_all(folder_);
}

void NodeTest::Reopen() {
  ingest_.reset(), releases_.reset(), peers_.reset(), outbox_.reset(), jobs_.reset(), index_.reset(), database_.reset(),
      files_.reset();
  files_ = std::make_unique<storage::FileStore>(folder_ / "data");
  database_ = std::make_unique<storage::Database>(files_->IndexFile());
  index_ = std::make_unique<storage::StudyIndex>(*database_);
  jobs_ = std::make_unique<storage::Jobs>(*database_);
  outbox_ = std::make_unique<storage::Outbox>(*database_);
  peers_ = std::make_unique<storage::Peers>(*database_);
  releases_ = std::make_unique<storage::Releases>(*database_);
  ingest_ =
      std::make_unique<Ingest>(*files_, *index_, *jobs_, *peers_, clock_, dicom::DeviceUid(files_->NodeId()), [] {});
}

std::string NodeTest::StudyUid(const std::string& name) const { return dicom::NamedUid("test|" + name); }

std::map<std::string, std::vector<fs::path>> NodeTest::MakeStudy(const StudySpec& spec) {
  std::map<std::string, std::vector<fs::path>> made;
  for (const std::string& role : spec.roles) {
    dicom::MrSeries series;
    series.size = {16, 16, spec.slices};
    series.spacing = {12, 12, 10};
    series.direction = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    series.voxels.resize(static_cast<std::size_t>(16 * 16 * spec.slices));
    for (std::size_t i = 0; i < series.voxels.size(); ++i)
      series.voxels[i] = static_cast<float>((i * 7 + spec.content.front()) % 1000);
    series.attributes = kSeries.at(role);
    series.attributes["PatientID"] = spec.patient_id;
    series.attributes["PatientName"] = "Test^Phantom";
    series.attributes["StudyDescription"] = spec.description;
    series.attributes["StudyDate"] = "20260901";
    series.attributes["StudyInstanceUID"] = StudyUid(spec.name);
    series.attributes["SeriesInstanceUID"] = dicom::NamedUid("test|" + spec.name + "|" + role);
    series.attributes["FrameOfReferenceUID"] = dicom::NamedUid("test|" + spec.name + "|frame");
    series.sop_uid_prefix_name = "test|" + spec.name + "|" + role;
    made[role] = dicom::WriteMrSeries(series, folder_ / "made" / (spec.name + spec.content + spec.patient_id) / role);
  }
  return made;
}

void NodeTest::Push(const fs::path& file, const std::string& from) {
  const dicom::InstanceHeader header = dicom::ReadHeader(file);
  static int number = 0;
  dicom::ReceivedInstance instance;
  instance.staged_file = files_->StagingDir() / ("pushed-" + std::to_string(++number));
  fs::copy_file(file, instance.staged_file);
  instance.sop_class_uid = header.sop_class_uid;
  instance.sop_instance_uid = header.sop_instance_uid;
  instance.transfer_syntax_uid = header.transfer_syntax_uid;
  instance.sha256 = dicom::DatasetSha256(file);
  instance.bytes = static_cast<std::int64_t>(fs::file_size(file));
  instance.peer = {from, "GLIONODE", "127.0.0.1", association_};
  ingest_->Store(instance);
  ASSERT_TRUE(ingest_->Flush(std::chrono::seconds(30)));
}

void NodeTest::PushStudy(const StudySpec& spec) {
  for (const auto& [role, files] : MakeStudy(spec))
    for (const fs::path& file : files) Push(file);
  ingest_->AssociationEnded({{"PACS", "GLIONODE", "127.0.0.1", association_}, true});
}

std::unique_ptr<StudyWatcher> NodeTest::MakeWatcher(StudySettings settings, std::vector<AcceptRule> accept,
                                                    std::vector<RoleRule> roles) {
  const auto digest = [this](const WorkerRequest& request) {
    WorkerRun run;
    if (breaking_digests_ > 0) {
      --breaking_digests_;
      return run;
    }
    run.end = WorkerEnd::kAnswered;
    run.answer.ok = true;
    for (const auto& [role, input] : request.inputs)
      for (const std::string& file : input.files)
        run.answer.digests[dicom::ReadHeader(file).sop_instance_uid] = {dicom::DatasetSha256(file), false};
    return run;
  };
  return std::make_unique<StudyWatcher>(
      StudyWatcher::Parts{*files_, *index_, *jobs_, *outbox_, *ingest_, clock_, "test", digest, releases_.get()},
      settings, std::move(accept), std::move(roles));
}

BundleSummary NodeTest::Bundle() {
  BundleSummary bundle;
  bundle.name = "test-bundle";
  bundle.version = "1";
  bundle.sha256 = "abc";
  bundle.domain = "phantom";
  bundle.intended_use = "tests";
  bundle.evaluation = "no evaluation is on record";
  bundle.sequences = {Role::kT1, Role::kT2, Role::kT1ce};
  return bundle;
}

WorkerRun NodeTest::Answered(double probability_of_necrosis) {
  WorkerRun run;
  run.end = WorkerEnd::kAnswered;
  run.answer.ok = true;
  run.answer.bundle = Bundle();
  run.answer.device = "cpu";
  run.answer.probability_of_necrosis = probability_of_necrosis;
  return run;
}

}  // namespace glionode::server
