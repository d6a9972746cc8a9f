#include "inference/networks/bundle.h"

#include "config/sha256.h"
#include "inference/networks/bundle_json.h"
#include "inference/networks/half.h"
#include "tests/inference/networks/toy.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace glionode::networks {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

BundleInfo Filled() {
  BundleInfo info = ToyInfo();
  info.calibration_slope = 1.25;
  info.calibration_intercept = -0.5;
  info.abstain = {0.3, 0.7};
  info.reference_seed = 18446744073709551615u;
  info.reference_input_sha256 = std::string(64, 'a');
  info.reference_probability_of_necrosis = 0.4;
  info.weights_sha256 = Sha256Hex("weights");
  info.training_json = R"({"cohort":"c.csv","seed":3})";
  info.patient_hash_salt = "salt";
  info.patient_hashes = {PatientHash("salt", "p1")};
  return info;
}

TEST(Bundle, ReadsWhatItWrites) {
  TempFolder folder;
  const BundleInfo info = Filled();
  Spill(folder.Path() / "weights.safetensors", "weights");
  WriteBundle(folder.Path(), info);
  const BundleInfo back = ReadBundle(folder.Path());
  EXPECT_EQ(EncodeBundleJson(back), EncodeBundleJson(info));
  EXPECT_EQ(back.network.sequences, info.network.sequences);
  EXPECT_EQ(back.reference_seed, info.reference_seed);
  EXPECT_EQ(back.patient_hashes, info.patient_hashes);
  EXPECT_EQ(back.training_json, info.training_json);
  EXPECT_EQ(back.shape, 16);
  EXPECT_FALSE(std::filesystem::exists(folder.Path() / "bundle.json.tmp"));
}

TEST(Bundle, ItsFilesAreReadOnceAndHashedAsTheyWereRead) {
  TempFolder folder;
  Spill(folder.Path() / "weights.safetensors", "weights");
  WriteBundle(folder.Path(), Filled());
  const BundleFiles files = ReadBundleFiles(folder.Path());
  EXPECT_EQ(files.weights, "weights");
  EXPECT_EQ(EncodeBundleJson(files.info), EncodeBundleJson(Filled()));
}

TEST(Bundle, TheReferencesLogitIsKeptAndMayBeAbsent) {
  BundleInfo info = Filled();
  EXPECT_TRUE(std::isnan(ParseBundleJson(EncodeBundleJson(info), "b").reference_logit));
  info.reference_logit = -17.125;
  EXPECT_EQ(ParseBundleJson(EncodeBundleJson(info), "b").reference_logit, -17.125);
}

TEST(Bundle, TheVersionOfThePreprocessingIsKeptAndMayBeAbsent) {
  BundleInfo info = Filled();
  EXPECT_EQ(ParseBundleJson(EncodeBundleJson(info), "b").preprocessing_version, 0);
  info.preprocessing_version = 3;
  const std::string text = EncodeBundleJson(info);
  EXPECT_EQ(ParseBundleJson(text, "b").preprocessing_version, 3);
  for (const char* bad : {"0", "-1", "2.5", "\"3\"", "null"}) {
    auto json = json::parse(text);
    json["preprocessing"]["version"] = json::parse(bad);
    EXPECT_THAT([&] { ParseBundleJson(json.dump(), "b"); },
                testing::ThrowsMessage<Error>(HasSubstr("b: preprocessing.version")))
        << bad;
  }
}

TEST(Bundle, ChannelsAreNamedInTheirOrder) {
  EXPECT_EQ(SequenceWords({Role::kT1, Role::kT2, Role::kT1ce}), "t1,t2,t1ce");
  EXPECT_EQ(SequenceWords({Role::kT1ce}), "t1ce");
}

TEST(Bundle, HoldsTheKeysOfTheDesign) {
  const json bundle = json::parse(EncodeBundleJson(Filled()));
  for (const char* key :
       {"name", "version", "license", "intended_use", "domain", "network", "preprocessing", "calibration", "abstain",
        "limits", "domain_statistics", "training", "evaluation", "reference", "weights_sha256"})
    EXPECT_TRUE(bundle.contains(key)) << key;
  EXPECT_EQ(bundle["network"]["sequences"], json({"t1", "t2", "t1ce"}));
  EXPECT_EQ(bundle["preprocessing"]["shape"], json({16, 16, 16}));
}

