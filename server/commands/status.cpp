#include "config/error.h"
#include "config/settings_loader.h"
#include "server/commands/commands.h"
#include "server/commands/node_client.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>

namespace glionode::server {
namespace {

using nlohmann::json;

void PrintStatus(const json& status) {
  std::cout << Field(status, "version") << ", AE title " << Field(status, "ae_title") << ", DICOM port "
            << Field(status, "dicom_port") << "\n"
            << "model: " << (status["model"]["ready"] ? "ready, " : "NOT READY: ") << Field(status["model"], "text")
            << "\n"
            << "instances: " << Field(status, "instances") << "\nstudies:";
  for (const auto& [state, count] : status["studies"].items()) std::cout << " " << state << " " << count;
  std::cout << "\noutbox:";
  for (const auto& [state, count] : status["outbox"].items()) std::cout << " " << state << " " << count;
  std::cout << "\nrefused:";
  for (const auto& [reason, count] : status["refusals"].items()) std::cout << " " << reason << " " << count;
  std::cout << "\n";
}

void PrintStudies(const json& answer) {
  Table table({"state", "decision", "rev", "last image", "from", "study", "why"});
  for (const auto& study : answer["studies"])
    table.Add({Field(study, "state"), Field(study, "decision"), Field(study, "revision"), When(study, "last_arrival"),
               Field(study, "from"), Field(study, "study_uid"), Field(study, "why")});
  table.Print();
  PrintPaging(answer, "studies");
}

void PrintOutbox(const json& answer) {
  Table table({"id", "state", "peer", "kind", "tries", "next try", "last answer"});
  for (const auto& row : answer["outbox"])
    table.Add({Field(row, "id"), Field(row, "state"), Field(row, "peer"), Field(row, "kind"), Field(row, "attempts"),
               Field(row, "state") == "pending" ? When(row, "next_try") : "-", Field(row, "last_status")});
  table.Print();
  PrintPaging(answer, "outbox");
}

void PrintPeers(const json& answer) {
  Table table({"peer", "address", "deliver", "paused", "outbox", "last answer"});
  for (const auto& peer : answer["peers"]) {
    std::string outbox;
    for (const auto& [state, count] : peer["outbox"].items())
      outbox += (outbox.empty() ? "" : ", ") + count.dump() + " " + state;
    table.Add({Field(peer, "ae_title"),
               peer["configured"] ? Field(peer, "host") + ":" + Field(peer, "port") : "not in the configuration",
               Field(peer, "deliver"), peer["paused"] ? "yes" : "no", outbox.empty() ? "-" : outbox,
               Field(peer, "last_status")});
  }
  table.Print();
}

/// peers: asked of the running node.
void AddPeers(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("peers", "The peers: what waits for each, and why.");
  command->footer("Example: glionode peers --config FILE");
  auto config = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("--config", *config, "configuration file of the running node")->required();
  command->add_flag("--json", *as_json, "as JSON");
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      const json answer = Ask(*config, "GET", "/api/v1/peers");
      if (*as_json)
        std::cout << answer.dump(2) << "\n";
      else
        PrintPeers(answer);
      return 0;
    });
  });
}

/// pause, resume: one peer.
void AddPeerOrder(CLI::App& app, int& exit_code, const char* name, const char* help, bool takes_reason) {
  auto* command = app.add_subcommand(name, help);
  command->footer(std::string("Example: glionode ") + name + " HOSPITAL_PACS --config FILE");
  auto config = std::make_shared<std::string>();
  auto peer = std::make_shared<std::string>();
  auto why = std::make_shared<std::string>();
  command->add_option("peer", *peer, "AE title")->required();
  if (takes_reason) command->add_option("--why", *why, "kept with the pause: `glionode peers --json` shows it");
  command->add_option("--config", *config, "configuration file of the running node")->required();
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "as JSON");
  command->callback([=, order = std::string(name), &exit_code] {
    exit_code = Guarded([&] {
      bool known = false;
      for (const PeerSettings& configured : RequireSettings(*config).peers) known |= configured.ae_title == *peer;
      if (!known && order == "pause")
        throw Error(ErrorCode::kUsage, *config + " has no [[peer]] with ae_title = \"" + *peer + "\"");
      const json answer =
          Ask(*config, "POST", "/api/v1/" + order, {{"peer", *peer}, {"why", *why}, {"user", LocalUser()}});
      if (*as_json)
        std::cout << answer.dump(2) << "\n";
      else if (order == "pause")
        std::cout << "nothing is sent to " << *peer << " until `glionode resume " << *peer << "`\n";
      else
        std::cout << *peer << (answer.value("was_paused", false) ? " gets its results again\n" : " was not paused\n");
      return order == "resume" && !answer.value("was_paused", false) ? 1 : 0;
    });
  });
}

struct Filter {
  const char *option, *key, *help;
};

/// A command that shows one list. Works without the node too, from its data folder.
void AddQuery(CLI::App& app, int& exit_code, const char* name, const char* help, const char* example,
              const char* target, const std::vector<Filter>& filters, void (*print)(const json&)) {
  auto* command = app.add_subcommand(name, help);
  command->footer(std::string("Example: ") + example);
  auto config = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  auto values = std::make_shared<std::vector<std::string>>(filters.size());
  command->add_option("--config", *config, "configuration file of the node")->required();
  command->add_flag("--json", *as_json, "as JSON");
  for (std::size_t i = 0; i < filters.size(); ++i)
    command->add_option(filters[i].option, (*values)[i], filters[i].help);
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      std::string query;
      for (std::size_t i = 0; i < filters.size(); ++i)
        if (!(*values)[i].empty())
          query += (query.empty() ? "?" : "&") + (filters[i].key + ("=" + Encoded((*values)[i])));
      const json answer = AskOrRead(*config, target + query);
      if (*as_json)
        std::cout << answer.dump(2) << "\n";
      else
        print(answer);
      return 0;
    });
  });
}

