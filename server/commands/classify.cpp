#include "config/clock.h"
#include "config/error.h"
#include "dicom/identity_check.h"
#include "server/commands/commands.h"
#include "server/commands/role_options.h"
#include "server/dicom_folder.h"
#include "server/study_result.h"
#include "server/version.h"
#include "server/worker_steps.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct ClassifyOptions {
  std::string folder, out, bundle, study, device = "auto";
  RoleOptions roles;
  int threads = 0;
  bool as_json = false;
};

double Milliseconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since).count();
}

WorkerAnswer Ask(WorkerRequest request, const ClassifyOptions& options) {
  request.bundle = options.bundle;
  request.device = options.device;
  request.threads = options.threads;
  WorkerAnswer answer = DoWorkerStep(request);
  if (!answer.ok) throw Error(static_cast<ErrorCode>(answer.error_code), answer.error);
  return answer;
}

/// The identity codes park a study in the node; here they end the run: no decision, no objects.
int Refuse(const ClassifyOptions& options, const std::string& study_uid, const std::string& code,
           const std::string& text) {
  const json result = {{"study_uid", study_uid},
                       {"decision", nullptr},
                       {"reasons", json::array({json{{"code", code}, {"text", text}}})},
                       {"software", VersionWithCommit()}};
  std::ofstream(fs::path(options.out) / "result.json") << result.dump(2) << "\n";
  std::cerr << "glionode: study " << study_uid << ": " << code << ": " << text << "\n";
  return 1;
}

void Print(const StudyResult& result, const fs::path& out, bool as_json) {
  if (as_json) {
    std::cout << result.json.dump(2) << "\n";
    return;
  }
  std::ifstream report(out / "report.txt");
  std::cout << report.rdbuf() << "\nWritten to " << out.string()
            << ": result.json, sr.dcm, sc-N.dcm, capture-N.png, report.txt\n";
}

int Classify(const ClassifyOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const FolderRules site = RulesOf(options.roles);
  const DicomFolder folder = ReadDicomFolder(options.folder);
  const auto& instances = RequireStudy(folder, options.folder, options.study);
  const double reading_ms = Milliseconds(start);
  const std::string study_uid = instances.front().header.study_uid;
  fs::create_directories(options.out);
  switch (CheckIdentity(instances)) {
    case IdentityVerdict::kMixed:
      return Refuse(options, study_uid, std::string(ToText(ReasonCode::kMixedIdentity)),
                    "The images of this study name different patients.");
    case IdentityVerdict::kNone:
      return Refuse(options, study_uid, std::string(ToText(ReasonCode::kNoPatientId)),
                    "The images carry no Patient ID.");
    case IdentityVerdict::kOne:
      break;
  }
  const WorkerAnswer tested =
      Ask(WorkerRequest{}, options);  // a bundle that does not prove itself answers nothing (promise 10)
  const auto selecting = std::chrono::steady_clock::now();
  StudyInputs inputs = CollectInputs(instances, Select(instances, tested.bundle->sequences, site));
  inputs.headers_ms = reading_ms + Milliseconds(selecting);
  if (const auto problem = dicom::FindIdentityProblem(inputs.source_file))
    return Refuse(options, study_uid, problem->code, problem->text);

  WorkerRequest request = MakeRequest(WorkerStep::kEvaluate, inputs, "");
  request.out_dir = options.out;
  request.proven_sha256 = tested.bundle->sha256;
  const WorkerAnswer answer = Ask(std::move(request), options);
  ResultContext context;
  context.input_key = InputKey(SelectionKey(inputs, answer.digests), answer.bundle->sha256, Version(), 1);
  context.node_id = "glionode classify";
  context.ae_title = "GLIONODE";
  context.now = Clock().Wall();
  StudyResult result = MakeResult(inputs, answer, *answer.bundle, context);
  const fs::path out = options.out;
  WriteResult(result, LoadViews(answer, out / "views.bin"), inputs.source_file, out);
  // The node keeps the report in three SOP classes for PACS that take no other; a person at the command line wants one.
  for (const char* extra : {"views.bin", "sr-comprehensive.dcm", "sr-enhanced.dcm", "objects.json"})
    fs::remove(out / extra);
  Print(result, out, options.as_json);
  return 0;
}

}  // namespace

void AddClassify(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("classify",
                                     "Evaluate one study from a folder, without a network: glionode classify DICOM_DIR "
                                     "--out DIR. Exit 0 for every decision, 1 if the job failed.");
  command->footer("Example: glionode classify study/ --out result");
  auto options = std::make_shared<ClassifyOptions>();
  command->add_option("folder", options->folder, "folder with the DICOM files of a study")->required();
  command->add_option("--out", options->out, "where result.json, SR and captures go")->required();
  command->add_option("--bundle", options->bundle,
                      "model bundle (default: the installed one, else models/phantom-resnet10)");
  command->add_option("--study", options->study, "Study Instance UID, when the folder holds several");
  AddRoleOptions(*command, options->roles);
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:N");
  command->add_option("--threads", options->threads, "CPU threads of the network; 0: all cores");
  command->add_flag("--json", options->as_json, "print result.json");
  command->callback([options, &exit_code] {
    if (options->bundle.empty()) options->bundle = DefaultBundle();
    exit_code = Guarded([&] { return Classify(*options); });
  });
}

}  // namespace glionode::server
