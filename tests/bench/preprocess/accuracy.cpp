#include "tests/bench/preprocess/accuracy.h"

#include "config/error.h"
#include "inference/volumes/phantom.h"
#include "inference/volumes/registration.h"
#include "tests/bench/preprocess/elastix.h"
#include "tests/bench/preprocess/study_volumes.h"
#include "tests/inference/volumes/known_moves.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <mutex>
#include <thread>

namespace glionode::bench {
namespace {

namespace fs = std::filesystem;
using namespace volumes;  // the two folders' names do not meet here
using volumes::testing::ApplyInverse;
using volumes::testing::Distance;
using volumes::testing::HeadPoints;
using volumes::testing::Moved;
using volumes::testing::RandomMove;
using volumes::testing::Scan3d;
using volumes::testing::Scanned;
using volumes::testing::TruePoint;

constexpr std::uint64_t kSeed = 20261121;
/// From here on a registration has failed: a lesion's margin is no longer where the other series shows it.
constexpr double kFailedMm = 2.0;

/// What one side found in one draw.
struct Found {
  RigidTransform transform;
  bool plausible = true;
  double seconds = 0;
};

struct Draw {
  RigidTransform by;
  Found here, elastix;
};

/// Calls work(i) for 0..n-1 on as many threads as there are cores.
void InParallel(int n, const std::function<void(int)>& work) {
  std::atomic<int> next{0};
  std::vector<std::jthread> threads;
  std::vector<std::exception_ptr> failed(std::max(1U, std::thread::hardware_concurrency()));
  for (auto& failure : failed)
    threads.emplace_back([&] {
      try {
        for (int i = next++; i < n; i = next++) work(i);
      } catch (...) {
        failure = std::current_exception();
      }
    });
  threads.clear();
  for (const auto& failure : failed)
    if (failure) std::rethrow_exception(failure);
}

/// Registers one moved series here and with elastix. `raw` and `fixed_header` lie in `folder`.
Draw RunDraw(const Volume& fixed, const Volume& moved, const RigidTransform& by, const fs::path& folder,
             const std::string& fixed_header, const std::string& raw, const std::string& name) {
  Draw draw;
  draw.by = by;
  const auto start = std::chrono::steady_clock::now();
  const auto found = RegisterRigid(fixed, moved);
  draw.here = {found.transform, found.plausible,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
  WriteMetaHeader(moved, folder / (name + ".mhd"), raw);
  const auto peer = RunElastix(folder / fixed_header, folder / (name + ".mhd"), folder / name);
  draw.elastix = {peer.transform, true, peer.child.seconds};
  return draw;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = values.size();
  return n == 0 ? 0 : n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

double Largest(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

/// Errors of both sides with the rows that every experiment has.
struct Errors {
  std::vector<double> here, elastix, here_seconds, elastix_seconds;
  int unnoticed = 0, elastix_failed = 0;

  void Add(const Draw& draw, double error, double elastix_error) {
    here.push_back(error), elastix.push_back(elastix_error);
    here_seconds.push_back(draw.here.seconds), elastix_seconds.push_back(draw.elastix.seconds);
    unnoticed += error > kFailedMm && draw.here.plausible;
    elastix_failed += elastix_error > kFailedMm;
  }

  void AddRows(const std::string& name, std::vector<Row>& rows) const {
    rows.push_back({name + ": failed by 2 mm and not noticed", double(unnoticed), "draws", "elastix",
                    double(elastix_failed), "none", unnoticed == 0});
    rows.push_back({name + ": one registration", 1000 * Median(here_seconds), "ms", "elastix",
                    1000 * Median(elastix_seconds), "", true});
  }
};

/// ImagePositionPatient and ImageOrientationPatient are decimal strings of at most 16 characters (PS3.5, DS).
double AsDecimalString(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return std::strtod(text, nullptr);
}

std::vector<Frame> MovedFrames(std::vector<Frame> frames, const RigidTransform& by) {
  const Mat3 r = RotationMatrix(by.angles);
  for (Frame& frame : frames) {
    frame.position = Apply(by, frame.position);
    for (double& x : frame.position) x = AsDecimalString(x);
    const auto& o = frame.orientation;
    const Vec3 row = Multiply(r, {o[0], o[1], o[2]}), column = Multiply(r, {o[3], o[4], o[5]});
    for (std::size_t i = 0; i < 3; ++i)
      frame.orientation[i] = AsDecimalString(row[i]), frame.orientation[3 + i] = AsDecimalString(column[i]);
  }
  return frames;
}

/// Normalised mutual information (H(A) + H(B)) / H(A,B) over the points, 48 bins between the 0.5 % and 99.5 %
/// quantiles. Written anew, so that neither side is judged by its own metric.
double MutualInformation(const Volume& fixed, const Volume& moving, const RigidTransform& transform,
                         const std::vector<Vec3>& points) {
  constexpr std::size_t kBins = 48;
  std::vector<float> a, b;
  for (const Vec3& p : points) {
    float x = 0, y = 0;
    if (SampleAt(fixed, IndexOf(fixed, p), &x) && SampleAt(moving, IndexOf(moving, Apply(transform, p)), &y))
      a.push_back(x), b.push_back(y);
  }
  const auto bins = [](const std::vector<float>& values) {
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const float low = sorted[sorted.size() / 200], high = sorted[sorted.size() - 1 - sorted.size() / 200];
    std::vector<std::size_t> result;
    for (float v : values)
      result.push_back(static_cast<std::size_t>(std::clamp((v - low) / (high - low), 0.0F, 0.999F) * kBins));
    return result;
  };
  const auto entropy = [&](const std::vector<double>& counts) {
    double sum = 0;
    for (double c : counts)
      if (c > 0) sum -= c / double(a.size()) * std::log(c / double(a.size()));
    return sum;
  };
  const auto x = bins(a), y = bins(b);
  std::vector<double> hx(kBins), hy(kBins), joint(kBins * kBins);
  for (std::size_t i = 0; i < x.size(); ++i) ++hx[x[i]], ++hy[y[i]], ++joint[x[i] * kBins + y[i]];
  return (entropy(hx) + entropy(hy)) / entropy(joint);
}

/// Distance of every draw from the mean of all, over the head.
std::vector<double> Deviations(const std::vector<Draw>& draws, const std::vector<Vec3>& points,
                               RigidTransform (*transform)(const Draw&)) {
  std::vector<double> sums(draws.size());
  for (const Vec3& p : points) {
    std::vector<Vec3> back;
    Vec3 mean{};
    for (const Draw& draw : draws) {
      back.push_back(ApplyInverse(draw.by, Apply(transform(draw), p)));
      for (std::size_t i = 0; i < 3; ++i) mean[i] += back.back()[i] / double(draws.size());
    }
    for (std::size_t k = 0; k < draws.size(); ++k) sums[k] += Distance(back[k], mean);
  }
  for (double& sum : sums) sum /= double(points.size());
  return sums;
}

}  // namespace

void MeasurePhantoms(int draws, const fs::path& work, std::vector<Row>& rows) {
  fs::create_directories(work);
  std::map<Role, std::vector<std::pair<Draw, std::array<double, 2>>>> results;
  for (Role role : {Role::kT1, Role::kT2}) results[role].resize(static_cast<std::size_t>(draws));
  InParallel(draws, [&](int i) {
    const Scanned phantom = Scan3d(kSeed, i);
    const Volume& fixed = phantom.volumes.at(Role::kT1ce);
    const auto points = HeadPoints(FindHead(fixed), 5);
    const std::string number = std::to_string(i);
    WriteMetaPixels(fixed, work / ("fixed-" + number + ".raw"));
    WriteMetaHeader(fixed, work / ("fixed-" + number + ".mhd"), "fixed-" + number + ".raw");
    PhantomStream random(kSeed, i, 96);
    for (Role role : {Role::kT1, Role::kT2}) {
      const RigidTransform by = RandomMove(random);
      const std::string name = std::string(ToText(role)) + "-" + number;
      WriteMetaPixels(phantom.volumes.at(role), work / (name + ".raw"));
      const Draw draw = RunDraw(fixed, Moved(phantom.volumes.at(role), by), by, work, "fixed-" + number + ".mhd",
                                name + ".raw", name);
      std::array<double, 2> error{};
      for (const Vec3& p : points) {
        const Vec3 truth = Apply(by, TruePoint(phantom.protocols.at(Role::kT1ce), phantom.protocols.at(role), p));
        error[0] += Distance(Apply(draw.here.transform, p), truth) / double(points.size());
        error[1] += Distance(Apply(draw.elastix.transform, p), truth) / double(points.size());
      }
      std::printf("  phantom %d %s: %.2f mm, elastix %.2f mm\n", i, std::string(ToText(role)).c_str(), error[0],
                  error[1]);
      results.at(role)[static_cast<std::size_t>(i)] = {draw, error};
      fs::remove(work / (name + ".raw"));
    }
    fs::remove(work / ("fixed-" + number + ".raw"));
  });
  for (const auto& [role, drawn] : results) {
    Errors errors;
    for (const auto& [draw, error] : drawn) errors.Add(draw, error[0], error[1]);
    const std::string name = role == Role::kT1 ? "phantoms, 3D T1 to 3D T1ce" : "phantoms, thick T2 to 3D T1ce";
    const double median = Median(errors.here);
    rows.push_back({name + ": median error", median, "mm", "elastix", Median(errors.elastix),
                    role == Role::kT1 ? "at most 0.5 mm" : "", median <= 0.5});
    rows.push_back(
        {name + ": largest error", Largest(errors.here), "mm", "elastix", Largest(errors.elastix), "", true});
    errors.AddRows(name, rows);
  }
}

void MeasureRealStudy(const fs::path& study, int draws, const fs::path& work, std::vector<Row>& rows) {
  fs::create_directories(work);
  const auto files = SelectFiles(ReadStudy(study));
  const Volume fixed = Stack(DecodeFrames(files.at(Role::kT1ce))).volume;
  WriteMetaPixels(fixed, work / "t1ce.raw");
  WriteMetaHeader(fixed, work / "t1ce.mhd", "t1ce.raw");
  const auto points = HeadPoints(FindHead(fixed), 3);
  for (Role role : {Role::kT1, Role::kT2}) {
    const std::string word(ToText(role)), name = "real study, " + std::string(role == Role::kT1 ? "T1" : "T2");
    const auto frames = DecodeFrames(files.at(role));
    const Volume unmoved = Stack(frames).volume;
    WriteMetaPixels(unmoved, work / (word + ".raw"));
    std::vector<RigidTransform> moves;
    PhantomStream random(kSeed, role == Role::kT1 ? 1 : 2, 95);
    for (int i = 0; i < draws; ++i) moves.push_back(RandomMove(random));
    std::vector<Draw> done(moves.size());
    InParallel(draws, [&](int i) {
      const auto at = static_cast<std::size_t>(i);
      done[at] = RunDraw(fixed, Stack(MovedFrames(frames, moves[at])).volume, moves[at], work, "t1ce.mhd",
                         word + ".raw", word + "-" + std::to_string(i));
    });
    const auto here = Deviations(done, points, [](const Draw& d) { return d.here.transform; });
    const auto elastix = Deviations(done, points, [](const Draw& d) { return d.elastix.transform; });
    Errors errors;
    double information[2] = {};
    for (std::size_t k = 0; k < done.size(); ++k) {
      errors.Add(done[k], here[k], elastix[k]);
      const Volume moved = Moved(unmoved, done[k].by);
      information[0] += MutualInformation(fixed, moved, done[k].here.transform, points) / double(done.size());
      information[1] += MutualInformation(fixed, moved, done[k].elastix.transform, points) / double(done.size());
    }
    const double median = Median(here), peer = Median(elastix);
    rows.push_back({name + ": median distance from the mean of all draws", median, "mm", "elastix", peer,
                    "no more than elastix by 0.05 mm", median <= peer + 0.05});
    rows.push_back({name + ": largest distance from it", Largest(here), "mm", "elastix", Largest(elastix),
                    "at most 0.5 mm", Largest(here) <= 0.5});
    rows.push_back({name + ": normalised mutual information afterwards", information[0], "(1 to 2)", "elastix",
                    information[1], "no less than elastix by 0.002", information[0] >= information[1] - 0.002});
    errors.AddRows(name, rows);
  }
}

void MeasureForeign(const fs::path& study, int draws, std::vector<Row>& rows) {
  std::vector<std::map<Role, Volume>> phantoms(static_cast<std::size_t>(draws));  // thick slices mostly
  InParallel(draws, [&](int i) { phantoms[static_cast<std::size_t>(i)] = MakePhantom(kSeed, i, {}).volumes; });
  Volume real;
  if (fs::exists(study)) real = Stack(DecodeFrames(SelectFiles(ReadStudy(study)).at(Role::kT1ce))).volume;
  std::map<Role, std::atomic<int>> caught, own;
  for (Role role : {Role::kT1, Role::kT2}) caught[role] = 0, own[role] = 0;
  std::atomic<int> in_real{0};
  std::mutex lock;
  double least_own = 1, most_foreign = 0;  // agreement
  InParallel(draws, [&](int i) {
    const auto& here = phantoms[static_cast<std::size_t>(i)];
    const auto& next = phantoms[static_cast<std::size_t>((i + 1) % draws)];
    const Volume& fixed = here.at(Role::kT1ce);
    for (Role role : {Role::kT1, Role::kT2}) {
      const auto mine = RegisterRigid(fixed, here.at(role)), other = RegisterRigid(fixed, next.at(role));
      own.at(role) += !mine.plausible;
      caught.at(role) += !other.plausible;
      const std::lock_guard guard(lock);
      least_own = std::min(least_own, mine.agreement);
      most_foreign = std::max(most_foreign, other.agreement);
    }
    if (real.Count() > 0) in_real += !RegisterRigid(real, here.at(Role::kT2)).plausible;
  });
  const std::string of = "of " + std::to_string(draws);
  for (Role role : {Role::kT1, Role::kT2}) {
    const std::string name = role == Role::kT1 ? "T1" : "T2";
    rows.push_back({"another phantom's " + name + " in a phantom: noticed", double(caught.at(role)), of, "", 0, "all",
                    caught.at(role) == draws});
    rows.push_back({"its own " + name + " in a phantom: refused by mistake", double(own.at(role)), of, "", 0, "none",
                    own.at(role) == 0});
  }
  rows.push_back({"agreement of small parts, own series: least", least_own, "(0 to 1)", "", 0, "", true});
  rows.push_back({"agreement of small parts, another's: most", most_foreign, "(0 to 1)", "", 0, "", true});
  if (real.Count() > 0)
    rows.push_back({"a phantom's T2 in the real study: noticed", double(in_real), of, "", 0, "all", in_real == draws});
}

}  // namespace glionode::bench