void AddWithdraw(CLI::App& app, int& exit_code) {
  auto* withdraw = app.add_subcommand(
      "withdraw",
      "Take a study's report back: what has not been sent never will be, and the PACS that has it gets a Key Object "
      "rejection note (IHE IOCM).");
  withdraw->footer("Example: glionode withdraw 1.2.840.1 --reason quality --text \"wrong series\" --config FILE");
  auto config = std::make_shared<std::string>();
  auto study = std::make_shared<std::string>();
  auto reason = std::make_shared<std::string>();
  auto text = std::make_shared<std::string>();
  withdraw->add_option("study", *study, "Study Instance UID")->required();
  withdraw
      ->add_option("--reason", *reason,
                   "quality (113001: may stay visible to those who look for it) or patient-safety (113037: must not be "
                   "seen any more)")
      ->required()
      ->check(CLI::IsMember({"quality", "patient-safety"}));
  withdraw->add_option("--text", *text, "why, in a sentence that the PACS keeps; it must name no patient");
  withdraw->add_option("--config", *config, "configuration file of the running node")->required();
  auto as_json = std::make_shared<bool>(false);
  withdraw->add_flag("--json", *as_json, "as JSON");
  withdraw->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      const json done =
          Ask(*config, "POST", "/api/v1/withdraw", {{"study_uid", *study}, {"reason", *reason}, {"text", *text}});
      if (*as_json) {
        std::cout << done.dump(2) << "\n";
        return 0;
      }
      std::cout << "withdrawn: " << done.value("unsent", 0) << " objects will not be sent";
      for (const auto& peer : done["peers"]) std::cout << "; " << peer.get<std::string>() << " gets a rejection note";
      std::cout << "\n";
      if (done["peers"].empty()) std::cout << "Nothing of this report has left, so there is nothing to reject.\n";
      return 0;
    });
  });
}

}  // namespace

void AddStatus(CLI::App& app, int& exit_code) {
  AddQuery(app, exit_code, "status", "What the running node does now.",
           "glionode status --config /etc/glionode/glionode.toml", "/api/v1/status", {}, PrintStatus);
  AddQuery(app, exit_code, "studies", "The newest studies with state and decision.",
           "glionode studies --state parked --config FILE", "/api/v1/studies",
           {{"--state", "state", "receiving, ready, running, reported, failed, parked or ignored"},
            {"--decision", "decision", "recurrence, necrosis, indeterminate or \"not evaluable\""},
            {"--from", "from", "AE title that sent them"},
            {"--search", "search", "part of the Study Instance UID"},
            {"--limit", "limit", "entries at most (100)"},
            {"--offset", "offset", "entries to leave out before (0)"}},
           PrintStudies);
  AddQuery(app, exit_code, "outbox", "What was sent, what waits, and why.",
           "glionode outbox --state dead --config FILE", "/api/v1/outbox",
           {{"--state", "state", "pending, sent, confirmed, dead, parked or withdrawn"},
            {"--peer", "peer", "AE title that gets them"},
            {"--study", "study_uid", "Study Instance UID"},
            {"--limit", "limit", "entries at most (100)"},
            {"--offset", "offset", "entries to leave out before (0)"}},
           PrintOutbox);

  AddWithdraw(app, exit_code);
  AddPeers(app, exit_code);
  AddPeerOrder(app, exit_code, "pause", "Send nothing to a peer until it is resumed; results are made and kept.", true);
  AddPeerOrder(app, exit_code, "resume", "Send to a paused peer again.", false);

  auto* retry = app.add_subcommand(
      "retry",
      "Once more now: outbox rows (glionode retry 12 13), all of a peer (--peer AE), or a failed study (--study UID).");
  retry->footer("Example: glionode retry --peer HOSPITAL_PACS --config FILE");
  auto config = std::make_shared<std::string>();
  auto peer = std::make_shared<std::string>();
  auto study = std::make_shared<std::string>();
  auto ids = std::make_shared<std::vector<std::int64_t>>();
  retry->add_option("ids", *ids, "ids as `outbox` shows them");
  retry->add_option("--peer", *peer, "AE title: all rows of this peer that are not sent");
  auto all = std::make_shared<bool>(false);
  retry->add_flag("--all", *all, "with --peer: all of its rows (which is what --peer means)")->needs("--peer");
  retry->add_option("--study", *study, "Study Instance UID of a failed study");
  retry->add_option("--config", *config, "configuration file of the running node")->required();
  auto as_json = std::make_shared<bool>(false);
  retry->add_flag("--json", *as_json, "as JSON");
  retry->callback([=, &exit_code] {
    (void)all;  // keeps what the flag is written to
    exit_code = Guarded([&] {
      if (!ids->empty() + !peer->empty() + !study->empty() != 1)
        throw Error(ErrorCode::kUsage, "retry: name ids, --peer or --study, one of the three");
      const json body = !ids->empty()    ? json{{"ids", *ids}}
                        : !peer->empty() ? json{{"peer", *peer}}
                                         : json{{"study_uid", *study}};
      const json answer = Ask(*config, "POST", "/api/v1/retry", body);
      const int retried = answer.value("retried", 0);
      if (*as_json)
        std::cout << answer.dump(2) << "\n";
      else
        std::cout << (retried > 0
                          ? std::to_string(retried) + (study->empty() ? " rows are" : " study is") + " due now\n"
                          : "nothing to retry: unknown, or sent already\n");
      return retried > 0 ? 0 : 1;
    });
  });
}

}  // namespace glionode::server
