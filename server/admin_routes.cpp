#include "server/admin_routes.h"

#include "config/error.h"
#include "server/web_files.h"

namespace glionode::server {
namespace {

using nlohmann::json;

json Object(json properties) {
  json required = json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", required}};
}
json Type(const char* type) { return {{"type", type}}; }
json ListOf(json item) { return {{"type", "array"}, {"items", std::move(item)}}; }

/// A list with its paging.
json Page(const char* name, json item) {
  return Object({{name, ListOf(std::move(item))},
                 {"limit", Type("integer")},
                 {"offset", Type("integer")},
                 {"total", Type("integer")}});
}

json StudySchema() {
  return Object({{"study_uid", Type("string")},
                 {"state", Type("string")},
                 {"why", Type("string")},
                 {"from", Type("string")},
                 {"revision", Type("integer")},
                 {"first_arrival", Type("integer")},
                 {"last_arrival", Type("integer")},
                 {"decision", {{"type", {"string", "null"}}}},
                 {"reasons", ListOf(Type("string"))},
                 {"roles", Type("object")},
                 {"timings_ms", Type("object")}});
}

json OutboxSchema() {
  return Object({{"id", Type("integer")},
                 {"study_uid", Type("string")},
                 {"peer", Type("string")},
                 {"state", Type("string")},
                 {"attempts", Type("integer")},
                 {"next_try", Type("integer")},
                 {"created_at", Type("integer")},
                 {"last_status", Type("string")},
                 {"kind", Type("string")},
                 {"sop_class_uid", Type("string")},
                 {"sop_instance_uid", Type("string")}});
}

json PeerSchema() {
  json peer = Object({{"ae_title", Type("string")},
                      {"configured", Type("boolean")},
                      {"paused", Type("boolean")},
                      {"pending", Type("integer")},
                      {"dead", Type("integer")}});
  // One that stands in old studies or in the outbox alone has none of these.
  peer["properties"].update({{"host", Type("string")}, {"port", Type("integer")}, {"deliver", Type("string")}});
  return peer;
}

json ProblemSchema() {
  return Object({{"severity", {{"type", "string"}, {"enum", {"error", "warning"}}}},
                 {"code", Type("string")},
                 {"text", Type("string")},
                 {"what_to_do", Type("string")}});
}

const std::vector<std::string> kStudyStates = {"receiving", "ready",  "running", "reported",
                                               "failed",    "parked", "ignored"};
const std::vector<std::string> kOutboxStates = {"pending", "sent", "confirmed", "dead", "withdrawn", "parked"};
const std::vector<std::string> kDecisions = {"recurrence", "necrosis", "indeterminate", "not evaluable"};

std::vector<ApiField> WithPaging(std::vector<ApiField> fields) {
  for (ApiField& field : PagingFields()) fields.push_back(std::move(field));
  return fields;
}

ApiField Word(const char* name, std::vector<std::string> choices, const char* description) {
  ApiField field{name, FieldType::kText, description};
  field.choices = std::move(choices);
  return field;
}
ApiField Text(const char* name, const char* description, bool required = false) {
  return {name, FieldType::kText, description, required};
}

AdminResponse Retry(const ApiCall& call, NodeView& node) {
  if (call.body.size() != 1)
    throw Error(ErrorCode::kUsage, R"(expected one of {"ids": [1, 2]}, {"peer": "AE_TITLE"} and {"study_uid": "1.2"})");
  if (call.body.contains("peer")) return JsonAnswer(200, {{"retried", node.RetryPeer(call.body["peer"])}});
  if (call.body.contains("study_uid"))
    return JsonAnswer(200, {{"retried", node.RetryStudy(call.body["study_uid"]) ? 1 : 0}});
  return JsonAnswer(200, {{"retried", node.RetryOutbox(call.body["ids"].get<std::vector<std::int64_t>>())}});
}

void AddProbes(AdminRouter& router, NodeView& node) {
  router.Add({.method = "GET",
              .path = "/live",
              .summary = "Does the process work?",
              .access = Access::kOpen,
              .answer = Object({{"live", Type("boolean")}}),
              .handle = [](const ApiCall&) {
                return JsonAnswer(200, {{"live", true}});
              }});
  router.Add({.method = "GET",
              .path = "/ready",
              .summary = "Can studies be taken and evaluated? 503 with the problems if not.",
              .access = Access::kOpen,
              .answer = Object({{"ready", Type("boolean")}, {"problems", ListOf(Type("string"))}}),
              .handle = [&node](const ApiCall&) {
                const json ready = node.Ready();
                return JsonAnswer(ready.at("ready") ? 200 : 503, ready);
              }});
  router.Add({.method = "GET",
              .path = "/metrics",
              .summary = "Counters and gauges in Prometheus text format.",
              .answer_type = "text/plain",
              .handle = [&node](const ApiCall&) {
                return AdminResponse{200, "text/plain; version=0.0.4; charset=utf-8", node.Metrics(), {}, false};
              }});
}

void AddLists(AdminRouter& router, NodeView& node) {
  router.Add({.method = "GET",
              .path = "/api/v1/status",
              .summary = "What the node does now.",
              .answer = Type("object"),
              .handle = [&node](const ApiCall&) { return JsonAnswer(200, node.Status()); }});
  router.Add({.method = "GET",
              .path = "/api/v1/problems",
              .summary = "What needs a person, with what to do, the worst first; and the newest warnings of the log.",
              .answer = Object({{"problems", ListOf(ProblemSchema())}, {"log", ListOf(Type("object"))}}),
              .handle = [&node](const ApiCall&) { return JsonAnswer(200, node.Problems()); }});
  router.Add({.method = "GET",
              .path = "/api/v1/studies/{study_uid}/capture",
              .summary = "One page of the newest capture as a picture.",
              .query = {{"page", FieldType::kInteger, "which page", false, 1, 1, 99}},
              .answer_type = "image/png",
              .handle = [&node](const ApiCall& call) {
                auto picture = node.Capture(call.path.at("study_uid"), call.query["page"]);
                if (!picture) return ProblemAnswer(404, "not_found", "this study has no such capture");
                return AdminResponse{200, "image/png", std::move(picture->png), {}, false};
              }});
  router.Add({.method = "GET",
              .path = "/api/v1/peers",
              .summary = "Who may send and gets results, with the last contact.",
              .answer = Object({{"peers", ListOf(PeerSchema())}}),
              .handle = [&node](const ApiCall&) { return JsonAnswer(200, node.Peers()); }});
  router.Add({.method = "GET",
              .path = "/api/v1/events",
              .summary = "Server-sent events: `status` with the answer of /api/v1/status, whenever it has changed.",
              .answer_type = "text/event-stream",
              .handle = [](const ApiCall&) {
                return AdminResponse{200, "text/event-stream", {}, {}, true};
              }});
}

void AddChanges(AdminRouter& router, NodeView& node) {
  router.Add({.method = "POST",
              .path = "/api/v1/retry",
              .summary = "Once more now: outbox rows by id, all of a peer, or a failed study. One of the three.",
              .access = Access::kOperate,
              .body = {{"ids", FieldType::kIntegers, "ids of outbox rows"},
                       Text("peer", "AE title: all of its rows that are not sent"),
                       Text("study_uid", "a failed study")},
              .answer = Object({{"retried", Type("integer")}}),
              .handle = [&node](const ApiCall& call) { return Retry(call, node); }});
  router.Add(
      {.method = "POST",
       .path = "/api/v1/studies/{study_uid}/rerun",
       .summary = "Evaluates a study once more; a new revision if its input, bundle or software has changed.",
       .access = Access::kOperate,
       .answer = Object({{"started", Type("boolean")}, {"text", Type("string")}}),
       .handle = [&node](const ApiCall& call) { return JsonAnswer(200, node.Rerun(call.path.at("study_uid"))); }});
  router.Add({.method = "POST",
              .path = "/api/v1/studies/{study_uid}/release",
              .summary = "A parked study goes on: a person has looked and answers for it.",
              .access = Access::kOperate,
              .body = {Text("reason", "what was found, for the record; no patient's name", true)},
              .answer = Object({{"released", Type("boolean")}, {"text", Type("string")}}),
              .handle = [&node](const ApiCall& call) {
                return JsonAnswer(200, node.Release(call.path.at("study_uid"), call.caller, call.body["reason"]));
              }});
  router.Add({.method = "POST",
              .path = "/api/v1/peers/{ae_title}/echo",
              .summary = "C-ECHO to a peer, with the reason when it fails.",
              .access = Access::kOperate,
              .answer = Object({{"ok", Type("boolean")}, {"text", Type("string")}}),
              .is_slow = true,
              .handle = [&node](const ApiCall& call) { return JsonAnswer(200, node.Echo(call.path.at("ae_title"))); }});
  router.Add({.method = "POST",
              .path = "/api/v1/reload",
              .summary = "Reads the configuration again, as SIGHUP does; a file with mistakes changes nothing.",
              .access = Access::kOperate,
              .answer = Object({{"reloaded", Type("boolean")},
                                {"findings", ListOf(Type("string"))},
                                {"needs_restart", ListOf(Type("string"))}}),
              .handle = [&node](const ApiCall&) { return JsonAnswer(200, node.Reload()); }});
  ApiField why = Word("reason", {"quality", "patient-safety"}, "as the rejection note says it");
  why.required = true;
  router.Add(
      {.method = "POST",
       .path = "/api/v1/withdraw",
       .summary = "Takes a study's report back: what is unsent stays here, a rejection note follows what was sent.",
       .access = Access::kOperate,
       .body = {Text("study_uid", "Study Instance UID", true), why, Text("text", "why, for the record")},
       .answer = Object({{"unsent", Type("integer")}, {"peers", ListOf(Type("string"))}}),
       .handle = [&node](const ApiCall& call) {
         return JsonAnswer(
             200, node.Withdraw(call.body["study_uid"], call.body["reason"], call.body.value("text", std::string())));
       }});
  const ApiField user = Text("user", "who orders it, as the caller says; the audit trail names the caller, too"),
                 because = Text("why", "why, for the record");
  const auto order = [&](const char* name, const char* summary, std::vector<ApiField> body, json answer, bool is_slow) {
    router.Add({.method = "POST",
                .path = std::string("/api/v1/") + name,
                .summary = summary,
                .access = Access::kOperate,
                .body = std::move(body),
                .answer = std::move(answer),
                .is_slow = is_slow,
                .handle = [&node, action = std::string(name)](const ApiCall& call) {
                  return JsonAnswer(200, node.Do(action, call.body, call.caller));
                }});
  };
  order("pause", "Nothing is sent to a peer until it is resumed; results are made and kept.",
        {Text("peer", "AE title", true), because, user},
        Object({{"peer", Type("string")}, {"paused", Type("boolean")}}), false);
  order("resume", "A paused peer gets its results again.", {Text("peer", "AE title", true), because, user},
        Object({{"peer", Type("string")}, {"paused", Type("boolean")}, {"was_paused", Type("boolean")}}), false);
  order("delete", "Removes a study, or all studies of a patient, with images and results; on record. One of the two.",
        {Text("study_uid", "Study Instance UID"), Text("patient_id", "Patient ID"), because, user},
        Object({{"studies", ListOf(Type("string"))}, {"images", Type("integer")}}), true);
  order("verify", "Reads every stored file and compares it with the index; without start, how far that is.",
        {{"start", FieldType::kBoolean, "begin anew", false, false}},
        Object({{"running", Type("boolean")},
                {"ended", Type("boolean")},
                {"checked", Type("integer")},
                {"total", Type("integer")},
                {"bad", Type("integer")},
                {"problems", ListOf(Type("string"))}}),
        false);
}

}  // namespace

void AddIndexRoutes(AdminRouter& router, const IndexQueries& index) {
  router.Add({.method = "GET",
              .path = "/api/v1/studies",
              .summary = "Studies, the newest first.",
              .query = WithPaging({Word("state", kStudyStates, "only studies in this state"),
                                   Word("decision", kDecisions, "only studies whose newest result says this"),
                                   Text("from", "only what this AE title sent last"),
                                   Text("search", "only studies whose Study Instance UID holds this")}),
              .answer = Page("studies", StudySchema()),
              .handle = [&index](const ApiCall& call) {
                return JsonAnswer(200, index.Studies({call.query.value("state", ""), call.query.value("decision", ""),
                                                      call.query.value("from", ""), call.query.value("search", ""),
                                                      call.query["limit"], call.query["offset"]}));
              }});
  router.Add({.method = "GET",
              .path = "/api/v1/studies/{study_uid}",
              .summary = "One study with all of its series, and why each has its role.",
              .answer = StudySchema(),
              .handle = [&index](const ApiCall& call) {
                const auto study = index.Study(call.path.at("study_uid"));
                return study ? JsonAnswer(200, *study) : ProblemAnswer(404, "not_found", "no such study");
              }});
  router.Add(
      {.method = "GET",
       .path = "/api/v1/outbox",
       .summary = "What is to be sent and was sent, the newest first.",
       .query = WithPaging({Word("state", kOutboxStates, "only rows in this state"),
                            Text("peer", "only rows for this AE title"), Text("study_uid", "only this study's")}),
       .answer = Page("outbox", OutboxSchema()),
       .handle = [&index](const ApiCall& call) {
         return JsonAnswer(
             200, index.Outbox({call.query.value("state", ""), call.query.value("peer", ""),
                                call.query.value("study_uid", ""), call.query["limit"], call.query["offset"]}));
       }});
}

void AddNodeRoutes(AdminRouter& router, NodeView& node, const std::string& version) {
  for (const WebFile& file : WebFiles())
    router.Add({.method = "GET",
                .path = std::string(file.path),
                .summary = "A file of the administrator's page.",
                .access = Access::kOpen,
                .answer_type = std::string(file.content_type.substr(0, file.content_type.find(';'))),
                .handle = [&file](const ApiCall&) {
                  return AdminResponse{200, std::string(file.content_type), std::string(file.content), {}, false};
                }});
  AddProbes(router, node);
  AddIndexRoutes(router, node);
  AddLists(router, node);
  AddChanges(router, node);
  router.Add({.method = "GET",
              .path = "/api/v1/openapi.json",
              .summary = "This document.",
              .access = Access::kOpen,
              .answer = Type("object"),
              .handle = [&router, version](const ApiCall&) { return JsonAnswer(200, router.OpenApi(version)); }});
}

}  // namespace glionode::server
