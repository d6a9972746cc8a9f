#pragma once
#include "config/vocabulary.h"

#include <nlohmann/json.hpp>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace glionode::server {

/// What passes between the node and its worker process (`glionode worker`): one JSON request on the worker's standard
/// input, one JSON answer on its descriptor 3; pictures by file. The parent knows bundles only from here: it links
/// neither LibTorch nor ITK code of ours.

enum class WorkerStep {
  kSelfTest,  ///< load the bundle, prove it by its reference input, describe it
  kDigest,    ///< decode the inputs, answer their pixel digests
  kEvaluate,  ///< the whole way from files to answer and views
};

struct WorkerInput {
  std::string series_uid;
  std::vector<std::string> files;  ///< absolute
};

struct WorkerRequest {
  WorkerStep step = WorkerStep::kSelfTest;
  std::string bundle;         ///< folder
  std::string bundle_sha256;  ///< hash to insist on, of the bundle or of its weights, or ""
  std::string proven_sha256;  ///< of the bundle that has proven itself: another one answers nothing; "": any
  std::string device = "auto";
  int threads = 0;
  int memory_limit_mib = 0;  ///< of the worker's own memory; 0: no limit
  std::map<Role, WorkerInput> inputs;
  std::vector<Reason> reasons;  ///< known before: with any, no network runs (views are still made)
  std::string out_dir;          ///< for views.bin
};

struct BundleSummary {
  std::string name, version, sha256, domain, intended_use, evaluation;
  std::vector<Role> sequences;
  std::array<double, 2> abstain{0.35, 0.65};
  double calibration_slope = 1, calibration_intercept = 0;
};

struct InstanceDigest {
  std::string pixel_digest;
  bool lossy = false;
};

/// One slice picture in views.bin: float32 values at `offset`, map values at `map_offset` (-1: none).
struct ViewInfo {
  Role role = Role::kT1ce;
  std::string plane;  ///< axial, coronal, sagittal
  double position_mm = 0, pixel_mm = 1;
  int width = 0, height = 0;
  long offset = 0, map_offset = -1;
  bool mosaic = false;
};

/// What the slices of page 1 go through. Where the map has its peak, unless that lies outside the brain.
enum class SliceOf { kHeadCentre, kMapPeak, kLesion };

struct WorkerAnswer {
  bool ok = false;
  std::string error;             ///< when not ok
  int error_code = 0;            ///< ErrorCode of the child
  bool bundle_unproven = false;  ///< not ok, because the bundle there is not the one that has proven itself
  std::optional<BundleSummary> bundle;
  std::map<std::string, InstanceDigest> digests;  ///< by SOP Instance UID
  std::vector<Reason> reasons;                    ///< all, those of the request first
  std::optional<double> probability_of_necrosis;  ///< the network's number, whether it may be shown or not
  std::string map_class;
  std::string device;
  std::map<std::string, double> timings_ms;
  std::vector<ViewInfo> views;
  bool peak_outside_brain = false;
  std::array<double, 3> peak_mm{};  ///< LPS of the reference, if there is a map
  SliceOf slice_of = SliceOf::kHeadCentre;
};

nlohmann::json ToJson(const WorkerRequest& request);
WorkerRequest RequestFromJson(const nlohmann::json& json);
nlohmann::json ToJson(const WorkerAnswer& answer);
WorkerAnswer AnswerFromJson(const nlohmann::json& json);

nlohmann::json ToJson(const std::vector<Reason>& reasons);
std::vector<Reason> ReasonsFromJson(const nlohmann::json& json);

}  // namespace glionode::server
