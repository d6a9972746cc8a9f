#include "server/phantom_cohort.h"

#include "config/error.h"
#include "dicom/mr_writer.h"
#include "dicom/uid.h"
#include "inference/networks/file_io.h"
#include "inference/volumes/phantom_anatomy.h"
#include "server/csv.h"
#include "server/parallel.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

/// R and N of "R/N"; nothing if the text is anything else.
std::optional<std::array<std::size_t, 2>> ParseHoldOut(const std::string& text) {
  std::array<std::size_t, 2> numbers{};
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, numbers[0]);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '/') return {};
  const auto second = std::from_chars(first.ptr + 1, end, numbers[1]);
  if (second.ec != std::errc() || second.ptr != end) return {};
  return numbers;
}

std::string StudyFolder(int index) {
  const std::string number = std::to_string(index + 1);
  return "study-" + std::string(number.size() < 4 ? 4 - number.size() : 0, '0') + number;
}

void WriteSeries(const volumes::Phantom& phantom, const volumes::Volume& volume,
                 const std::map<std::string, std::string>& attributes, const std::string& study,
                 const std::string& name, const fs::path& folder) {
  dicom::MrSeries series;
  series.size = volume.size;
  series.spacing = volume.spacing;
  series.origin = volume.origin;
  series.direction = volume.direction;
  series.voxels = volume.voxels;
  series.attributes = phantom.study_attributes;
  for (const auto& [keyword, value] : attributes) series.attributes[keyword] = value;
  const std::string series_name = study + "|" + name;
  series.attributes["StudyInstanceUID"] = dicom::NamedUid(study);
  series.attributes["SeriesInstanceUID"] = dicom::NamedUid(series_name);
  series.attributes["FrameOfReferenceUID"] = dicom::NamedUid(study + "|frame");
  series.sop_uid_prefix_name = series_name;
  dicom::WriteMrSeries(series, folder / name);
}

void WriteStudy(const volumes::Phantom& phantom, const std::string& name, const fs::path& folder) {
  for (const auto& [role, volume] : phantom.volumes)
    WriteSeries(phantom, volume, phantom.attributes.at(role), name, std::string(ToText(role)), folder);
  for (const auto& distractor : phantom.distractors)
    WriteSeries(phantom, distractor.volume, distractor.attributes, name, distractor.name, folder);
}

/// Says that everything named study-NNNN in its folder is ours: studies without a cohort.csv are then what a run left
/// that was broken off, perhaps with other series or more slices. Whatever stands in a folder without it is somebody's.
constexpr const char* kMarker = ".glionode-phantom";

void PrepareFolder(const fs::path& folder, int studies) {
  if (fs::exists(folder / "cohort.csv")) throw Error(ErrorCode::kUsage, folder.string() + " holds a cohort already");
  const bool ours = fs::exists(folder / kMarker);
  for (int index = 0; index < studies; ++index)
    if (!ours && fs::exists(folder / StudyFolder(index)))
      throw Error(ErrorCode::kUsage, (folder / StudyFolder(index)).string() +
                                         " is there already, and was not made by this command: take another folder");
  fs::create_directories(folder);
  networks::WriteFileAtomically(folder / kMarker, "phantoms made by glionode\n");
  for (int index = 0; index < studies; ++index) fs::remove_all(folder / StudyFolder(index));
}

std::string Attribute(const volumes::Phantom& phantom, Role role, const std::string& keyword) {
  const auto series = phantom.attributes.at(role).find(keyword);
  if (series != phantom.attributes.at(role).end()) return series->second;
  const auto study = phantom.study_attributes.find(keyword);
  return study == phantom.study_attributes.end() ? "" : study->second;
}

struct Lines {
  std::string cohort, truth;
};

Lines Describe(const volumes::Phantom& phantom, const std::string& folder, double separation) {
  Lines lines;
  lines.cohort = folder + "," + CsvField(phantom.study_attributes.at("PatientID")) + "," + phantom.label + "," +
                 CsvField(Attribute(phantom, Role::kT1ce, "Manufacturer")) + "," +
                 Attribute(phantom, Role::kT1ce, "MagneticFieldStrength") + "," +
                 Attribute(phantom, Role::kT1ce, "SliceThickness");
  lines.truth = folder + "," + phantom.label + "," + std::to_string(phantom.log_likelihood_ratio) + "," +
                std::to_string(separation);
  for (const float place : phantom.lesion_centre) lines.truth += "," + std::to_string(place);
  lines.truth += "," + std::to_string(phantom.lesion_radius);
  for (const double z : phantom.z) lines.truth += "," + std::to_string(z);
  return lines;
}

std::string CohortTable(const std::vector<Lines>& lines, const std::vector<bool>& tested) {
  std::string table = "study,patient,label,vendor,field_strength,slice_thickness";
  table += tested.empty() ? "\n" : ",split\n";
  for (std::size_t i = 0; i < lines.size(); ++i)
    table += lines[i].cohort + (tested.empty() ? "\n" : tested[i] ? ",test\n" : ",train\n");
  return table;
}

