#pragma once
#include <span>
#include <string_view>

namespace glionode::server {

/// One file of the administrator's page (server/web/), embedded at build time.
struct WebFile {
  std::string_view path;  ///< as browsers ask for it; "/" is the page itself
  std::string_view content_type;
  std::string_view content;
};

std::span<const WebFile> WebFiles();

}  // namespace glionode::server
