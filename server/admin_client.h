#pragma once
#include "config/settings.h"

#include <string>

namespace glionode::server {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// One request to the node that these settings belong to, for the command line on the same machine. With TLS, only the
/// configured certificate itself is trusted. `port`: 0 takes that of the settings; `seconds`: for the whole exchange.
/// Throws Error{kNotFound} when nobody answers there.
HttpAnswer AskNode(const AdminSettings& settings, int port, const std::string& method, const std::string& target,
                   const std::string& body = {}, int seconds = 60);

}  // namespace glionode::server