TEST(Bundle, TamperedWeightsAreRefused) {
  TempFolder folder;
  WriteBundle(folder.Path(), Filled());
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([&] { ReadBundle(folder.Path()); }, &code), HasSubstr("weights.safetensors"));
  EXPECT_EQ(code, ErrorCode::kMissingPart);
  Spill(folder.Path() / "weights.safetensors", "weightz");
  EXPECT_THAT(ErrorOf([&] { ReadBundle(folder.Path()); }, &code), HasSubstr("bundle.json: weights_sha256: "));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
  std::filesystem::remove(folder.Path() / "bundle.json");
  EXPECT_THAT(ErrorOf([&] { ReadBundle(folder.Path()); }, &code), HasSubstr("bundle.json"));
  EXPECT_EQ(code, ErrorCode::kMissingPart);
}

TEST(Bundle, HashCoversBothFiles) {
  TempFolder folder;
  const auto hash_of = [&](double highest, const std::string& weights) {
    BundleInfo info = Filled();
    info.abstain = {0.3, highest};
    info.weights_sha256 = Sha256Hex(weights);
    Spill(folder.Path() / "weights.safetensors", weights);
    WriteBundle(folder.Path(), info);
    const std::string hash = ReadBundleFiles(folder.Path()).sha256;
    EXPECT_EQ(hash, Sha256Hex(Slurp(folder.Path() / "bundle.json") + weights));
    return hash;
  };
  const std::string before = hash_of(0.7, "weights");
  EXPECT_EQ(hash_of(0.7, "weights"), before);
  EXPECT_NE(hash_of(0.71, "weights"), before);
  EXPECT_NE(hash_of(0.7, "weightz"), before);
}

struct Change {
  const char* pointer;
  json value;
  const char* complaint;
};

TEST(Bundle, ACubeAroundTheLesionNeedsTheSequencesThatShowIt) {
  json bundle = json::parse(EncodeBundleJson(Filled()));
  bundle["preprocessing"]["centre"] = "lesion";
  EXPECT_EQ(ParseBundleJson(bundle.dump(), "b.json").centre, "lesion");
  bundle["network"]["sequences"] = {"t2", "t1ce"};
  EXPECT_THAT(ErrorOf([&] { ParseBundleJson(bundle.dump(), "b.json"); }),
              HasSubstr("b.json: preprocessing.centre: lesion needs the sequences t1 and t1ce"));
}

