#include "server/admin_routes.h"

#include "config/error.h"
#include "config/sha256.h"
#include "fake_node.h"
#include "server/admin_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace glionode::server {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class AdminRoutesTest : public ::testing::Test {
 protected:
  AdminRoutesTest() { AddNodeRoutes(router_, node_, "1.2.3"); }
  AdminResponse Ask(const std::string& method, const std::string& target, const std::string& body = "") {
    request_.method = method;
    request_.target = target;
    request_.body = body;
    return router_.Handle(request_, access_);
  }
  json Body(const AdminResponse& answer) { return json::parse(answer.body); }

  FakeNode node_;
  AdminRouter router_;
  AdminAccess access_;
  AdminRequest request_{"GET", "/", "127.0.0.1:8080", "application/json", "", "", ""};
};

TEST_F(AdminRoutesTest, AnswerWithTheRightStatus) {
  EXPECT_EQ(Ask("GET", "/live").status, 200);
  EXPECT_EQ(Ask("GET", "/ready").status, 200);
  node_.ready = false;
  EXPECT_EQ(Ask("GET", "/ready").status, 503);
  EXPECT_EQ(Ask("GET", "/nowhere").status, 404);
  EXPECT_EQ(Ask("GET", "/api/v1/studies/1.2").status, 200);
  EXPECT_EQ(Ask("GET", "/api/v1/studies/1.3").status, 404);
  EXPECT_EQ(Ask("GET", "/api/v1/studies/").status, 404);
  EXPECT_EQ(Ask("GET", "/api/v1/studies/1.2/capture").content_type, "image/png");
  EXPECT_EQ(Ask("GET", "/api/v1/studies/1.2/capture?page=2").status, 404);
  EXPECT_EQ(Ask("POST", "/api/v1/peers/PACS%201/echo").status, 200);
  EXPECT_EQ(Ask("POST", "/api/v1/peers/OTHER/echo").status, 404);
  node_.is_busy = true;
  EXPECT_EQ(Ask("GET", "/api/v1/status").status, 503);
}

TEST_F(AdminRoutesTest, EveryWrongMethodIsRefusedWithTheRightOnes) {
  for (const ApiRoute& route : router_.Routes()) {
    std::string path = route.path;
    for (std::size_t at; (at = path.find('{')) != std::string::npos;) path.replace(at, path.find('}') - at + 1, "1");
    for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", ""}) {
      if (method == route.method) continue;
      const AdminResponse answer = Ask(method, path);
      EXPECT_EQ(answer.status, 405) << method << " " << path;
      EXPECT_EQ(Body(answer)["error"]["code"], "method");
      ASSERT_FALSE(answer.headers.empty());
      EXPECT_EQ(answer.headers[0].second, route.method);
    }
  }
}

