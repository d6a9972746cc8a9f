// Pure parts: protocol, result, routes, metrics, CSV.
#include "config/error.h"
#include "server/admin_routes.h"
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
  request.inputs[Role::kT1ce] = {"1.2", {"x", "y"}};
  request.reasons = {{ReasonCode::kMissingRole, "no T2"}};
  EXPECT_EQ(ToJson(RequestFromJson(ToJson(request))), ToJson(request));
  WorkerAnswer answer;
  answer.ok = true;
  answer.probability_of_necrosis = 0.25;
  answer.digests["1.2"] = {"d", true};
  answer.timings_ms["decode"] = 3;
  answer.views.push_back({Role::kT2, "axial", 1, 2, 3, 4, 5, -1, true});
  answer.bundle = BundleSummary{};
  EXPECT_EQ(ToJson(AnswerFromJson(ToJson(answer))), ToJson(answer));
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
  StudyInputs other = inputs;
  other.identity = "P2";
  EXPECT_NE(SelectionKey(other, digests), key);
  other = inputs;
  other.inputs[Role::kT2] = other.inputs[Role::kT1];
  EXPECT_NE(SelectionKey(other, digests), key);
}

class FakeNode : public NodeView {
 public:
  json Ready() const override { return {{"ready", ready}, {"problems", json::array()}}; }
  json Status() const override { throw Error(ErrorCode::kBusy, "the index is busy"); }
  std::string Metrics() const override { return "metrics"; }
  json Studies(int limit, int offset) const override { return {{"limit", limit}, {"offset", offset}}; }
  std::optional<json> Study(const std::string& uid) const override {
    return uid == "1.2" ? std::optional<json>(json::object()) : std::nullopt;
  }
  json Outbox(int, int) const override { return json::object(); }
  int RetryOutbox(const std::vector<std::int64_t>& ids) override { return static_cast<int>(ids.size()); }
  int RetryPeer(const std::string&) override { return 7; }
  json Peers() const override { return {{"peers", json::array()}}; }
  json Do(const std::string& action, const json& body) override { return {{"did", action}, {"body", body}}; }
  bool RetryStudy(const std::string& uid) override { return uid == "1.2"; }
  json Withdraw(const std::string& uid, const std::string& reason, const std::string& text) override {
    if (uid != "1.2") throw Error(ErrorCode::kNotFound, "no report");
    return {{"unsent", 0}, {"peers", {reason + " " + text}}};
  }
  bool ready = true;
};

AdminResponse Ask(NodeView& node, const std::string& method, const std::string& target, const std::string& body = "",
                  const std::string& type = "application/json", const std::string& host = "127.0.0.1:8080") {
  return Route({method, target, host, type, body}, node);
}

TEST(AdminRoutes, AnswerWithTheRightStatus) {
  FakeNode node;
  EXPECT_EQ(Ask(node, "GET", "/live").status, 200);
  EXPECT_EQ(Ask(node, "GET", "/ready").status, 200);
  node.ready = false;
  EXPECT_EQ(Ask(node, "GET", "/ready").status, 503);
  EXPECT_EQ(Ask(node, "POST", "/live").status, 405);
  EXPECT_EQ(Ask(node, "GET", "/nowhere").status, 404);
  EXPECT_EQ(Ask(node, "GET", "/api/v1/status").status, 503);
  EXPECT_EQ(Ask(node, "GET", "/api/v1/studies/1.2").status, 200);
  EXPECT_EQ(Ask(node, "GET", "/api/v1/studies/1.3").status, 404);
  EXPECT_EQ(json::parse(Ask(node, "GET", "/api/v1/studies?limit=5&offset=9").body)["offset"], 9);
  EXPECT_EQ(Ask(node, "GET", "/api/v1/studies?limit=0").status, 400);
  EXPECT_EQ(Ask(node, "GET", "/api/v1/studies?limit=5x").status, 400);
}

TEST(AdminRoutes, ChangesNeedJsonAndALocalHost) {
  FakeNode node;
  EXPECT_EQ(json::parse(Ask(node, "POST", "/api/v1/retry", R"({"ids":[1,2]})").body)["retried"], 2);
  EXPECT_EQ(json::parse(Ask(node, "POST", "/api/v1/retry", R"({"peer":"X"})").body)["retried"], 7);
  EXPECT_EQ(json::parse(Ask(node, "POST", "/api/v1/retry", R"({"study_uid":"1.2"})").body)["retried"], 1);
  const std::string order = R"({"study_uid":"1.2","reason":"quality","text":"x"})";
  EXPECT_EQ(json::parse(Ask(node, "POST", "/api/v1/withdraw", order).body)["peers"][0], "quality x");
  EXPECT_EQ(Ask(node, "GET", "/api/v1/withdraw").status, 405);
  EXPECT_EQ(Ask(node, "POST", "/api/v1/withdraw", R"({"study_uid":"1.2"})").status, 400);
  EXPECT_EQ(Ask(node, "POST", "/api/v1/withdraw", R"({"study_uid":"1.3","reason":"quality"})").status, 404);
  EXPECT_EQ(Ask(node, "POST", "/api/v1/withdraw", order, "text/plain").status, 415);
  EXPECT_EQ(Ask(node, "POST", "/api/v1/retry", R"({"ids":["a"]})").status, 400);
  EXPECT_EQ(Ask(node, "POST", "/api/v1/retry", "ids=1", "application/x-www-form-urlencoded").status, 415);
  EXPECT_EQ(json::parse(Ask(node, "POST", "/api/v1/pause", R"({"peer":"X"})").body)["did"], "pause");
  EXPECT_EQ(Ask(node, "POST", "/api/v1/pause", "peer=X", "application/x-www-form-urlencoded").status, 415);
  EXPECT_EQ(Ask(node, "GET", "/api/v1/resume").status, 405);
  EXPECT_EQ(Ask(node, "GET", "/api/v1/peers").status, 200);
  EXPECT_EQ(Ask(node, "GET", "/live", "", "", "evil.example").status, 403);
  EXPECT_EQ(Ask(node, "GET", "/live", "", "", "[::1]:8080").status, 200);
}

TEST(Metrics, AreInPrometheusFormat) {
  MetricsSnapshot snapshot;
  snapshot.version = "1.2.3";
  snapshot.receiver.instances = 42;
  snapshot.receiver.refusals["unknown_ae"] = 3;
  snapshot.pipeline.decisions["necrosis"] = 2;
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
