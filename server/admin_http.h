#pragma once
#include "config/settings.h"
#include "server/admin_router.h"

#include <functional>
#include <memory>
#include <string>

namespace glionode::server {

/// HTTP/1.1 on Boost.Beast, with TLS where certificate and key are set: one I/O thread, handler threads (SQL never runs
/// on the I/O thread) and threads of their own for routes that wait for other machines; limits on header, body, time,
/// connections and event streams. Its threads run at a lower priority than those that receive images.
/// Threads: all methods from any.
class AdminHttp {
 public:
  /// `router` must outlive this object. `state` is what event streams carry (admin_events.h). Throws Error{kUsage} when
  /// the address cannot be bound, or certificate, key or token_file cannot be used.
  AdminHttp(const AdminSettings& settings, const AdminRouter& router, std::function<nlohmann::json()> state);
  ~AdminHttp();
  int Port() const;
  /// Certificate, key, tokens and hosts from now on; connections that are open go on. Address and port stay, and what
  /// they need is asked of the new settings. Throws as the constructor does, and then nothing has changed.
  void SetAccess(const AdminSettings& settings);
  /// Throws what the constructor would throw for certificate, key and token_file; binds nothing.
  static void Check(const AdminSettings& settings);
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glionode::server
