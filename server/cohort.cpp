#include "server/cohort.h"

#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "dicom/dataset_hash.h"
#include "inference/networks/training.h"
#include "server/csv.h"
#include "server/dicom_folder.h"
#include "server/parallel.h"
#include "server/progress_bar.h"
#include "server/volume_source.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string Value(const std::map<std::string, std::string>& row, const std::string& column) {
  const auto found = row.find(column);
  return found == row.end() ? "" : found->second;
}

void CheckRow(const CohortRow& row, std::vector<std::string>& mistakes) {
  static const std::set<std::string> kLabels = {"recurrence", "necrosis", "mixed", "neither", "unknown"};
  const std::string where = "row " + std::to_string(row.row) + ": ";
  if (row.study.empty())
    mistakes.push_back(where + "study is empty");
  else if (!fs::is_directory(row.folder))
    mistakes.push_back(where + "study \"" + row.study + "\" is no folder (" + row.folder.string() + ")");
  if (row.patient.empty()) mistakes.push_back(where + "patient is empty");
  if (kLabels.count(row.label) == 0)
    mistakes.push_back(where + "label \"" + row.label + "\" is none of recurrence, necrosis, mixed, neither, unknown");
  if (!row.split.empty() && row.split != "train" && row.split != "test")
    mistakes.push_back(where + "split \"" + row.split + "\" is neither train nor test");
}

/// A patient in both parts would let the network recognise heads instead of lesions.
void CheckPatients(const std::vector<CohortRow>& rows, std::vector<std::string>& mistakes) {
  std::map<std::string, std::set<std::string>> splits;
  for (const CohortRow& row : rows) splits[row.patient].insert(row.split);
  for (const auto& [patient, names] : splits)
    if (names.size() > 1)
      for (const CohortRow& row : rows)
        if (row.patient == patient)
          mistakes.push_back("row " + std::to_string(row.row) + ": this patient's studies are in more than one split");
}

/// Changes when any image or the specification does.
std::string CacheKey(const std::map<Role, WorkerInput>& inputs, const volumes::PreprocessingSpec& spec) {
  Sha256 hash;
  hash.Update("preprocessing 1|" + std::to_string(spec.shape) + "|" + std::to_string(spec.spacing_mm) + "|" +
              std::to_string(spec.bias_correction) + "|" + spec.normalisation);
  for (const auto& [role, input] : inputs) {
    hash.Update(ToText(role));
    for (const std::string& file : input.files) hash.Update(dicom::DatasetSha256(file));
  }
  return hash.HexDigest();
}

PreparedCase Prepare(const CohortRow& row, const std::vector<Role>& roles, const volumes::PreprocessingSpec& spec,
                     const fs::path& cache, const FolderRules& site) {
  PreparedCase prepared{row, {}, {}, false};
  const DicomFolder folder = ReadDicomFolder(row.folder);
  const auto& instances = RequireStudy(folder, row.folder, "");
  const StudyInputs inputs = CollectInputs(instances, Select(instances, roles, site));
  prepared.reasons = inputs.reasons;
  if (!prepared.reasons.empty()) return prepared;
  const WorkerRequest request = MakeRequest(WorkerStep::kEvaluate, inputs, "");
  const std::string key = CacheKey(request.inputs, spec);
  const fs::path tensor = cache / (key + ".tensor"), facts = cache / (key + ".json");
  if (fs::exists(facts)) {
    const json known = json::parse(std::ifstream(facts), nullptr, false);
    if (known.is_object()) {
      prepared.reasons = ReasonsFromJson(known.at("reasons"));
      prepared.phantom = known.at("phantom");
      if (prepared.reasons.empty()) prepared.tensor_file = tensor;
      return prepared;
    }
  }
  DecodedStudy study = DecodeStudy(request.inputs, false);
  prepared.reasons = std::move(study.reasons);
  prepared.phantom = study.quality_control_subject;
  if (prepared.reasons.empty()) {
    volumes::NetworkInput input = volumes::Preprocess(study.volumes, roles, spec);
    prepared.reasons = std::move(input.reasons);
    if (prepared.reasons.empty()) {
      networks::WriteTensorFile(tensor, input.tensor);
      prepared.tensor_file = tensor;
    }
  }
  // Last, so that a tensor without facts is made again.
  std::ofstream(facts) << json({{"reasons", ToJson(prepared.reasons)}, {"phantom", prepared.phantom}}).dump();
  return prepared;
}

}  // namespace

std::vector<CohortRow> ReadCohort(const fs::path& file) {
  const CsvTable table = ReadCsv(file);
  const auto has = [&](const char* column) {
    return std::find(table.columns.begin(), table.columns.end(), column) != table.columns.end();
  };
  std::vector<std::string> mistakes;
  if (!has("study"))
    mistakes.push_back(
        has("t1")
            ? "NIfTI cohorts (columns t1, t2, t1ce) cannot be read yet; a column study with DICOM folders is needed"
            : "the column study is missing");
  for (const char* column : {"patient", "label"})
    if (!has(column)) mistakes.push_back(std::string("the column ") + column + " is missing");
  std::vector<CohortRow> rows;
  if (mistakes.empty()) {
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      const auto& from = table.rows[i];
      CohortRow row;
      row.row = static_cast<int>(i) + 1;
      row.study = Value(from, "study");
      row.folder = fs::absolute(file).parent_path() / row.study;
      row.patient = Value(from, "patient");
      row.label = Value(from, "label");
      row.split = Value(from, "split");
      CheckRow(row, mistakes);
      rows.push_back(std::move(row));
    }
    CheckPatients(rows, mistakes);
    if (rows.empty()) mistakes.push_back("there is no data row");
  }
  if (mistakes.empty()) return rows;
  std::string text =
      file.string() + ": " + std::to_string(mistakes.size()) + (mistakes.size() == 1 ? " mistake" : " mistakes");
  for (const std::string& mistake : mistakes) text += "\n  " + mistake;
  throw Error(ErrorCode::kUsage, text);
}

std::vector<CohortRow> OfSplit(std::vector<CohortRow> rows, const std::string& split) {
  const bool has_split = std::any_of(rows.begin(), rows.end(), [](const CohortRow& row) { return !row.split.empty(); });
  if (has_split) std::erase_if(rows, [&](const CohortRow& row) { return row.split != split; });
  return rows;
}

std::vector<PreparedCase> PrepareCases(const std::vector<CohortRow>& rows, const std::vector<Role>& roles,
                                       const volumes::PreprocessingSpec& spec, const fs::path& cache,
                                       const FolderRules& site) {
  fs::create_directories(cache);
  std::vector<PreparedCase> cases(rows.size());
  ProgressBar progress("preprocessing");
  std::mutex mutex;
  int done = 0;
  ForEachInParallel(static_cast<int>(rows.size()), 0, [&](int index) {
    const CohortRow& row = rows[static_cast<std::size_t>(index)];
    PreparedCase prepared{row, {}, {}, false};
    try {
      prepared = Prepare(row, roles, spec, cache, site);
    } catch (const Error& e) {
      if (e.Code() == ErrorCode::kOutOfSpace || e.Code() == ErrorCode::kInternal) throw;
      prepared.reasons = {{ReasonCode::kGeometry, e.what()}};
    }
    const std::lock_guard lock(mutex);
    cases[static_cast<std::size_t>(index)] = std::move(prepared);
    progress.Show(++done, static_cast<int>(rows.size()));
  });
  return cases;
}

}  // namespace glionode::server
