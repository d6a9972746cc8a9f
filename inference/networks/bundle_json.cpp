#include "inference/networks/bundle_json.h"

#include "config/error.h"
#include "inference/networks/strict_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace glionode::networks {

namespace {
using Json = nlohmann::ordered_json;

/// One JSON object with the path that led to it, for complaints.
class Section {
 public:
  Section(const Json& json, std::string file, std::string path = "")
      : json_(json), file_(std::move(file)), path_(std::move(path)) {}

  [[noreturn]] void Bad(const std::string& key, const std::string& reason) const {
    throw Error(ErrorCode::kBadDataset, file_ + ": " + (path_.empty() ? key : path_ + "." + key) + ": " + reason);
  }
  const Json& At(const std::string& key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) Bad(key, "is missing");
    return *found;
  }
  Section Object(const std::string& key) const {
    const Json& value = At(key);
    if (!value.is_object()) Bad(key, "must be an object");
    return Section(value, file_, path_.empty() ? key : path_ + "." + key);
  }
  std::string Text(const std::string& key) const {
    const Json& value = At(key);
    if (!value.is_string()) Bad(key, "must be a text");
    return value.get<std::string>();
  }
  std::string OneOf(const std::string& key, std::initializer_list<const char*> allowed) const {
    const std::string text = Text(key);
    std::string list;
    for (const char* word : allowed) {
      if (text == word) return text;
      list += (list.empty() ? "" : ", ") + std::string(word);
    }
    Bad(key, "'" + text + "' is unknown; expected " + (allowed.size() > 1 ? "one of " : "") + list);
  }
  bool Flag(const std::string& key) const {
    const Json& value = At(key);
    if (!value.is_boolean()) Bad(key, "must be true or false");
    return value.get<bool>();
  }
  double Number(const std::string& key, double low, double high) const { return Number(key, At(key), low, high); }
  double Number(const std::string& key, const Json& value, double low, double high) const {
    if (!value.is_number()) Bad(key, "must be a number");
    const double number = value.get<double>();
    if (!(number >= low && number <= high))
      Bad(key, "must be between " + Json(low).dump() + " and " + Json(high).dump());
    return number;
  }
  std::array<double, 2> Range(const std::string& key, double low, double high) const {
    const Json& value = At(key);
    if (!value.is_array() || value.size() != 2) Bad(key, "must be a list of two numbers");
    const std::array<double, 2> range{Number(key, value[0], low, high), Number(key, value[1], low, high)};
    if (range[0] > range[1]) Bad(key, "the first number is larger than the second");
    return range;
  }
  std::string Digest(const std::string& key) const {
    const std::string text = Text(key);
    if (text.size() != 64 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
      Bad(key, "must be a SHA-256 digest of 64 lower-case hexadecimal digits");
    return text;
  }
  void Only(std::initializer_list<const char*> known) const {
    for (const auto& [key, value] : json_.items())
      if (std::find(known.begin(), known.end(), key) == known.end())
        Bad(key, "is unknown; this version cannot tell what it would change");
  }
  bool Has(const std::string& key) const { return json_.contains(key); }

 private:
  const Json& json_;
  std::string file_, path_;
};

NetworkSpec ReadNetwork(const Section& section) {
  section.Only({"type", "sequences", "width", "layout"});
  NetworkSpec spec;
  spec.type = section.OneOf("type", {"resnet10", "mresnet", "vgg16"});
  spec.width = section.Number("width", 0.0625, 4);
  spec.layout = section.OneOf("layout", {"dilated", "strided"});
  const Json& sequences = section.At("sequences");
  if (!sequences.is_array() || sequences.empty()) section.Bad("sequences", "must be a list of sequences");
  spec.sequences.clear();
  for (const auto& word : sequences) {
    const auto role = word.is_string() ? RoleFromText(word.get<std::string>()) : std::nullopt;
    if (!role || *role == Role::kNone || *role == Role::kUnsure)
      section.Bad("sequences", word.dump() + " is no sequence; expected t1, t2 or t1ce");
    if (std::find(spec.sequences.begin(), spec.sequences.end(), *role) != spec.sequences.end())
      section.Bad("sequences", word.dump() + " is named twice");
    spec.sequences.push_back(*role);
  }
  return spec;
}

void ReadPreprocessing(const Section& section, BundleInfo& info) {
  section.Only({"version", "input_state", "reference", "spacing_mm", "shape", "centre", "orientation",
                "bias_correction", "mask", "normalisation"});
  if (section.Has("version")) {
    if (!section.At("version").is_number_integer()) section.Bad("version", "must be a whole number");
    info.preprocessing_version = static_cast<int>(section.Number("version", 1, 1e6));
  }
  info.input_state = section.OneOf("input_state", {"native", "registered", "skull-stripped"});
  section.OneOf("reference", {"t1ce"});
  info.centre = section.OneOf("centre", {"head_mask", "lesion"});
  section.OneOf("orientation", {"LPS"});
  section.OneOf("mask", {"head"});
  info.normalisation = section.OneOf("normalisation", {"zscore"});
  info.bias_correction = section.Flag("bias_correction");
  info.spacing_mm = section.Number("spacing_mm", 0.1, 20);
  const Json& shape = section.At("shape");
  if (!shape.is_array() || shape.size() != 3 || !shape[0].is_number_integer() || shape[0] != shape[1] ||
      shape[1] != shape[2])
    section.Bad("shape", "must be a list of three equal whole numbers");
  info.shape = static_cast<int>(section.Number("shape", shape[0], 8, 256));
}

Json Kept(const std::string& text) { return text.empty() ? Json::object() : Json::parse(text); }
}  // namespace

