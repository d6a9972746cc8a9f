#pragma once
#include <string>

namespace glionode::server {

/// What `glionode init` asks.
struct FirstAnswers {
  std::string ae_title = "GLIONODE";
  int port = 11112;
  std::string data_dir = "/var/lib/glionode";
  std::string peer_ae, peer_host;
  int peer_port = 104;
  std::string deliver = "none";
  std::string accept = "(?i)glioma|post.?rt";  ///< regular expression on StudyDescription; empty: no rule
  std::string bundle;
};

/// A commented first configuration. Texts are quoted as TOML wants it. Pure.
std::string FirstConfiguration(const FirstAnswers& answers);

}  // namespace glionode::server
