#include "server/admin_access.h"

#include "config/error.h"
#include "config/sha256.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <functional>
#include <openssl/crypto.h>
#include <sstream>
#include <sys/stat.h>

namespace glionode::server {
namespace {

constexpr std::size_t kShortestToken = 24;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// Host without its port: "[::1]:8080" gives "[::1]".
std::string WithoutPort(std::string host) {
  if (const auto colon = host.rfind(':'); colon != std::string::npos && host.find(']', colon) == std::string::npos)
    host.resize(colon);
  return Lower(std::move(host));
}

struct TokenLine {
  Access role;
  std::string token, name;
};

std::vector<TokenLine> ReadTokens(const std::filesystem::path& file) {
  const auto bad = [&](int line, const std::string& text) {
    throw Error(ErrorCode::kUsage, file.string() + (line > 0 ? ":" + std::to_string(line) : "") + ": " + text);
  };
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) bad(0, "the token_file of [admin] cannot be read");
  if ((status.st_mode & 077) != 0) bad(0, "others than its owner may read or write this token_file: chmod 600");
  std::ifstream in(file);
  std::vector<TokenLine> tokens;
  std::string text;
  for (int line = 1; std::getline(in, text); ++line) {
    std::istringstream words(text.substr(0, text.find('#')));
    std::string role, token, name;
    if (!(words >> role)) continue;
    words >> token >> name;
    if (role != "read" && role != "operate") bad(line, "expected: read TOKEN NAME, or: operate TOKEN NAME");
    if (token.size() < kShortestToken)
      bad(line, "a token has at least " + std::to_string(kShortestToken) + " characters (openssl rand -hex 24)");
    tokens.push_back({role == "read" ? Access::kRead : Access::kOperate, token,
                      name.empty() ? role + " token of line " + std::to_string(line) : name});
  }
  if (tokens.empty()) bad(0, "there is no token in this token_file; expected lines such as: operate TOKEN NAME");
  return tokens;
}

}  // namespace

bool IsLoopback(const std::string& address) { return address == "::1" || address.rfind("127.", 0) == 0; }

std::optional<Caller> AdminAccess::Identify(const std::string& authorization) const {
  if (is_local) return Caller{Access::kOperate, "local"};
  if (authorization.empty()) return Caller{Access::kOpen, "nobody"};
  const std::string scheme = "bearer ";
  if (Lower(authorization.substr(0, scheme.size())) != scheme) return std::nullopt;
  // Digests of equal length, all of them compared: the time says nothing about how near a guess was.
  const std::string digest = Sha256Hex(authorization.substr(scheme.size()));
  std::optional<Caller> found;
  for (const AdminToken& token : tokens)
    if (CRYPTO_memcmp(token.sha256.data(), digest.data(), digest.size()) == 0) found = Caller{token.role, token.name};
  return found;
}

bool AdminAccess::AnswersTo(const std::string& host) const {
  const std::string name = WithoutPort(host);
  if (name == "localhost" || name == "127.0.0.1" || name == "[::1]") return true;
  return std::find(hosts.begin(), hosts.end(), name) != hosts.end();
}

bool AdminAccess::AllowsOrigin(const std::string& origin, const std::string& host) const {
  return origin.empty() || Lower(origin) == (has_tls ? "https://" : "http://") + Lower(host);
}

AdminAccess ReadAccess(const AdminSettings& settings, const std::string& bound) {
  AdminAccess access;
  access.is_local = settings.token_file.empty();
  access.has_tls = !settings.certificate.empty();
  const bool is_guarded = !access.is_local && access.has_tls;
  if (!IsLoopback(settings.bind) && !is_guarded)
    throw Error(ErrorCode::kUsage,
                "[admin] bind = \"" + settings.bind +
                    "\" can be reached from other machines: it needs certificate, key and token_file");
  // A reload does not move the socket: what the new address may do without, the old one may not.
  if (!IsLoopback(bound) && !is_guarded)
    throw Error(ErrorCode::kUsage,
                "[admin] listens on \"" + bound +
                    "\" until the node is restarted, and other machines can reach that: certificate, "
                    "key and token_file cannot go before");
  for (const std::string& host : settings.hosts) access.hosts.push_back(Lower(host));
  if (bound != "0.0.0.0" && bound != "::")
    access.hosts.push_back(bound.find(':') == std::string::npos ? bound : "[" + bound + "]");
  if (access.is_local) return access;
  for (const TokenLine& line : ReadTokens(settings.token_file))
    access.tokens.push_back({line.role, Sha256Hex(line.token), line.name});
  return access;
}

std::string TokenFor(const AdminSettings& settings, Access role) {
  if (settings.token_file.empty()) return {};
  for (const TokenLine& line : ReadTokens(settings.token_file))
    if (line.role >= role) return line.token;
  throw Error(ErrorCode::kUsage, settings.token_file.string() + ": there is no token with the role operate");
}

}  // namespace glionode::server