std::string TruthTable(const std::vector<Lines>& lines) {
  std::string table = "study,label,log_likelihood_ratio,separation,lesion_x,lesion_y,lesion_z,lesion_radius";
  for (int i = 1; i <= volumes::kLatentFeatures; ++i) table += ",z" + std::to_string(i);
  table += "\n";
  for (const Lines& line : lines) table += line.truth + "\n";
  return table;
}

/// Both or neither: evaluation would take a cohort without its truth for one of patients.
void WriteTables(const fs::path& folder, const std::string& cohort, const std::string& truth) {
  try {
    networks::WriteFileAtomically(folder / "truth.csv", truth);
    networks::WriteFileAtomically(folder / "cohort.csv", cohort);
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove(folder / "cohort.csv", ignored);
    fs::remove(folder / "truth.csv", ignored);
    throw;
  }
}

}  // namespace

std::uint64_t ParseSeed(const std::string& text) {
  std::uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seed);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    throw Error(ErrorCode::kUsage, "--seed " + text + ": expected a whole number from 0 to 18446744073709551615");
  return seed;
}

void CheckOptions(const volumes::PhantomOptions& options) {
  if (!(options.prevalence >= 0 && options.prevalence <= 1))
    throw Error(ErrorCode::kUsage,
                "--prevalence " + std::to_string(options.prevalence) + ": expected a number from 0 to 1");
  if (!(options.separation >= 0 && options.separation <= 20))
    throw Error(ErrorCode::kUsage,
                "--separation " + std::to_string(options.separation) + ": expected a number from 0 to 20");
}

std::vector<int> DrawLabels(const PhantomCohort& cohort) {
  const int necrosis = static_cast<int>(std::lround(cohort.studies * cohort.options.prevalence));
  std::vector<int> labels(static_cast<std::size_t>(cohort.studies), 0);
  std::fill_n(labels.begin(), necrosis, 1);
  std::mt19937_64 random(cohort.seed * 2654435761u + 17);
  for (std::size_t i = labels.size(); i > 1; --i) std::swap(labels[i - 1], labels[random() % i]);
  return labels;
}

std::string EmptyClass(const std::vector<int>& labels) {
  const auto necroses = static_cast<std::size_t>(std::count(labels.begin(), labels.end(), 1));
  if (labels.size() < 2 || (necroses > 0 && necroses < labels.size())) return "";
  return std::string("no study of this cohort is a ") + (necroses == 0 ? "necrosis" : "recurrence") +
         ": nothing can be trained or measured on it alone";
}

std::vector<bool> DrawHoldOut(const PhantomCohort& cohort, const std::vector<int>& labels) {
  std::string wanted = cohort.hold_out;
  const auto necroses = static_cast<std::size_t>(std::count(labels.begin(), labels.end(), 1));
  if (wanted.empty() && labels.size() == 234 && necroses == 42) wanted = "49/9";
  if (wanted.empty()) return {};
  const auto parsed = ParseHoldOut(wanted);
  if (!parsed || (*parsed)[0] > labels.size() - necroses || (*parsed)[1] > necroses)
    throw Error(ErrorCode::kUsage,
                "--hold-out " + wanted + ": expected two numbers such as 49/9, not more than the cohort has of each");
  std::array<std::size_t, 2> left = *parsed;
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(cohort.seed * 2654435761u + 18);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  std::vector<bool> tested(labels.size(), false);
  for (const std::size_t i : order) {
    std::size_t& of_class = left[static_cast<std::size_t>(labels[i])];
    if (of_class > 0) tested[i] = true, --of_class;
  }
  return tested;
}

std::string StudyName(const PhantomCohort& cohort, int index, const std::string& label) {
  char separation[32];
  const auto end = std::to_chars(separation, separation + sizeof separation, cohort.options.separation).ptr;
  return "phantom " + std::to_string(volumes::kPhantomVersion) + "|" + std::to_string(cohort.seed) + "|" +
         std::to_string(index) + "|" + label + "|" + std::string(separation, end) + "|" + cohort.options.shift;
}

void WritePhantomCohort(const PhantomCohort& cohort, const std::vector<int>& labels, const fs::path& folder,
                        int threads, const std::function<void(int)>& done) {
  const std::vector<bool> tested = DrawHoldOut(cohort, labels);
  PrepareFolder(folder, cohort.studies);
  std::vector<Lines> lines(labels.size());
  std::mutex mutex;
  int ready = 0;
  ForEachInParallel(cohort.studies, threads, [&](int index) {
    const auto at = static_cast<std::size_t>(index);
    const volumes::Phantom phantom = volumes::MakePhantom(cohort.seed, index, cohort.options, labels[at]);
    WriteStudy(phantom, StudyName(cohort, index, phantom.label), folder / StudyFolder(index));
    lines[at] = Describe(phantom, StudyFolder(index), cohort.options.separation);
    const std::lock_guard lock(mutex);
    done(++ready);
  });
  WriteTables(folder, CohortTable(lines, tested), TruthTable(lines));
}

}  // namespace glionode::server