TEST(Bundle, EveryBadKeyIsNamedWithItsFile) {
  const Change changes[] = {
      {"/name", 3, "b.json: name: must be a text"},
      {"/domain", "", "b.json: domain: '' is unknown; expected one of phantom, patient"},
      {"/domain", "Phantom", "b.json: domain: 'Phantom' is unknown"},  // would judge patients
      {"/network/type", "resnet18",
       "b.json: network.type: 'resnet18' is unknown; expected one of resnet10, mresnet, vgg16"},
      {"/network/width", "1", "b.json: network.width: must be a number"},
      {"/network/width", 0, "b.json: network.width: must be between"},
      {"/network/layout", "wide", "b.json: network.layout: 'wide' is unknown"},
      {"/network/sequences", json::array({"t1", "flair"}), "b.json: network.sequences: \"flair\" is no sequence"},
      {"/network/sequences", json::array({"t1", "t1"}), "named twice"},
      {"/network/sequences", json::array(), "b.json: network.sequences: must be a list"},
      {"/network/dropout", 0.5, "b.json: network.dropout: is unknown"},
      {"/preprocessing/shape", json::array({96, 96, 48}), "b.json: preprocessing.shape: must be a list of three equal"},
      {"/preprocessing/shape", 96, "b.json: preprocessing.shape: must be a list of three equal"},
      {"/preprocessing/shape", json::array({4096, 4096, 4096}), "b.json: preprocessing.shape: must be between"},
      {"/preprocessing/centre", "skull", "b.json: preprocessing.centre: 'skull' is unknown"},
      {"/preprocessing/orientation", "RAS", "b.json: preprocessing.orientation: 'RAS' is unknown; expected LPS"},
      {"/preprocessing/bias_correction", 1, "b.json: preprocessing.bias_correction: must be true or false"},
      {"/calibration/slope", -1, "b.json: calibration.slope: must be between"},
      {"/calibration", 1, "b.json: calibration: must be an object"},
      {"/abstain", json::array({0.7, 0.3}), "b.json: abstain: the first number is larger"},
      {"/abstain", json::array({0.7}), "b.json: abstain: must be a list of two numbers"},
      {"/limits/lossy", "no", "b.json: limits.lossy: must be true or false"},
      {"/reference/seed", -1, "b.json: reference.seed: must be a whole number"},
      {"/reference/input_sha256", "abc", "b.json: reference.input_sha256: must be a SHA-256"},
      {"/reference/probability_of_necrosis", 1.5, "b.json: reference.probability_of_necrosis: must be between"},
      {"/reference/logit", "-3", "b.json: reference.logit: must be a number"},
      {"/weights_sha256", std::string(64, 'G'), "b.json: weights_sha256: must be a SHA-256"},
      {"/training/patient_hashes", "x", "b.json: training.patient_hashes: must be a list"},
  };
  for (const auto& change : changes) {
    json bundle = json::parse(EncodeBundleJson(Filled()));
    bundle[json::json_pointer(change.pointer)] = change.value;
    ErrorCode code = ErrorCode::kInternal;
    EXPECT_THAT(ErrorOf([&] { ParseBundleJson(bundle.dump(), "b.json"); }, &code), HasSubstr(change.complaint));
    EXPECT_EQ(code, ErrorCode::kBadDataset) << change.pointer;
  }
}

TEST(Bundle, ANumberBeyondAllBoundsIsRefusedLikeAnyOther) {
  ErrorCode code = ErrorCode::kInternal;
  EXPECT_THAT(ErrorOf([] { ParseBundleJson(R"({"name": 3e999})", "b"); }, &code), HasSubstr("b: holds a number"));
  EXPECT_EQ(code, ErrorCode::kBadDataset);
}

TEST(Bundle, NestingWithoutEndIsRefusedWhereverItStands) {
  for (const char* key : {"training", "evaluation", "domain_statistics"}) {
    const auto nested = [&](std::size_t levels) {
      std::string text = json::parse(EncodeBundleJson(Filled())).dump();
      const std::string deep = std::string(levels, '[') + std::string(levels, ']');
      return text.insert(1, std::string("\"x\":{\"").append(key).append("\":").append(deep).append("},"));
    };
    EXPECT_EQ(ErrorOf([&] { ParseBundleJson(nested(30), "b.json"); }), "") << key;
    EXPECT_THAT(ErrorOf([&] { ParseBundleJson(nested(31), "b.json"); }), HasSubstr("nested more than 32 levels"));
    EXPECT_THAT(ErrorOf([&] { ParseBundleJson(nested(100000), "b.json"); }),
                HasSubstr("b.json: is nested more than 32 levels deep"));
    json bundle = json::parse(EncodeBundleJson(Filled()));
    bundle.erase(std::string(key));
    std::string text = bundle.dump();
    text.insert(1, std::string("\"") + key + "\":{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "},");
    ErrorCode code = ErrorCode::kInternal;
    EXPECT_THAT(ErrorOf([&] { ParseBundleJson(text, "b.json"); }, &code), HasSubstr("nested"));
    EXPECT_EQ(code, ErrorCode::kBadDataset);
  }
  // Brackets in a text are no nesting.
  json bundle = json::parse(EncodeBundleJson(Filled()));
  bundle["training"]["command"] = std::string(1000, '[');
  EXPECT_EQ(ErrorOf([&] { ParseBundleJson(bundle.dump(), "b.json"); }), "");
}