TEST_F(AdminRoutesTest, ParametersAreChecked) {
  const json page =
      Body(Ask("GET", "/api/v1/studies?limit=5&offset=9&state=parked&search=1%2E2&decision=not%20evaluable"));
  EXPECT_EQ(page["limit"], 5);
  EXPECT_EQ(page["offset"], 9);
  EXPECT_EQ(page["state"], "parked");
  EXPECT_EQ(page["search"], "1.2");
  EXPECT_EQ(page["decision"], "not evaluable");
  EXPECT_EQ(Body(Ask("GET", "/api/v1/studies"))["limit"], 100);
  for (const char* query : {"limit=0", "limit=5x", "limit=1001", "limit=-1", "limit=1.5", "limit=99999999999999999999",
                            "limit=", "limit=%31%", "offset=true", "state=asleep", "sort=up", "%ff=1", "limit=[1]"}) {
    const AdminResponse answer = Ask("GET", std::string("/api/v1/studies?") + query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_EQ(Body(answer)["error"]["code"], "usage");
  }
  EXPECT_EQ(Ask("GET", "/api/v1/studies?search=" + std::string(513, '1')).status, 400);
}

TEST_F(AdminRoutesTest, ChangesNeedJsonOfTheRightShape) {
  EXPECT_EQ(Body(Ask("POST", "/api/v1/retry", R"({"ids":[1,2]})"))["retried"], 2);
  EXPECT_EQ(Body(Ask("POST", "/api/v1/retry", R"({"peer":"X"})"))["retried"], 7);
  EXPECT_EQ(Body(Ask("POST", "/api/v1/retry", R"({"study_uid":"1.2"})"))["retried"], 1);
  for (const char* body : {R"({"ids":["a"]})", R"({"ids":[]})", R"({"ids":7})", R"({"peer":5})", "[]", "{", "", "null",
                           R"({"peer":"X","study_uid":"1"})", R"({"others":1})", "{\"peer\":\"\xff\"}"})
    EXPECT_EQ(Ask("POST", "/api/v1/retry", body).status, 400) << body;
  EXPECT_EQ(Ask("POST", "/api/v1/retry", std::string(60000, '[')).status, 400);
  request_.content_type = "application/x-www-form-urlencoded";
  EXPECT_EQ(Ask("POST", "/api/v1/retry", "ids=1").status, 415);
}

TEST_F(AdminRoutesTest, AReportIsTakenBackForAReason) {
  const std::string order = R"({"study_uid":"1.2","reason":"quality","text":"x"})";
  EXPECT_EQ(Body(Ask("POST", "/api/v1/withdraw", order))["peers"][0], "quality x");
  EXPECT_EQ(Ask("POST", "/api/v1/withdraw", R"({"study_uid":"1.2"})").status, 400);
  EXPECT_EQ(Ask("POST", "/api/v1/withdraw", R"({"study_uid":"1.2","reason":"mood"})").status, 400);
  EXPECT_EQ(Ask("POST", "/api/v1/withdraw", R"({"study_uid":"1.3","reason":"quality"})").status, 404);
}

TEST_F(AdminRoutesTest, OtherSitesGetNothing) {
  for (const char* host : {"evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""}) {
    request_.host = host;
    EXPECT_EQ(Ask("GET", "/live").status, 403) << host;
  }
  for (const char* host : {"localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.1"}) {
    request_.host = host;
    EXPECT_EQ(Ask("GET", "/live").status, 200) << host;
  }
  request_.host = "localhost:8080";
  request_.origin = "http://localhost:8080";
  EXPECT_EQ(Ask("POST", "/api/v1/reload").status, 200);
  for (const char* origin : {"http://evil.example", "null", "https://localhost:8080", "http://localhost:8081"}) {
    request_.origin = origin;
    EXPECT_EQ(Ask("POST", "/api/v1/reload").status, 403) << origin;
    EXPECT_EQ(Ask("GET", "/api/v1/status").status, 403) << origin;
  }
}

TEST_F(AdminRoutesTest, TokensAndTheirRoles) {
  access_.is_local = false;
  access_.tokens = {{Access::kRead, Sha256Hex("reading"), "nurse"}, {Access::kOperate, Sha256Hex("working"), "chief"}};
  std::vector<std::string> callers;
  router_.OnChange([&](const AdminChange& change) { callers.push_back(change.caller); });
  const auto status = [&](const char* authorization, const char* method, const char* target) {
    request_.authorization = authorization;
    return Ask(method, target).status;
  };
  EXPECT_EQ(status("", "GET", "/live"), 200);
  EXPECT_EQ(status("", "GET", "/"), 200);
  EXPECT_EQ(status("", "GET", "/api/v1/studies"), 401);
  EXPECT_EQ(status("", "GET", "/metrics"), 401);
  for (const char* wrong : {"Bearer wrong", "Bearer ", "Basic reading", "reading", "Bearer readin", "Bearer reading "})
    EXPECT_EQ(status(wrong, "GET", "/api/v1/studies"), 401) << wrong;
  EXPECT_EQ(status("Bearer reading", "GET", "/api/v1/studies"), 200);
  EXPECT_EQ(status("Bearer reading", "POST", "/api/v1/reload"), 403);
  EXPECT_TRUE(callers.empty());
  EXPECT_EQ(status("bearer working", "POST", "/api/v1/reload"), 200);
  EXPECT_EQ(callers, std::vector<std::string>{"chief"});
  // Whoever may not, may not for any route that changes something or shows a study.
  for (const ApiRoute& route : router_.Routes()) {
    EXPECT_EQ(route.method == "GET", route.access != Access::kOperate) << route.path;
    if (route.path.rfind("/api/v1/", 0) == 0 && route.path != "/api/v1/openapi.json") {
      EXPECT_NE(route.access, Access::kOpen) << route.path;
    }
  }
}

TEST_F(AdminRoutesTest, EveryOrderIsAuditedUnderTheNameOfItsToken) {
  access_.is_local = false;
  access_.tokens = {{Access::kOperate, Sha256Hex("working"), "chief"}};
  request_.authorization = "Bearer working";
  std::vector<AuditEvent> events;
  router_.OnChange([&](const AdminChange& change) {
    if (const auto event = AuditOf(change)) events.push_back(*event);
  });
  Ask("POST", "/api/v1/pause", R"({"peer":"PACS","why":"moving","user":"boss"})");
  Ask("POST", "/api/v1/retry", R"({"ids":[1,2]})");
  Ask("POST", "/api/v1/retry", R"({"study_uid":"1.2"})");
  Ask("POST", "/api/v1/studies/1%2E2/release", R"({"reason":"seen"})");
  Ask("POST", "/api/v1/studies/1.2/rerun");
  Ask("POST", "/api/v1/reload");
  Ask("POST", "/api/v1/delete", R"({"patient_id":"P-7"})");
  ASSERT_EQ(events.size(), 7u);
  for (const AuditEvent& event : events) {
    EXPECT_EQ(event.kind, AuditKind::kRestrictedFunction);
    EXPECT_EQ(event.user, "chief") << event.text;
  }
  EXPECT_EQ(events[0].text, "order: pause; peer: PACS; why: moving; user, as the caller says: boss");
  EXPECT_EQ(events[1].text, "order: retry; outbox rows: 2");
  EXPECT_EQ(events[2].study_uid, "1.2");
  EXPECT_EQ(events[3].text, "order: release; reason: seen");
  EXPECT_EQ(events[3].study_uid, "1.2");
  EXPECT_TRUE(events[3].success);
  EXPECT_EQ(events[4].text, "order: rerun; refused with status 500");
  EXPECT_FALSE(events[4].success);
  EXPECT_EQ(events[6].text, "order: delete") << "nothing of a patient";
  // Looking is no order, and control characters are no UID.
  Ask("POST", "/api/v1/verify", R"({"start":false})");
  Ask("POST", "/api/v1/peers/PACS%201/echo");
  EXPECT_EQ(events.size(), 7u);
  Ask("POST", "/api/v1/studies/1%0A2/release", R"({"reason":"seen"})");
  EXPECT_EQ(events.at(7).study_uid, "");
  // Nor does a body of other types end anything.
  EXPECT_NO_THROW(Ask("POST", "/api/v1/pause", R"({"peer":5,"why":[1],"study_uid":{},"ids":"x"})"));
}

TEST_F(AdminRoutesTest, OrdersKnowTheirCaller) {
  EXPECT_EQ(Body(Ask("POST", "/api/v1/delete", R"({"study_uid":"1.2","user":"boss"})"))["caller"], "local");
  EXPECT_EQ(Ask("POST", "/api/v1/backup", R"({"file":"/tmp/index"})").status, 404);
}

TEST_F(AdminRoutesTest, AFailureInsideIsNotShownOutside) {
  std::vector<int> told;
  router_.OnChange([&](const AdminChange& change) { told.push_back(change.status); });
  const AdminResponse answer = Ask("POST", "/api/v1/studies/1.2/rerun");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_EQ(told, std::vector<int>{500});
}

TEST_F(AdminRoutesTest, TheOpenApiDocumentSaysWhatTheRoutesAre) {
  const json document = Body(Ask("GET", "/api/v1/openapi.json"));
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_EQ(document["info"]["version"], "1.2.3");
  std::size_t operations = 0;
  std::set<std::string> ids;
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) {
      ++operations;
      EXPECT_TRUE(ids.insert(operation["operationId"]).second) << operation["operationId"];
      EXPECT_TRUE(std::any_of(router_.Routes().begin(), router_.Routes().end(),
                              [&, &path = path](const ApiRoute& route) { return route.path == path; }));
    }
  EXPECT_EQ(operations, router_.Routes().size());
  // What the document says of a parameter is what is enforced.
  for (const auto& parameter : document["paths"]["/api/v1/studies"]["get"]["parameters"]) {
    const std::string name = parameter["name"];
    if (!parameter["schema"].contains("maximum")) continue;
    const auto highest = parameter["schema"]["maximum"].get<std::int64_t>();
    EXPECT_EQ(Ask("GET", "/api/v1/studies?" + name + "=" + std::to_string(highest)).status, 200);
    EXPECT_EQ(Ask("GET", "/api/v1/studies?" + name + "=" + std::to_string(highest + 1)).status, 400);
  }
}

}  // namespace
}  // namespace glionode::server
