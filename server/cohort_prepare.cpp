// Cohort rows to network inputs, once, in a cache.
#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "dicom/dataset_hash.h"
#include "inference/networks/file_io.h"
#include "inference/networks/training.h"
#include "inference/volumes/nifti.h"
#include "server/bundle_mapping.h"
#include "server/cohort.h"
#include "server/dicom_folder.h"
#include "server/parallel.h"
#include "server/progress_bar.h"
#include "server/volume_source.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <unistd.h>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Changes when the specification does, or what is made of it.
std::string SpecificationText(const std::vector<Role>& roles, const volumes::PreprocessingSpec& spec) {
  std::string text = "preprocessing " + std::to_string(volumes::kPreprocessingVersion) + "|" +
                     std::to_string(spec.shape) + "|" + std::to_string(spec.spacing_mm) + "|" +
                     std::to_string(spec.bias_correction) + "|" + spec.normalisation + "|" + spec.input_state + "|" +
                     spec.centre + "|" + std::to_string(spec.slice_thickness_mm[0]) + "|" +
                     std::to_string(spec.slice_thickness_mm[1]);
  for (const Role role : roles) text.append("|").append(ToText(role));
  return text;
}

/// A row's images: a digest of their content, and how to read them.
struct Source {
  std::string content;
  std::vector<Reason> reasons;
  std::function<DecodedStudy()> read;
};

Source DicomSource(const CohortRow& row, const std::vector<Role>& roles, const FolderRules& site) {
  const DicomFolder folder = ReadDicomFolder(row.folder);
  const auto& instances = RequireStudy(folder, row.folder, "");
  const StudyInputs inputs = CollectInputs(instances, Select(instances, roles, site));
  Source source;
  source.reasons = inputs.reasons;
  if (!source.reasons.empty()) return source;
  const WorkerRequest request = MakeRequest(WorkerStep::kEvaluate, inputs, "");
  Sha256 hash;
  for (const auto& [role, input] : request.inputs) {
    hash.Update(ToText(role));
    for (const std::string& file : input.files) hash.Update(dicom::DatasetSha256(file));
  }
  source.content = hash.HexDigest();
  source.read = [request] { return DecodeStudy(request.inputs, false); };
  return source;
}

constexpr double kMostBelowZero = 0.02;

/// Preprocessing takes what is above 0 for tissue: of an image around 0 the darker half would be lost in silence. By
/// size, not by number: what resampling leaves around the head swings a little below 0.
void RefuseNormalised(const volumes::Volume& volume, const fs::path& file) {
  double below = 0, above = 0;
  for (const float value : volume.voxels) (value < 0 ? below : above) += std::abs(static_cast<double>(value));
  if (below <= kMostBelowZero * (below + above)) return;
  throw Error(ErrorCode::kBadDataset, file.string() +
                                          ": a good part of its values is negative: it looks normalised already; the "
                                          "images as they came from the scanner are needed");
}

