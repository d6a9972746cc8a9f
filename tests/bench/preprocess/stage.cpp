#include "tests/bench/preprocess/stage.h"

#include "config/error.h"
#include "dicom/mr_writer.h"
#include "dicom/uid.h"
#include "inference/volumes/phantom_scanner.h"
#include "inference/volumes/preprocess.h"
#include "tests/bench/preprocess/elastix.h"
#include "tests/bench/preprocess/study_volumes.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <future>
#include <sched.h>

namespace glionode::bench {
namespace {

namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

double MillisecondsSince(Steady::time_point from) {
  return std::chrono::duration<double, std::milli>(Steady::now() - from).count();
}

/// Largest resident memory of this process so far. Not getrusage: that keeps what the parent had at the spawn.
double PeakMib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

/// The figures are for two cores.
void UseTwoCores() {
  cpu_set_t all, two;
  CPU_ZERO(&two);
  if (sched_getaffinity(0, sizeof all, &all) != 0) return;
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&two) < 2; ++i)
    if (CPU_ISSET(i, &all)) CPU_SET(i, &two);
  sched_setaffinity(0, sizeof two, &two);
}

std::map<Role, volumes::Volume> DecodeVolumes(const std::map<Role, std::vector<fs::path>>& files) {
  std::map<Role, volumes::Volume> result;
  for (const auto& [role, paths] : files) {
    auto stack = volumes::Stack(DecodeFrames(paths));
    for (const auto& reason : stack.reasons) throw Error(ErrorCode::kBadDataset, reason.text);
    result[role] = std::move(stack.volume);
  }
  return result;
}

}  // namespace

int RunStage(const fs::path& folder) {
  UseTwoCores();
  const auto start = Steady::now();
  const auto files = SelectFiles(ReadStudy(folder));
  const double headers = MillisecondsSince(start);
  const auto decoding = Steady::now();
  const auto decoded = DecodeVolumes(files);
  const double decode = MillisecondsSince(decoding);
  const auto input = volumes::Preprocess(decoded, {Role::kT1, Role::kT2, Role::kT1ce}, {});
  std::string reasons;
  for (const auto& reason : input.reasons) reasons += reason.text + " ";
  std::printf("%s\n", nlohmann::json{{"headers_ms", headers},
                                     {"decode_ms", decode},
                                     {"registration_ms", input.registration_ms},
                                     {"preprocess_ms", input.preprocess_ms},
                                     {"total_ms", MillisecondsSince(start)},
                                     {"peak_mib", PeakMib()},
                                     {"reasons", reasons}}
                          .dump()
                          .c_str());
  return 0;
}

int ExportStudy(const fs::path& folder, const fs::path& to) {
  fs::create_directories(to);
  for (const auto& [role, volume] : DecodeVolumes(SelectFiles(ReadStudy(folder)))) {
    const std::string name(ToText(role));
    WriteMetaPixels(volume, to / (name + ".raw"));
    WriteMetaHeader(volume, to / (name + ".mhd"), name + ".raw");
  }
  return 0;
}

int WriteLargeStudy(const fs::path& to) {
  constexpr std::uint64_t kSeed = 41;
  constexpr int kIndex = 0;
  const auto anatomy = volumes::MakeAnatomy(kSeed, kIndex, std::vector<double>(volumes::kLatentFeatures, 0.0));
  for (auto& [role, protocol] : volumes::MakeProtocols(kSeed, kIndex)) {
    protocol.size = {256, 256, 192};
    protocol.spacing = {0.9, 0.9, 0.9};
    protocol.thickness = 0.9;
    const auto volume = volumes::Render(anatomy, protocol, kSeed, kIndex);
    dicom::MrSeries series;
    series.size = volume.size, series.spacing = volume.spacing, series.origin = volume.origin;
    series.direction = volume.direction;
    series.voxels = volume.voxels;
    const std::string name = "bench large study|" + std::string(ToText(role));
    series.attributes = protocol.attributes;
    series.attributes["PatientID"] = "PHANTOM-BENCH";
    series.attributes["StudyInstanceUID"] = dicom::NamedUid("bench large study");
    series.attributes["SeriesInstanceUID"] = dicom::NamedUid(name);
    series.attributes["QualityControlSubject"] = "YES";
    series.sop_uid_prefix_name = name;
    dicom::WriteMrSeries(series, to / std::string(ToText(role)));
  }
  return 0;
}

void MeasureStage(const std::string& self, const std::string& name, const fs::path& study, const fs::path& work,
                  double goal_ms, std::vector<Row>& rows) {
  fs::create_directories(work);
  std::vector<nlohmann::json> runs;
  for (int i = 0; i < 5; ++i) {
    const auto log = work / "stage.json";
    if (RunProgram({self, "stage", study.string()}, log).status != 0)
      throw Error(ErrorCode::kInternal, "The stage failed; its words are in " + log.string() + ".");
    std::ifstream in(log);
    runs.push_back(nlohmann::json::parse(in));
    if (const auto& reasons = runs.back()["reasons"].get_ref<const std::string&>(); !reasons.empty())
      throw Error(ErrorCode::kInternal, "The study of the bench was refused: " + reasons);
  }
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a["total_ms"] < b["total_ms"]; });
  const auto& median = runs[runs.size() / 2];
  if (RunProgram({self, "export", study.string(), work.string()}, work / "export.txt").status != 0)
    throw Error(ErrorCode::kInternal, "The study could not be written as MetaImage: " + (work / "export.txt").string());
  const auto start = Steady::now();
  auto other = std::async(std::launch::async,
                          [&] { return RunElastix(work / "t1ce.mhd", work / "t2.mhd", work / "elastix-t2"); });
  const auto t1 = RunElastix(work / "t1ce.mhd", work / "t1.mhd", work / "elastix-t1");
  const auto t2 = other.get();
  const double elastix = MillisecondsSince(start);
  const auto figure = [&](const char* key) { return median[key].get<double>(); };
  char goal[64];
  std::snprintf(goal, sizeof goal, "at most %.0f ms", goal_ms);
  rows.push_back(
      {name + ": headers to network input", figure("total_ms"), "ms", "", 0, goal, figure("total_ms") <= goal_ms});
  rows.push_back({name + ": of it headers and roles", figure("headers_ms"), "ms", "", 0, "", true});
  rows.push_back({name + ": of it pixels and stacking", figure("decode_ms"), "ms", "", 0, "", true});
  rows.push_back({name + ": of it registration, T1 and T2 at once", figure("registration_ms"), "ms", "elastix", elastix,
                  "", true});
  rows.push_back({name + ": of it the rest", figure("preprocess_ms"), "ms", "", 0, "", true});
  rows.push_back({name + ": resident memory", figure("peak_mib"), "MiB", "elastix, two",
                  t1.child.peak_mib + t2.child.peak_mib, "at most 1024 MiB", figure("peak_mib") <= 1024});
}

}  // namespace glionode::bench
