#include "inference/volumes/phantom.h"

#include "config/error.h"
#include "dicom/mr_writer.h"
#include "dicom/uid.h"
#include "inference/volumes/phantom_shift.h"
#include "server/commands/commands.h"
#include "server/csv.h"
#include "server/parallel.h"
#include "server/progress_bar.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <random>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

struct PhantomCommand {
  std::string folder;
  int studies = 1;
  std::string hold_out;
  std::uint64_t seed = 0;
  volumes::PhantomOptions options;
};

/// The share of necrosis exactly as asked for, in an order that the seed alone decides.
std::vector<int> DrawLabels(const PhantomCommand& command) {
  const int necrosis = static_cast<int>(std::lround(command.studies * command.options.prevalence));
  std::vector<int> labels(static_cast<std::size_t>(command.studies), 0);
  std::fill_n(labels.begin(), necrosis, 1);
  std::mt19937_64 random(command.seed * 2654435761u + 17);
  for (std::size_t i = labels.size(); i > 1; --i) std::swap(labels[i - 1], labels[random() % i]);
  return labels;
}

/// Which studies are held out for testing; empty if none. A phantom is a patient of its own: no patient is on both
/// sides.
std::vector<bool> DrawHoldOut(const PhantomCommand& command, const std::vector<int>& labels) {
  std::string wanted = command.hold_out;
  const auto necroses = std::count(labels.begin(), labels.end(), 1);
  if (wanted.empty() && labels.size() == 234 && necroses == 42) wanted = "49/9";
  if (wanted.empty()) return {};
  int left[2] = {-1, -1};
  char end = 0;
  if (std::sscanf(wanted.c_str(), "%d/%d%c", &left[0], &left[1], &end) != 2 || left[0] < 0 || left[1] < 0 ||
      left[1] > necroses || left[0] > static_cast<int>(labels.size()) - necroses)
    throw Error(ErrorCode::kUsage,
                "--hold-out " + wanted + ": expected two numbers such as 49/9, not more than the cohort has of each");
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random(command.seed * 2654435761u + 18);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  std::vector<bool> tested(labels.size(), false);
  for (const std::size_t i : order)
    if (left[labels[i]] > 0) tested[i] = true, --left[labels[i]];
  return tested;
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

int MakePhantoms(const PhantomCommand& command) {
  const fs::path folder = command.folder;
  if (fs::exists(folder / "cohort.csv")) throw Error(ErrorCode::kUsage, folder.string() + " holds a cohort already");
  fs::create_directories(folder);
  const std::vector<int> labels = DrawLabels(command);
  const std::vector<bool> tested = DrawHoldOut(command, labels);
  std::vector<Lines> lines(labels.size());
  ProgressBar progress("phantoms");
  std::mutex mutex;
  int done = 0;
  std::size_t latent = 0;
  ForEachInParallel(command.studies, 0, [&](int index) {
    const volumes::Phantom phantom =
        volumes::MakePhantom(command.seed, index, command.options, labels[static_cast<std::size_t>(index)]);
    const std::string name = "phantom|" + std::to_string(command.seed) + "|" + std::to_string(index);
    WriteStudy(phantom, name, folder / StudyFolder(index));
    lines[static_cast<std::size_t>(index)] = Describe(phantom, StudyFolder(index), command.options.separation);
    const std::lock_guard lock(mutex);
    latent = phantom.z.size();
    progress.Show(++done, command.studies);
  });
  std::ofstream cohort(folder / "cohort.csv"), truth(folder / "truth.csv");
  cohort << "study,patient,label,vendor,field_strength,slice_thickness" << (tested.empty() ? "" : ",split") << "\n";
  truth << "study,label,log_likelihood_ratio,separation,lesion_x,lesion_y,lesion_z,lesion_radius";
  for (std::size_t i = 1; i <= latent; ++i) truth << ",z" << i;
  truth << "\n";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    cohort << lines[i].cohort << (tested.empty() ? "" : tested[i] ? ",test" : ",train") << "\n";
    truth << lines[i].truth << "\n";
  }
  if (!cohort.flush() || !truth.flush()) throw Error(ErrorCode::kOutOfSpace, folder.string() + ": cannot be written");
  std::cout << command.studies << " studies in " << folder.string() << ", "
            << std::count(labels.begin(), labels.end(), 1) << " of them necrosis\n";
  return 0;
}

}  // namespace

void AddPhantom(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "phantom", "Make synthetic studies with a known truth: glionode phantom DIR --studies 20 --seed 1");
  command->footer("Example: glionode phantom cohort --studies 20 --seed 1");
  auto options = std::make_shared<PhantomCommand>();
  command->add_option("folder", options->folder, "where cohort.csv, truth.csv and the studies go")->required();
  command->add_option("--studies", options->studies, "how many")->check(CLI::Range(1, 1000000));
  command->add_option("--seed", options->seed, "the same seed gives the same studies");
  command->add_option("--prevalence", options->options.prevalence, "share of necrosis")->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--separation", options->options.separation,
                   "distance of the classes; 1.812 lets a perfect reader reach an AUC of 0.90")
      ->check(CLI::Range(0.0, 20.0));
  command
      ->add_option("--shift", options->options.shift,
                   "make studies that no model here was made for, to see whether it says so")
      ->check(CLI::IsMember(volumes::PhantomShifts()));
  command->add_flag("--distractors", options->options.distractors,
                    "also a localizer, a FLAIR and a diffusion series in every study");
  command->add_option("--hold-out", options->hold_out,
                      "R/N: so many recurrences and necroses get split = test, the others train (234 studies at a "
                      "prevalence of 0.18, the paper's shape: 49/9)");
  command->callback([options, &exit_code] { exit_code = Guarded([&] { return MakePhantoms(*options); }); });
}

}  // namespace glionode::server
