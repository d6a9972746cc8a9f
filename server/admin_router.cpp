#include "server/admin_router.h"

#include "config/error.h"
#include "config/log.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace glionode::server {
namespace {

using nlohmann::json;

/// The one table from our errors to HTTP.
int StatusFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutOfSpace:
      return 507;
    case ErrorCode::kBusy:
      return 503;
    case ErrorCode::kBadDataset:
      return 422;
    case ErrorCode::kWrongSopClass:
    case ErrorCode::kUsage:
      return 400;
    case ErrorCode::kNotAllowed:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kMissingPart:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

/// Percent-decoding (RFC 3986 2.1). Error{kUsage} for what is none.
std::string Decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || parsed.ptr != digits.data() + 2)
      throw Error(ErrorCode::kUsage, "the address holds a % that is no encoded character");
    out.push_back(static_cast<char>(value));
    i += 2;
  }
  return out;
}

std::vector<std::string_view> Segments(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto end = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return parts;
}

/// The values of the template's {names}, or empty: another path.
std::optional<std::map<std::string, std::string>> Match(std::string_view pattern, std::string_view path) {
  const auto wanted = Segments(pattern), given = Segments(path);
  if (wanted.size() != given.size() || path.empty() || path[0] != '/') return std::nullopt;
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].size() > 2 && wanted[i][0] == '{') {
      if (given[i].empty()) return std::nullopt;
      values[std::string(wanted[i].substr(1, wanted[i].size() - 2))] = Decoded(given[i]);
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return values;
}

[[noreturn]] void Expected(const ApiField& field, const std::string& what) {
  throw Error(ErrorCode::kUsage, field.name + " must be " + what);
}

void CheckField(const ApiField& field, const json& value) {
  switch (field.type) {
    case FieldType::kText: {
      if (!value.is_string()) Expected(field, "a text");
      const auto& text = value.get_ref<const std::string&>();
      if (text.size() > field.longest) Expected(field, "at most " + std::to_string(field.longest) + " bytes long");
      if (field.choices.empty() || std::find(field.choices.begin(), field.choices.end(), text) != field.choices.end())
        return;
      std::string words;
      for (const std::string& choice : field.choices) words += (words.empty() ? "" : ", ") + choice;
      Expected(field, "one of: " + words);
    }
    case FieldType::kInteger: {
      const std::string range = std::to_string(field.lowest) + " to " + std::to_string(field.highest);
      if (!value.is_number_integer()) Expected(field, "a whole number from " + range);
      // A number beyond 63 bits would turn negative below.
      if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
        Expected(field, "a whole number from " + range);
      const auto number = value.get<std::int64_t>();
      if (number < field.lowest || number > field.highest) Expected(field, "a whole number from " + range);
      return;
    }
    case FieldType::kBoolean:
      if (!value.is_boolean()) Expected(field, "true or false");
      return;
    case FieldType::kIntegers:
      if (!value.is_array() || value.empty() ||
          !std::all_of(value.begin(), value.end(), [](const json& entry) { return entry.is_number_integer(); }))
        Expected(field, "a list of whole numbers, at least one");
      return;
  }
}

/// Known fields, right types; fallbacks filled in.
json CheckedFields(const std::vector<ApiField>& fields, const json& given, const char* where) {
  json checked = json::object();
  for (const auto& [name, value] : given.items()) {
    const auto known =
        std::find_if(fields.begin(), fields.end(), [&, key = name](const auto& field) { return field.name == key; });
    if (known == fields.end())
      throw Error(ErrorCode::kUsage, std::string("unknown ") + where + " " + json(name).dump(-1, ' ', true));
    CheckField(*known, value);
    checked[name] = value;
  }
  for (const ApiField& field : fields) {
    if (checked.contains(field.name)) continue;
    if (field.required) throw Error(ErrorCode::kUsage, field.name + " is missing");
    if (!field.fallback.is_null()) checked[field.name] = field.fallback;
  }
  return checked;
}

/// Texts that are no UTF-8 cannot be written as JSON and name nothing here.
bool IsUtf8(const json& value) {
  try {
    (void)value.dump();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

/// "a=1&b=x", with each value as its field's type.
json ParseQuery(std::string_view text, const std::vector<ApiField>& fields) {
  json given = json::object();
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    const std::string name = Decoded(pair.substr(0, equals));
    if (!IsUtf8(name)) throw Error(ErrorCode::kUsage, "the name of a parameter is no UTF-8");
    const std::string value = equals == pair.size() ? std::string() : Decoded(pair.substr(equals + 1));
    const auto field =
        std::find_if(fields.begin(), fields.end(), [&](const auto& known) { return known.name == name; });
    given[name] = value;
    if (field == fields.end() || field->type == FieldType::kText) continue;
    const json parsed = json::parse(value, nullptr, false);
    if (!parsed.is_discarded()) given[name] = parsed;
  }
  return given;
}

}  // namespace

