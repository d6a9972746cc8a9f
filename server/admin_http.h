#pragma once
#include "config/settings.h"
#include "server/admin_routes.h"

#include <memory>
#include <string>

namespace glionode::server {

/// HTTP/1.1 on Boost.Beast: one I/O thread, two handler threads (SQL never runs on the I/O thread); limits on header,
/// body, time and connections. Threads: Port and Stop from any.
class AdminHttp {
 public:
  /// `node` must outlive this object. Throws Error{kUsage} when the address cannot be bound.
  AdminHttp(const AdminSettings& settings, NodeView& node);
  ~AdminHttp();
  int Port() const;
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};
/// One request to a running node, for the command line. Throws Error{kNotFound} when nobody answers there.
HttpAnswer AskNode(const std::string& host, int port, const std::string& method, const std::string& target,
                   const std::string& body = {});

}  // namespace glionode::server