TEST(Bundle, AKeyThatStandsTwiceIsRefusedAtEveryDepth) {
  const auto with = [](const std::string& before, const std::string& more) {
    std::string text = json::parse(EncodeBundleJson(Filled())).dump();
    text.insert(text.find(before) + before.size(), more);
    return ErrorOf([&] { ParseBundleJson(text, "b.json"); });
  };
  EXPECT_EQ(with("{", "\"note\":1,"), "");
  EXPECT_THAT(with("{", "\"domain\":\"patient\","), HasSubstr("b.json: domain: occurs twice"));
  EXPECT_THAT(with("\"network\":{", "\"layout\":\"strided\","), HasSubstr("b.json: network.layout: occurs twice"));
  EXPECT_THAT(with("{", "\"note\":[{\"a\":{\"b\":1,\"c\":2,\"b\":3}}],"), HasSubstr("b.json: note.a.b: occurs twice"));
  EXPECT_EQ(with("{", "\"note\":[{\"a\":1},{\"a\":1}],"), "") << "two objects";
}

TEST(Bundle, AnEdgeThatTheNetworkHalvesToNothingIsRefused) {
  json bundle = json::parse(EncodeBundleJson(Filled()));
  bundle["network"]["type"] = "vgg16";
  for (const int shape : {16, 31}) {
    bundle["preprocessing"]["shape"] = {shape, shape, shape};
    EXPECT_THAT(ErrorOf([&] { ParseBundleJson(bundle.dump(), "b.json"); }),
                AllOf(HasSubstr("b.json: preprocessing.shape: "), HasSubstr("it needs 32 or more")));
  }
  bundle["preprocessing"]["shape"] = {32, 32, 32};
  EXPECT_EQ(ParseBundleJson(bundle.dump(), "b.json").shape, 32);
  ErrorCode code = ErrorCode::kInternal;
  NetworkSpec vgg;
  vgg.type = "vgg16";
  EXPECT_THAT(ErrorOf([&] { CheckShape(vgg, 31); }, &code), HasSubstr("32"));
  EXPECT_EQ(code, ErrorCode::kUsage);
}

TEST(Bundle, MissingKeysAreNamed) {
  const json whole = json::parse(EncodeBundleJson(Filled()));
  for (const char* pointer : {"/name", "/network", "/network/type", "/preprocessing/spacing_mm", "/calibration/slope",
                              "/abstain", "/limits", "/reference/seed", "/weights_sha256"}) {
    json patch = json::array({{{"op", "remove"}, {"path", pointer}}});
    EXPECT_THAT(ErrorOf([&] { ParseBundleJson(whole.patch(patch).dump(), "b.json"); }), HasSubstr("is missing"))
        << pointer;
  }
  EXPECT_THAT(ErrorOf([&] { ParseBundleJson("{", "b.json"); }), HasSubstr("b.json: is not valid JSON near byte"));
  EXPECT_THAT(ErrorOf([&] { ParseBundleJson("[]", "b.json"); }), HasSubstr("must hold a JSON object"));
}

TEST(Bundle, DecidesByTheBand) {
  EXPECT_EQ(Decide(0.34, {0.35, 0.65}), Decision::kRecurrence);
  EXPECT_EQ(Decide(0.35, {0.35, 0.65}), Decision::kIndeterminate);
  EXPECT_EQ(Decide(0.65, {0.35, 0.65}), Decision::kIndeterminate);
  EXPECT_EQ(Decide(0.66, {0.35, 0.65}), Decision::kNecrosis);
}

TEST(Bundle, PatientHashesNeedTheSalt) {
  EXPECT_EQ(PatientHash("s", "p"), PatientHash("s", "p"));
  EXPECT_NE(PatientHash("s", "p"), PatientHash("t", "p"));
  EXPECT_NE(PatientHash("s", "p"), PatientHash("s", "q"));
  EXPECT_NE(PatientHash("a", "bc"), PatientHash("ab", "c"));
}

}  // namespace
}  // namespace glionode::networks
