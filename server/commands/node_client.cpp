#include "server/commands/node_client.h"

#include "config/error.h"
#include "config/settings_loader.h"
#include "server/admin_client.h"
#include "server/index_view.h"
#include "storage/database.h"
#include "storage/file_store.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>

namespace glionode::server {
namespace {

using nlohmann::json;

json AskSettings(const Settings& settings, const std::string& method, const std::string& target, const json& body,
                 int seconds) {
  int port = settings.admin.port;
  if (port == 0) std::ifstream(settings.node.data_dir / "admin-port") >> port;
  const HttpAnswer answer = AskNode(settings.admin, port, method, target, body.is_null() ? "" : body.dump(), seconds);
  const json parsed = json::parse(answer.body, nullptr, false);
  if (answer.status < 400) return parsed;
  const std::string text =
      parsed.is_object() && parsed.contains("error") ? parsed["error"].value("text", answer.body) : answer.body;
  throw Error(answer.status == 400 ? ErrorCode::kUsage : ErrorCode::kInternal, text);
}

/// The same answers without the node, by the same routes: those that read the index alone.
json ReadFolder(const Settings& settings, const std::string& target) {
  const std::filesystem::path folder = settings.node.data_dir;
  if (!std::filesystem::exists(folder / "index.sqlite"))
    throw Error(ErrorCode::kNotFound, "the node does not run, and " + folder.string() + " holds no index yet");
  storage::FileStore files(folder);  // its lock says that really nobody runs
  storage::Database database(files.IndexFile());
  storage::StudyIndex index(database);
  const storage::Jobs jobs(database);
  const storage::Outbox outbox(database);
  const storage::Listing listing(database);
  const IndexView view(index, jobs, outbox, listing, settings.admin.show_identity);
  AdminRouter router;
  AddIndexRoutes(router, view);
  AdminRequest request;
  request.method = "GET";
  request.target = target;
  request.host = "localhost";
  const AdminResponse answer = router.Handle(request, AdminAccess{});
  const json parsed = json::parse(answer.body, nullptr, false);
  if (answer.status >= 400)
    throw Error(answer.status == 400 ? ErrorCode::kUsage : ErrorCode::kInternal,
                parsed["error"].value("text", answer.body));
  return parsed;
}

}  // namespace

json Ask(const std::string& config, const std::string& method, const std::string& target, const json& body,
         int seconds) {
  return AskSettings(RequireSettings(config), method, target, body, seconds);
}

json AskOrRead(const std::string& config, const std::string& target) {
  const Settings settings = RequireSettings(config);
  try {
    return AskSettings(settings, "GET", target, nullptr, 60);
  } catch (const Error& e) {
    if (e.Code() != ErrorCode::kNotFound || target.rfind("/api/v1/status", 0) == 0) throw;
    json answer = ReadFolder(settings, target);
    std::cerr << "the node is stopped; this is from " << settings.node.data_dir.string() << "\n";
    return answer;
  }
}

std::string Encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-._~").find(c) != std::string_view::npos) {
      out.push_back(c);
      continue;
    }
    char code[4];
    std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned char>(c));
    out += code;
  }
  return out;
}

std::string Field(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string When(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number() || found->get<std::int64_t>() == 0) return "-";
  const std::time_t seconds = found->get<std::int64_t>() / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local)};
}

void Table::Print() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i)
      std::cout << row[i] << (i + 1 < row.size() ? std::string(widths[i] - row[i].size() + 2, ' ') : std::string("\n"));
  }
}

void PrintPaging(const json& answer, const char* list) {
  const std::size_t shown = answer[list].size(), first = answer.value("offset", std::size_t{0});
  const std::size_t total = answer.value("total", shown);
  if (shown == 0)
    std::cout << (total == 0 ? "none\n" : "none from there on\n");
  else if (shown < total)
    std::cout << first + 1 << " to " << first + shown << " of " << total << " (--limit, --offset)\n";
}

}  // namespace glionode::server