BundleInfo ParseBundleJson(const std::string& text, const std::string& name) {
  const Json json = ParseStrictly<Json>(text, name);
  if (!json.is_object()) throw Error(ErrorCode::kBadDataset, name + ": must hold a JSON object");
  const Section top(json, name);
  BundleInfo info;
  info.name = top.Text("name");
  info.version = top.Text("version");
  info.license = top.Text("license");
  info.intended_use = top.Text("intended_use");
  info.domain = top.OneOf("domain", {"phantom", "patient"});  // a misspelt one would let phantoms judge patients
  if (info.name.empty()) top.Bad("name", "is empty");
  info.network = ReadNetwork(top.Object("network"));
  ReadPreprocessing(top.Object("preprocessing"), info);
  try {
    CheckShape(info.network, info.shape);
  } catch (const Error& error) {
    top.Object("preprocessing").Bad("shape", error.what());
  }

  const auto has = [&](Role role) {
    return std::find(info.network.sequences.begin(), info.network.sequences.end(), role) !=
           info.network.sequences.end();
  };
  if (info.centre == "lesion" && !(has(Role::kT1) && has(Role::kT1ce)))
    top.Object("preprocessing").Bad("centre", "lesion needs the sequences t1 and t1ce: it is found by what enhances");

  const Section calibration = top.Object("calibration");
  calibration.Only({"slope", "intercept", "training_prior"});
  info.calibration_slope = calibration.Number("slope", 1e-6, 1e6);
  info.calibration_intercept = calibration.Number("intercept", -1e6, 1e6);
  info.training_prior = calibration.Number("training_prior", 0, 1);
  info.abstain = top.Range("abstain", 0, 1);
  const Section limits = top.Object("limits");
  limits.Only({"slice_thickness_mm", "lossy"});
  info.slice_thickness_mm = limits.Range("slice_thickness_mm", 0, 1000);
  info.allow_lossy = limits.Flag("lossy");

  const Section reference = top.Object("reference");
  const Json& seed = reference.At("seed");
  if (!seed.is_number_unsigned()) reference.Bad("seed", "must be a whole number of 0 or more");
  info.reference_seed = seed.get<std::uint64_t>();
  info.reference_input_sha256 = reference.Digest("input_sha256");
  info.reference_probability_of_necrosis = reference.Number("probability_of_necrosis", 0, 1);
  if (reference.Has("logit")) info.reference_logit = reference.Number("logit", -1e9, 1e9);
  info.weights_sha256 = top.Digest("weights_sha256");

  if (top.Has("training")) {
    top.Object("training");
    Json training = json["training"];
    const Section section(training, name, "training");
    if (section.Has("patient_hashes")) {
      const Json& hashes = training["patient_hashes"];
      if (!hashes.is_array()) section.Bad("patient_hashes", "must be a list of texts");
      for (const auto& hash : hashes) {
        if (!hash.is_string()) section.Bad("patient_hashes", "must be a list of texts");
        info.patient_hashes.push_back(hash.get<std::string>());
      }
      info.patient_hash_salt = section.Text("patient_hash_salt");
    }
    training.erase("patient_hashes");
    training.erase("patient_hash_salt");
    info.training_json = training.dump();
  }
  if (top.Has("evaluation")) info.evaluation_json = json["evaluation"].dump();
  if (top.Has("domain_statistics")) info.domain_statistics_json = json["domain_statistics"].dump();
  return info;
}

std::string EncodeBundleJson(const BundleInfo& info) {
  Json sequences = Json::array();
  for (const Role role : info.network.sequences) sequences.push_back(std::string(ToText(role)));
  Json json;
  json["name"] = info.name;
  json["version"] = info.version;
  json["license"] = info.license;
  json["intended_use"] = info.intended_use;
  json["domain"] = info.domain;
  json["network"] = {{"type", info.network.type},
                     {"sequences", sequences},
                     {"width", info.network.width},
                     {"layout", info.network.layout}};
  json["preprocessing"] = {{"input_state", info.input_state},
                           {"reference", "t1ce"},
                           {"spacing_mm", info.spacing_mm},
                           {"shape", {info.shape, info.shape, info.shape}},
                           {"centre", info.centre},
                           {"orientation", "LPS"},
                           {"bias_correction", info.bias_correction},
                           {"mask", "head"},
                           {"normalisation", info.normalisation}};
  if (info.preprocessing_version > 0) json["preprocessing"]["version"] = info.preprocessing_version;
  json["calibration"] = {{"slope", info.calibration_slope},
                         {"intercept", info.calibration_intercept},
                         {"training_prior", info.training_prior}};
  json["abstain"] = info.abstain;
  json["limits"] = {{"slice_thickness_mm", info.slice_thickness_mm}, {"lossy", info.allow_lossy}};
  json["domain_statistics"] = Kept(info.domain_statistics_json);
  json["training"] = Kept(info.training_json);
  if (!info.patient_hashes.empty()) {
    json["training"]["patient_hash_salt"] = info.patient_hash_salt;
    json["training"]["patient_hashes"] = info.patient_hashes;
  }
  json["evaluation"] = Kept(info.evaluation_json);
  json["reference"] = {{"seed", info.reference_seed},
                       {"input_sha256", info.reference_input_sha256},
                       {"probability_of_necrosis", info.reference_probability_of_necrosis}};
  if (std::isfinite(info.reference_logit)) json["reference"]["logit"] = info.reference_logit;
  json["weights_sha256"] = info.weights_sha256;
  return json.dump(2) + "\n";
}

}  // namespace glionode::networks