AdminResponse JsonAnswer(int status, const json& body) {
  return {status, "application/json", body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n", {}, false};
}

AdminResponse ProblemAnswer(int status, const std::string& code, const std::string& text) {
  return JsonAnswer(status, {{"error", {{"code", code}, {"text", text}}}});
}

std::vector<ApiField> PagingFields() {
  return {{"limit", FieldType::kInteger, "entries at most", false, 100, 1, 1000},
          {"offset", FieldType::kInteger, "entries to leave out before", false, 0, 0}};
}

AdminRouter::AdminRouter() = default;

void AdminRouter::Add(ApiRoute route) {
  for (const ApiRoute& other : routes_)
    if (other.method == route.method && other.path == route.path)
      throw Error(ErrorCode::kInternal, "two routes for " + route.method + " " + route.path);
  routes_.push_back(std::move(route));
}

bool AdminRouter::IsSlow(const AdminRequest& request) const {
  const std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
  try {
    return std::any_of(routes_.begin(), routes_.end(), [&](const ApiRoute& route) {
      return route.is_slow && route.method == request.method && Match(route.path, path);
    });
  } catch (const Error&) {
    return false;  // Handle answers it
  }
}

AdminResponse AdminRouter::Dispatch(const AdminRequest& request, const AdminAccess& access) const {
  if (!access.AnswersTo(request.host))
    return ProblemAnswer(403, "host", "this interface answers to local names and to those of [admin] hosts only");
  const std::string_view target = request.target;
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view query = path.size() == target.size() ? std::string_view() : target.substr(path.size() + 1);
  const ApiRoute* found = nullptr;
  ApiCall call;
  std::string methods;
  for (const ApiRoute& route : routes_) {
    auto values = Match(route.path, path);
    if (!values) continue;
    methods += (methods.empty() ? "" : ", ") + route.method;
    // A path in full goes before one with a {name}.
    if (route.method != request.method || (found && !values->empty())) continue;
    found = &route;
    call.path = std::move(*values);
  }
  if (methods.empty()) return ProblemAnswer(404, "not_found", "no such path");
  if (!found) {
    AdminResponse answer = ProblemAnswer(405, "method", "this path takes " + methods);
    answer.headers.emplace_back("Allow", methods);
    return answer;
  }
  const auto caller = access.Identify(request.authorization);
  if (!caller || caller->role < found->access) {
    if (caller && caller->role != Access::kOpen)
      return ProblemAnswer(403, "role", "this token may only read; a token with the role operate is needed");
    AdminResponse answer = ProblemAnswer(401, "token", "a token of [admin] token_file is needed");
    answer.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"glionode\"");
    return answer;
  }
  if (!access.AllowsOrigin(request.origin, request.host))
    return ProblemAnswer(403, "origin", "requests of other sites are not answered");
  call.caller = caller->name;
  call.query = CheckedFields(found->query, ParseQuery(query, found->query), "parameter");
  if (request.method == "GET") return found->handle(call);

  if (request.content_type.rfind("application/json", 0) != 0)
    return ProblemAnswer(415, "content_type", "Content-Type must be application/json");
  const json body = request.body.empty() ? json::object() : json::parse(request.body, nullptr, false);
  if (!body.is_object() || !IsUtf8(body)) return ProblemAnswer(400, "body", "the body must be a JSON object");
  call.body = CheckedFields(found->body, body, "member");
  const auto tell = [&](int status) {
    if (on_change_)
      on_change_({call.caller, request.method, std::string(path), call.body, status, found->path, call.path});
  };
  try {
    AdminResponse answer = found->handle(call);
    tell(answer.status);
    return answer;
  } catch (const Error& e) {
    tell(StatusFor(e.Code()));
    throw;
  } catch (...) {
    tell(500);
    throw;
  }
}

AdminResponse AdminRouter::Handle(const AdminRequest& request, const AdminAccess& access) const {
  try {
    return Dispatch(request, access);
  } catch (const Error& e) {
    const int status = StatusFor(e.Code());
    return ProblemAnswer(status, status == 404 ? "not_found" : status == 400 ? "usage" : "error", e.what());
  } catch (const std::exception& e) {
    // What a library says may quote what it was given: to the log, not to the caller.
    LogError("admin", request.method + " failed: " + e.what());
    return ProblemAnswer(500, "internal", "this failed inside the node; its log says more");
  } catch (...) {
    return ProblemAnswer(500, "internal", "an exception of an unknown kind");
  }
}

}  // namespace glionode::server
