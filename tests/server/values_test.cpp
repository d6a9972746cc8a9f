// Pure parts: protocol, result, metrics, CSV.
#include "config/error.h"
#include "server/csv.h"
#include "server/metrics.h"
#include "server/study_result.h"
#include "server/worker_protocol.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace glionode::server {
namespace {

using nlohmann::json;

TEST(WorkerProtocol, RequestAndAnswerSurviveTheirText) {
  WorkerRequest request;
  request.step = WorkerStep::kEvaluate;
  request.bundle = "b";
  request.proven_sha256 = "c";
  request.inputs[Role::kT1ce] = {"1.2", {"x", "y"}};
  request.reasons = {{ReasonCode::kMissingRole, "no T2"}};
  EXPECT_EQ(ToJson(RequestFromJson(ToJson(request))), ToJson(request));
  EXPECT_EQ(RequestFromJson(ToJson(request)).proven_sha256, "c");
  WorkerAnswer answer;
  answer.ok = true;
  answer.bundle_unproven = true;
  answer.probability_of_necrosis = 0.25;
  answer.digests["1.2"] = {"d", true};
  answer.timings_ms["decode"] = 3;
  answer.views.push_back({Role::kT2, "axial", 1, 2, 3, 4, 5, -1, true});
  answer.bundle = BundleSummary{};
  answer.peak_outside_brain = true;
  answer.peak_mm = {-12.5, 30, 41};
  answer.slice_of = SliceOf::kLesion;
  EXPECT_EQ(ToJson(AnswerFromJson(ToJson(answer))), ToJson(answer));
  EXPECT_EQ(AnswerFromJson(ToJson(answer)).slice_of, SliceOf::kLesion);
  EXPECT_TRUE(AnswerFromJson(ToJson(answer)).bundle_unproven);
}

TEST(MakeResult, TheAbstainBandDecides) {
  StudyInputs inputs;
  BundleSummary bundle;
  bundle.abstain = {0.35, 0.65};
  const auto decide = [&](double p) {
    WorkerAnswer answer;
    answer.probability_of_necrosis = p;
    return MakeResult(inputs, answer, bundle, {}).decision;
  };
  EXPECT_EQ(decide(0.34), Decision::kRecurrence);
  EXPECT_EQ(decide(0.35), Decision::kIndeterminate);
  EXPECT_EQ(decide(0.65), Decision::kIndeterminate);
  EXPECT_EQ(decide(0.66), Decision::kNecrosis);
  EXPECT_EQ(MakeResult(inputs, {}, bundle, {}).decision, Decision::kNotEvaluable);
}

TEST(InputKey, DependsOnEverythingThatItNames) {
  const std::string key = InputKey("s", "b", "v", 1);
  EXPECT_EQ(InputKey("s", "b", "v", 1), key);
  EXPECT_NE(InputKey("t", "b", "v", 1), key);
  EXPECT_NE(InputKey("s", "c", "v", 1), key);
  EXPECT_NE(InputKey("s", "b", "w", 1), key);
  EXPECT_NE(InputKey("s", "b", "v", 2), key);
}

TEST(SelectionKey, DependsOnPixelsAndPatientButNotOnOrderOrFileNames) {
  StudyInputs inputs;
  inputs.study_uid = "1";
  inputs.identity = "P1";
  inputs.inputs[Role::kT1] = {"1.1", "d", "w", {"a", "b"}, {{"c", "1.1.1"}, {"c", "1.1.2"}}};
  const std::map<std::string, InstanceDigest> digests = {{"1.1.1", {"x", false}}, {"1.1.2", {"y", false}}};
  const std::string key = SelectionKey(inputs, digests);
  StudyInputs turned = inputs;
  std::swap(turned.inputs[Role::kT1].instances[0], turned.inputs[Role::kT1].instances[1]);
  turned.inputs[Role::kT1].files = {"other", "names"};
  EXPECT_EQ(SelectionKey(turned, digests), key);
  EXPECT_NE(SelectionKey(inputs, {{"1.1.1", {"z", false}}, {"1.1.2", {"y", false}}}), key);
  // Where no digest could be made, the files stand for the pixels: a correction is another file.
  EXPECT_NE(SelectionKey(turned, {}), SelectionKey(inputs, {}));
  StudyInputs other = inputs;
  other.identity = "P2";
  EXPECT_NE(SelectionKey(other, digests), key);
  other = inputs;
  other.inputs[Role::kT2] = other.inputs[Role::kT1];
  EXPECT_NE(SelectionKey(other, digests), key);
}

TEST(Metrics, AreInPrometheusFormat) {
  MetricsSnapshot snapshot;
  snapshot.version = "1.2.3";
  snapshot.receiver.instances = 42;
  snapshot.receiver.refusals["unknown_ae"] = 3;
  ResultStatistics statistics;
  for (int i = 0; i < 2; ++i)
    statistics.Add({{"decision", "necrosis"}, {"timings_ms", {{"decode", 300.0}, {"network", "none"}}}});
  statistics.Add({{"decision", "not evaluable"}, {"reasons", {{{"code", "lossy"}}}}});
  snapshot.results = statistics.Counts();
  snapshot.now_seconds = 1'000'000;
  snapshot.certificates = {{"own", "node", 1'000'000 + 10 * 86400},
                           {"ca", "root", 1'000'000 + 900 * 86400},
                           {"ca", "older root", 1'000'000 - 1}};
  snapshot.confirmation.confirmed = 5;
  const std::string text = MetricsText(snapshot);
  EXPECT_NE(text.find("glionode_certificate_days_left{use=\"own\"} 10"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_certificate_days_left{use=\"ca\"} -1"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_proofs_total{outcome=\"confirmed\"} 5"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_instances_received_total 42"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_refusals_total{reason=\"unknown_ae\"} 3"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_results_total{decision=\"necrosis\"} 2"), std::string::npos) << text;
  EXPECT_NE(text.find("# TYPE glionode_refusals_total counter"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_result_reasons_total{reason=\"lossy\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_stage_seconds_bucket{stage=\"decode\",le=\"0.25\"} 0"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_stage_seconds_bucket{stage=\"decode\",le=\"0.5\"} 2"), std::string::npos) << text;
  EXPECT_NE(text.find("glionode_stage_seconds_bucket{stage=\"decode\",le=\"+Inf\"} 2"), std::string::npos) << text;
  EXPECT_EQ(text.find("stage=\"network\""), std::string::npos) << text;
}

class CsvTest : public ::testing::Test {
 protected:
  CsvTable Read(const std::string& text) {
    std::string pattern = (std::filesystem::temp_directory_path() / "glionode-csv-XXXXXX").string();
    const int descriptor = mkstemp(pattern.data());
    close(descriptor);
    std::ofstream(pattern) << text;
    const struct Remove {
      std::string file;
      ~Remove() { std::filesystem::remove(file); }
    } remove{pattern};
    return ReadCsv(pattern);
  }
};

TEST_F(CsvTest, QuotesCommasAndMissingFields) {
  const CsvTable table = Read(
      "\xEF\xBB\xBF"
      "a,b,c\r\n1,\"x, \"\"y\"\"\",3\n4,5\n");
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.columns.front(), "a");
  EXPECT_EQ(table.rows[0].at("b"), "x, \"y\"");
  EXPECT_EQ(table.rows[1].count("c"), 0u);
}

TEST_F(CsvTest, MistakesNameTheRow) {
  EXPECT_THROW(Read(""), Error);
  EXPECT_THROW(Read("a,b\n1,2,3\n"), Error);
  EXPECT_THROW(Read("a,b\n1,\"2\n"), Error);
}

TEST(CsvField, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(CsvField("plain"), "plain");
  EXPECT_EQ(CsvField("a,\"b\""), "\"a,\"\"b\"\"\"");
}

}  // namespace
}  // namespace glionode::server
