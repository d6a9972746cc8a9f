// The OpenAPI document: written from the routes, so that it cannot say anything else than they do.
#include "server/admin_router.h"

#include <algorithm>

namespace glionode::server {
namespace {

using nlohmann::json;

json SchemaOf(const ApiField& field) {
  json schema;
  switch (field.type) {
    case FieldType::kText:
      schema = {{"type", "string"}, {"maxLength", field.longest}};
      if (!field.choices.empty()) schema = {{"type", "string"}, {"enum", field.choices}};
      break;
    case FieldType::kInteger:
      schema = {{"type", "integer"}, {"minimum", field.lowest}, {"maximum", field.highest}};
      break;
    case FieldType::kBoolean:
      schema = {{"type", "boolean"}};
      break;
    case FieldType::kIntegers:
      schema = {{"type", "array"}, {"items", {{"type", "integer"}}}, {"minItems", 1}};
      break;
  }
  if (!field.fallback.is_null()) schema["default"] = field.fallback;
  return schema;
}

/// "/api/v1/studies/{study_uid}", GET: "get_studies_study_uid".
std::string OperationId(const ApiRoute& route) {
  std::string id;
  for (const char c : route.method) id.push_back(static_cast<char>(c | 0x20));
  std::string path = route.path;
  if (path.rfind("/api/v1", 0) == 0) path = path.substr(7);
  for (const char c : path) {
    if (c == '{' || c == '}') continue;
    id.push_back(c == '/' || c == '.' || c == '-' ? '_' : c);
  }
  return id.back() == '_' ? id + "page" : id;
}

json Parameters(const ApiRoute& route) {
  json list = json::array();
  for (std::size_t at = 0; (at = route.path.find('{', at)) != std::string::npos; ++at) {
    const std::string name = route.path.substr(at + 1, route.path.find('}', at) - at - 1);
    list.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  for (const ApiField& field : route.query)
    list.push_back({{"name", field.name},
                    {"in", "query"},
                    {"required", field.required},
                    {"description", field.description},
                    {"schema", SchemaOf(field)}});
  return list;
}

json Body(const ApiRoute& route) {
  json properties = json::object(), required = json::array();
  for (const ApiField& field : route.body) {
    properties[field.name] = SchemaOf(field);
    properties[field.name]["description"] = field.description;
    if (field.required) required.push_back(field.name);
  }
  json schema = {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  return {{"required", !required.empty()}, {"content", {{"application/json", {{"schema", schema}}}}}};
}

json Problem(const char* description) {
  return {{"description", description},
          {"content", {{"application/json", {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}};
}

}  // namespace

json AdminRouter::OpenApi(const std::string& version) const {
  json paths = json::object();
  for (const ApiRoute& route : routes_) {
    std::string method;
    for (const char c : route.method) method.push_back(static_cast<char>(c | 0x20));
    json media = {{"schema", route.answer.empty() ? json{{"type", "string"}} : route.answer}};
    json responses = {{"200", {{"description", "Done."}, {"content", {{route.answer_type, media}}}}},
                      {"default", Problem("What went wrong, in words.")}};
    json operation = {{"operationId", OperationId(route)}, {"summary", route.summary}, {"responses", responses}};
    if (const json parameters = Parameters(route); !parameters.empty()) operation["parameters"] = parameters;
    if (route.method != "GET") operation["requestBody"] = Body(route);
    operation["security"] = json::array();
    if (route.access != Access::kOpen) {
      operation["security"] = json::array({{{"token", json::array()}}, json::object()});
      operation["description"] = std::string("Role: ") + (route.access == Access::kRead ? "read" : "operate") +
                                 " (where [admin] token_file is set).";
    }
    paths[route.path][method] = operation;
  }
  const json problem = {{"type", "object"},
                        {"required", {"error"}},
                        {"properties",
                         {{"error",
                           {{"type", "object"},
                            {"required", {"code", "text"}},
                            {"properties", {{"code", {{"type", "string"}}}, {"text", {{"type", "string"}}}}}}}}}};
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "glionode"},
            {"version", version},
            {"description",
             "The administrator's interface of a node. NOT FOR CLINICAL USE. Times are milliseconds "
             "since 1970-01-01 UTC unless a name says otherwise."},
            {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
          {"servers", {{{"url", "/"}}}},
          {"paths", paths},
          {"components",
           {{"schemas", {{"Problem", problem}}},
            {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace glionode::server
