#pragma once
#include "config/vocabulary.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace glionode::networks {

struct NetworkSpec {
  std::string type = "resnet10";  ///< resnet10, mresnet, vgg16
  std::vector<Role> sequences{Role::kT1, Role::kT2, Role::kT1ce};
  double width = 1.0;
  std::string layout = "dilated";  ///< dilated (MedicalNet) or strided
};

/// bundle.json as values (design section 7). Preprocessing stays plain so that the server can map it to
/// inference/volumes.
struct BundleInfo {
  std::string name, version, license, intended_use;
  std::string domain;  ///< phantom (decides on phantoms only) or patient
  NetworkSpec network;
  int preprocessing_version = 0;  ///< of the code that prepared what it learned from; 0: a bundle that does not say
  double spacing_mm = 2.0;
  int shape = 96;
  std::string centre = "head_mask";  ///< of the cube: head_mask or lesion
  bool bias_correction = true;
  std::string normalisation = "zscore", input_state = "native";
  double calibration_slope = 1, calibration_intercept = 0, training_prior = 0.5;
  std::array<double, 2> abstain{0.35, 0.65};
  std::array<double, 2> slice_thickness_mm{0.5, 7.0};
  bool allow_lossy = false;
  std::uint64_t reference_seed = 0;
  std::string reference_input_sha256;
  double reference_probability_of_necrosis = 0;
  /// The network's own answer, logit(necrosis) - logit(recurrence) before calibration: it says more than a probability
  /// that is nearly 0 or 1. NaN: a bundle of before, which does not store it.
  double reference_logit = std::numeric_limits<double>::quiet_NaN();
  std::string weights_sha256;
  std::string training_json, evaluation_json, domain_statistics_json;  ///< kept as they are
  std::vector<std::string> patient_hashes;                             ///< salted hashes of training patients
  std::string patient_hash_salt;
};

/// A bundle whose files were read once: what was hashed and checked is what is used, whatever happens to the folder.
struct BundleFiles {
  BundleInfo info;
  std::string weights;  ///< content of weights.safetensors
  std::string sha256;   ///< over both files: what reports name as the bundle's hash
};

/// Reads both files and checks bundle.json and the weights' hash. Throws Error{kMissingPart} if a file is not there,
/// Error{kBadDataset} with FILE: key: reason otherwise.
BundleFiles ReadBundleFiles(const std::filesystem::path& folder);
/// The same; what bundle.json says.
BundleInfo ReadBundle(const std::filesystem::path& folder);
/// Writes bundle.json (atomically: temp, sync, rename).
void WriteBundle(const std::filesystem::path& folder, const BundleInfo& info);
/// "t1,t2,t1ce": sequences in the order of the network's channels, as the weights' file names them.
std::string SequenceWords(const std::vector<Role>& sequences);
/// Whether the network has anything left to look at: an edge that it halves to nothing gives no map. Throws
/// Error{kUsage} with the least edge.
void CheckShape(const NetworkSpec& network, int shape);
/// Salted hash of a patient's identity as it stands in bundle.json.
std::string PatientHash(const std::string& salt, const std::string& patient);

}  // namespace glionode::networks
