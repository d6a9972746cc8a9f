#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace glionode::server {

/// What is known of the node when somebody asks what is wrong with it.
struct NodeFacts {
  bool model_ready = false;
  std::string model_text;
  std::int64_t free_bytes = 0, min_free_bytes = 0;
  std::map<std::string, std::int64_t> studies, outbox;  ///< by state
  std::map<std::string, std::int64_t> waiting_by_peer;  ///< unsent outbox rows, by AE title
  std::int64_t oldest_waiting_ms = 0;                   ///< age of the oldest unsent row
  int peers = 0, peers_with_delivery = 0, accept_rules = 0;
  std::map<std::string, std::uint64_t> refusals;  ///< callers refused since the start, by reason
};

/// Something that a person should look at.
struct Advice {
  bool is_error = true;
  std::string code, text, what_to_do;
};

/// In words for an administrator, the worst first. Pure.
std::vector<Advice> AdviseOn(const NodeFacts& facts);

}  // namespace glionode::server