Source NiftiSource(const CohortRow& row, const std::vector<Role>& roles) {
  Source source;
  Sha256 hash;
  for (const Role role : roles) {
    const auto file = row.nifti.find(role);
    if (file == row.nifti.end()) {
      source.reasons.push_back(
          {ReasonCode::kMissingRole, "The cohort has no column " + std::string(ToText(role)) + "."});
      continue;
    }
    std::ifstream stream(file->second, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    hash.Update(ToText(role));
    hash.Update(bytes);
  }
  source.content = hash.HexDigest();
  source.read = [files = row.nifti, roles] {
    DecodedStudy study;
    for (const Role role : roles) {
      study.volumes[role] = volumes::ReadNifti(files.at(role));
      RefuseNormalised(study.volumes[role], files.at(role));
    }
    return study;
  };
  return source;
}

/// The machine's trouble, not a study's.
struct CacheError {
  Error error;
};

/// Writes a file of the cache under a name that nobody else uses and moves it to its place: two threads, or two
/// programs with one cache, may make the same one.
void IntoCache(const fs::path& file, const std::function<void(const fs::path&)>& write) {
  static std::atomic<unsigned> number{0};
  const fs::path own = file.string() + "." + std::to_string(::getpid()) + "-" + std::to_string(number++);
  try {
    write(own);
    fs::rename(own, file);
  } catch (const Error& error) {
    throw CacheError{error};
  } catch (const fs::filesystem_error& error) {
    throw CacheError{Error(ErrorCode::kInternal, error.what())};
  }
}

bool ReadFacts(const fs::path& file, PreparedCase& prepared) {
  std::ifstream stream(file);
  const json known = stream ? json::parse(stream, nullptr, false) : json();
  if (!known.is_object() || !known.contains("grid_origin")) return false;
  prepared.reasons = ReasonsFromJson(known.at("reasons"));
  prepared.phantom = known.at("phantom");
  prepared.grid_origin = known.at("grid_origin");
  return true;
}

PreparedCase Prepare(const CohortRow& row, const std::vector<Role>& roles, const volumes::PreprocessingSpec& spec,
                     const fs::path& cache, const FolderRules& site) {
  PreparedCase prepared{row, {}, {}, false, {}};
  if (const std::string problem = StateProblem(spec.input_state, row.input_state); !problem.empty()) {
    prepared.reasons = {{ReasonCode::kOutOfDomain, problem}};
    return prepared;
  }
  const Source source = row.nifti.empty() ? DicomSource(row, roles, site) : NiftiSource(row, roles);
  prepared.reasons = source.reasons;
  if (!prepared.reasons.empty()) return prepared;
  const std::string key = Sha256Hex(SpecificationText(roles, spec) + "|" + source.content);
  const fs::path tensor = cache / (key + ".tensor"), facts = cache / (key + ".json");
  if (ReadFacts(facts, prepared)) {
    if (prepared.reasons.empty()) prepared.tensor_file = tensor;
    return prepared;
  }
  DecodedStudy study = source.read();
  prepared.reasons = std::move(study.reasons);
  prepared.phantom = study.quality_control_subject;
  if (prepared.reasons.empty()) {
    volumes::NetworkInput input = volumes::Preprocess(study.volumes, roles, spec);
    prepared.reasons = std::move(input.reasons);
    prepared.grid_origin = input.grid_origin;
    if (prepared.reasons.empty()) {
      IntoCache(tensor, [&](const fs::path& file) { networks::WriteTensorFile(file, input.tensor); });
      prepared.tensor_file = tensor;
    }
  }
  // Last, so that a tensor without facts is made again.
  const json known = {
      {"reasons", ToJson(prepared.reasons)}, {"phantom", prepared.phantom}, {"grid_origin", prepared.grid_origin}};
  IntoCache(facts, [&](const fs::path& file) { networks::WriteFileAtomically(file, known.dump()); });
  return prepared;
}

/// What lies in the middle of the cube, as it was kept: equal for equal images, whatever their headers say.
std::string MiddleOf(const fs::path& tensor) {
  constexpr std::streamoff kBytes = 65536;
  std::ifstream file(tensor, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  std::string bytes(static_cast<std::size_t>(std::clamp<std::streamoff>(size, 0, kBytes)), '\0');
  file.seekg((size - static_cast<std::streamoff>(bytes.size())) / 2);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
    throw Error(ErrorCode::kInternal, tensor.string() + ": cannot be read");
  return Sha256Hex(bytes);
}

/// The same images under two names would stand on both sides of a split, or count one patient as two.
void RefuseTwins(const std::vector<PreparedCase>& cases) {
  std::map<std::string, const CohortRow*> first;
  std::string twins;
  for (const PreparedCase& one : cases) {
    if (one.tensor_file.empty()) continue;
    const auto [known, is_new] = first.emplace(MiddleOf(one.tensor_file), &one.row);
    if (!is_new)
      twins += "\n  row " + std::to_string(one.row.row) + " (" + one.row.study + "): the images of row " +
               std::to_string(known->second->row) + " (" + known->second->study + ")";
  }
  if (!twins.empty()) throw Error(ErrorCode::kUsage, "the cohort holds the same images more than once:" + twins);
}

}  // namespace

std::vector<PreparedCase> PrepareCases(const std::vector<CohortRow>& rows, const std::vector<Role>& roles,
                                       const volumes::PreprocessingSpec& spec, const fs::path& cache,
                                       const FolderRules& site, int threads) {
  fs::create_directories(cache);
  std::vector<PreparedCase> cases(rows.size());
  ProgressBar progress("preprocessing");
  std::mutex mutex;
  int done = 0;
  ForEachInParallel(static_cast<int>(rows.size()), threads, [&](int index) {
    const CohortRow& row = rows[static_cast<std::size_t>(index)];
    PreparedCase prepared{row, {}, {}, false, {}};
    try {
      prepared = Prepare(row, roles, spec, cache, site);
    } catch (const Error& e) {
      prepared.reasons = {{ReasonCode::kGeometry, e.what()}};
    } catch (const CacheError& e) {
      throw e.error;
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kInternal, "out of memory at row " + std::to_string(row.row) + " (" + row.study +
                                            "); fewer studies at once (--threads) need less");
    } catch (const std::exception& e) {  // of one study; the others are none the worse
      prepared.reasons = {{ReasonCode::kGeometry, std::string("cannot be prepared: ") + e.what()}};
    }
    const std::lock_guard lock(mutex);
    cases[static_cast<std::size_t>(index)] = std::move(prepared);
    progress.Show(++done, static_cast<int>(rows.size()));
  });
  RefuseTwins(cases);
  return cases;
}

}  // namespace glionode::server
