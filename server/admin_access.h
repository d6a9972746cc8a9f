#pragma once
#include "config/settings.h"

#include <optional>
#include <string>
#include <vector>

namespace glionode::server {

/// What a caller of the administrator's interface may do; each includes those before it.
enum class Access {
  kOpen,     ///< everybody: is it alive, the page's own files
  kRead,     ///< see
  kOperate,  ///< change
};

struct AdminToken {
  Access role = Access::kRead;
  std::string sha256;  ///< of the token, hex: the token itself is not kept
  std::string name;    ///< for the record of changes
};

struct Caller {
  Access role = Access::kOpen;
  std::string name;
};

/// Who is let in. Value type; a reload makes a new one.
struct AdminAccess {
  /// Loopback without tokens: whoever has an account on this machine may everything.
  bool is_local = true;
  std::vector<AdminToken> tokens = {};
  std::vector<std::string> hosts = {};  ///< Host names that are answered beside the local ones, lower case
  bool has_tls = false;

  /// `authorization` is the header's value, "Bearer TOKEN". Empty: the token is unknown. A caller without a token may
  /// what is open. Takes the same time for every wrong token.
  std::optional<Caller> Identify(const std::string& authorization) const;
  /// Is this Host header one of ours? (Against DNS rebinding.)
  bool AnswersTo(const std::string& host) const;
  /// Does the request come from our own page or from no page at all? (Against other sites' scripts.)
  bool AllowsOrigin(const std::string& origin, const std::string& host) const;
};

/// Reads token_file: one token a line, "read TOKEN [NAME]" or "operate TOKEN [NAME]"; # begins a comment. Throws
/// Error{kUsage} with file and line for what is wrong, also for a file that others may read. `bound` is the address
/// that is really listened on: after a reload it may be another than the one that the settings want.
AdminAccess ReadAccess(const AdminSettings& settings, const std::string& bound);

/// A loopback address?
bool IsLoopback(const std::string& address);

/// A token of `role` for the command line on this machine; empty when none is needed. Throws Error{kUsage} when the
/// file has none or cannot be read.
std::string TokenFor(const AdminSettings& settings, Access role);

}  // namespace glionode::server
