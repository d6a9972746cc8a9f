#include "server/node_advice.h"

#include <algorithm>
#include <cstdio>

namespace glionode::server {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

std::int64_t Count(const std::map<std::string, std::int64_t>& counts, const char* word) {
  const auto found = counts.find(word);
  return found == counts.end() ? 0 : found->second;
}

std::string Many(std::int64_t count, const char* one, const char* more) {
  return std::to_string(count) + " " + (count == 1 ? one : more);
}

std::string Gib(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / 1073741824.0);
  return text;
}

struct RefusalWords {
  const char *reason, *text, *what_to_do;
};
constexpr RefusalWords kRefusals[] = {
    {"unknown_ae", "called with an AE title that has no [[peer]]",
     "Add a [[peer]] with exactly the AE title that the log names, and reload."},
    {"wrong_called_ae", "called this node by another AE title than its own",
     "Set the AE title of this node in the PACS, or [node] ae_title here."},
    {"wrong_address", "called from an address that the peer's `from` does not list",
     "Add the address that the log names to `from` of that peer, and reload."},
    {"busy", "were refused because all associations were taken",
     "Raise [dicom] max_associations, or let the PACS open fewer at once."},
};

}  // namespace

std::vector<Advice> AdviseOn(const NodeFacts& facts) {
  std::vector<Advice> out;
  const auto error = [&](const char* code, std::string text, const char* todo) {
    out.push_back({true, code, std::move(text), todo});
  };
  const auto warning = [&](const char* code, std::string text, const char* todo) {
    out.push_back({false, code, std::move(text), todo});
  };
  if (!facts.model_ready)
    error("model", "The model has not proven itself; nothing is evaluated or sent: " + facts.model_text,
          "Check [model] bundle and device. The test runs again every minute, and at once after a reload.");
  if (facts.free_bytes < facts.min_free_bytes)
    error("disk",
          "Only " + Gib(facts.free_bytes) + " are free; below " + Gib(facts.min_free_bytes) +
              " new images are refused, and the PACS keeps them.",
          "Make room on the disk of data_dir, or give it a larger one.");
  else if (facts.free_bytes < 2 * facts.min_free_bytes)
    warning("disk", "Only " + Gib(facts.free_bytes) + " are free.", "Make room before new images are refused.");
  if (const auto parked = Count(facts.studies, "parked"); parked > 0)
    error("parked", Many(parked, "study is", "studies are") + " parked: whose images they are is in doubt.",
          "Open the study, compare its images in the PACS, then correct and resend them there, or release it here.");
  if (const auto failed = Count(facts.studies, "failed"); failed > 0)
    error("failed", Many(failed, "study has", "studies have") + " failed twice.",
          "Open the study: `why` names the part that broke. After repairing it, retry.");
  if (const auto dead = Count(facts.outbox, "dead"); dead > 0)
    error("outbox_dead", Many(dead, "object was", "objects were") + " refused by the PACS for good.",
          "The last answer says why. Change it at the PACS, then retry.");
  if (const auto parked = Count(facts.outbox, "parked"); parked > 0)
    error("outbox_parked",
          "The PACS holds a study under another identity than " + Many(parked, "object", "objects") + " of ours.",
          "Settle the identity at the PACS and let it send the study again.");
  if (facts.oldest_waiting_ms > kHourMs) {
    std::string peers;
    for (const auto& [peer, rows] : facts.waiting_by_peer)
      peers += (peers.empty() ? " (" : ", ") + peer + ": " + std::to_string(rows);
    warning("outbox_waiting",
            "Results have been waiting for " + std::to_string(facts.oldest_waiting_ms / kHourMs) + " h" + peers +
                (peers.empty() ? "." : ")."),
            "Echo the peer: is it up, and does it know this node? Nothing is lost; it is tried again for a week.");
  }
  if (facts.peers == 0)
    warning("no_peer", "There is no [[peer]]: nobody may send to this node.", "Add one to the configuration.");
  else if (facts.peers_with_delivery == 0)
    warning("silent", "No peer has deliver = \"all\": results are computed and shown here, nothing is sent.",
            "Right while trying it out. Set deliver = \"all\" and reload to go live.");
  if (facts.accept_rules == 0)
    warning("no_rule", "There is no [[accept]] rule: no study is evaluated.", "Add one to the configuration.");
  for (const RefusalWords& words : kRefusals) {
    const auto found = facts.refusals.find(words.reason);
    if (found == facts.refusals.end() || found->second == 0) continue;
    warning(
        words.reason,
        Many(static_cast<std::int64_t>(found->second), "caller", "callers") + " " + words.text + " (since the start).",
        words.what_to_do);
  }
  std::stable_sort(out.begin(), out.end(), [](const Advice& a, const Advice& b) { return a.is_error > b.is_error; });
  return out;
}

}  // namespace glionode::server
