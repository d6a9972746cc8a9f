// Commands that look at one thing of the running node, or change something in it.
#include "config/error.h"
#include "server/commands/commands.h"
#include "server/commands/node_client.h"

#include <iostream>

namespace glionode::server {
namespace {

using nlohmann::json;

/// Options that all of these have.
struct Common {
  std::string config;
  bool as_json = false;
};

std::shared_ptr<Common> AddCommon(CLI::App* command, const char* example) {
  auto common = std::make_shared<Common>();
  command->add_option("--config", common->config, "configuration file of the node")->required();
  command->add_flag("--json", common->as_json, "as JSON");
  command->footer(std::string("Example: ") + example);
  return common;
}

std::string StudyPath(const std::string& uid) { return "/api/v1/studies/" + Encoded(uid); }

void PrintStudy(const json& study) {
  std::cout << "study " << Field(study, "study_uid") << "\nstate " << Field(study, "state")
            << (Field(study, "why").empty() ? "" : ": " + Field(study, "why")) << "\nfrom " << Field(study, "from")
            << ", " << Field(study, "instances") << " images, the last at " << When(study, "last_arrival") << "\n";
  if (study.contains("result")) {
    const json& result = study["result"];
    std::cout << "revision " << Field(study, "revision") << " at " << When(study, "reported_at") << ": "
              << Field(result, "decision");
    if (result.contains("probability_of_necrosis") && result["probability_of_necrosis"].is_number())
      std::cout << ", probability of necrosis "
                << static_cast<int>(result["probability_of_necrosis"].get<double>() * 100 + 0.5) << " %";
    std::cout << "\n";
    for (const auto& reason : result["reasons"])
      std::cout << "  " << Field(reason, "code") << ": " << Field(reason, "text") << "\n";
  }
  if (!study["series"].empty()) {
    std::cout << "\n";
    Table series({"role", "used", "sure", "description", "why"});
    for (const auto& entry : study["series"]) {
      char sure[16];
      std::snprintf(sure, sizeof sure, "%.2f", entry.value("score", 0.0));
      series.Add({Field(entry, "role"), entry.value("chosen", false) ? "yes" : "-", sure, Field(entry, "description"),
                  Field(entry, "why")});
    }
    series.Print();
  }
  if (!study["outbox"].empty()) {
    std::cout << "\n";
    Table outbox({"id", "state", "peer", "kind", "tries", "last answer"});
    for (const auto& row : study["outbox"])
      outbox.Add({Field(row, "id"), Field(row, "state"), Field(row, "peer"), Field(row, "kind"), Field(row, "attempts"),
                  Field(row, "last_status")});
    outbox.Print();
  }
}

void AddShow(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("show", "One study: state, decision, which series is which and why, outbox.");
  auto uid = std::make_shared<std::string>();
  command->add_option("study", *uid, "Study Instance UID")->required();
  auto common = AddCommon(command, "glionode show 1.2.840.113619.2 --config FILE");
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      const json study = AskOrRead(common->config, StudyPath(*uid));
      if (common->as_json)
        std::cout << study.dump(2) << "\n";
      else
        PrintStudy(study);
      return 0;
    });
  });
}

void AddProblems(CLI::App& app, int& exit_code) {
  auto* command =
      app.add_subcommand("problems", "What needs a person, and what to do. Exit 1 when there is something.");
  auto common = AddCommon(command, "glionode problems --config FILE");
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      const json answer = Ask(common->config, "GET", "/api/v1/problems");
      bool is_bad = false;
      if (common->as_json) std::cout << answer.dump(2) << "\n";
      for (const auto& problem : answer["problems"]) {
        is_bad = is_bad || Field(problem, "severity") == "error";
        if (!common->as_json)
          std::cout << Field(problem, "severity") << ": " << Field(problem, "text") << "\n    "
                    << Field(problem, "what_to_do") << "\n";
      }
      if (answer["problems"].empty() && !common->as_json) std::cout << "nothing needs a person\n";
      return is_bad ? 1 : 0;
    });
  });
}

/// A change of one study that answers {flag, "text"}; exit 1 when it was not done.
void Change(const Common& common, const std::string& target, const json& body, const char* flag, int& code) {
  const json answer = Ask(common.config, "POST", target, body);
  if (common.as_json)
    std::cout << answer.dump(2) << "\n";
  else
    std::cout << Field(answer, "text") << "\n";
  code = answer.value(flag, false) ? 0 : 1;
}

void AddRerun(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "rerun", "Evaluate a study once more, as a new revision; says so when nothing has changed since the last one.");
  auto uid = std::make_shared<std::string>();
  command->add_option("study", *uid, "Study Instance UID")->required();
  auto common = AddCommon(command, "glionode rerun 1.2.840.113619.2 --config FILE");
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      int code = 1;
      Change(*common, StudyPath(*uid) + "/rerun", json::object(), "started", code);
      return code;
    });
  });
}

void AddRelease(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "release", "A parked study goes on: you have compared its images, and all are one and the same patient's.");
  auto uid = std::make_shared<std::string>();
  auto reason = std::make_shared<std::string>();
  command->add_option("study", *uid, "Study Instance UID")->required();
  command->add_option("--reason", *reason, "what you found, for the record; no patient's name")->required();
  auto common = AddCommon(command, "glionode release 1.2.840.113619.2 --reason \"ID was corrected\" --config FILE");
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      int code = 1;
      Change(*common, StudyPath(*uid) + "/release", {{"reason", *reason}}, "released", code);
      return code;
    });
  });
}

void AddOutcome(CLI::App& app, int& exit_code) {
  auto* command =
      app.add_subcommand("outcome", "Enter what became known of a study later, for the figures of this site.");
  auto uid = std::make_shared<std::string>();
  auto label = std::make_shared<std::string>();
  auto date = std::make_shared<std::string>();
  auto standard = std::make_shared<std::string>();
  command->add_option("study", *uid, "Study Instance UID")->required();
  command->add_option("label", *label, "recurrence, necrosis, mixed, neither or unknown")->required();
  command->add_option("--date", *date, "of the specimen or the follow-up, YYYY-MM-DD")->required();
  command->add_option("--standard", *standard, "pathology or follow-up")->required();
  auto common = AddCommon(
      command, "glionode outcome 1.2.840.113619.2 necrosis --date 2026-05-04 --standard pathology --config FILE");
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      const json answer = Ask(common->config, "POST", StudyPath(*uid) + "/outcome",
                              {{"label", *label}, {"date", *date}, {"standard", *standard}});
      if (common->as_json)
        std::cout << answer.dump(2) << "\n";
      else
        std::cout << "recorded: " << Field(answer, "label") << " by " << Field(answer, "standard") << " of "
                  << Field(answer, "date") << "\n";
      return 0;
    });
  });
}

void AddReload(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "reload", "The running node reads its configuration again, as on SIGHUP. Exit 1 when it refused the file.");
  auto common = AddCommon(command, "glionode reload --config /etc/glionode/glionode.toml");
  command->callback([=, &exit_code] {
    exit_code = Guarded([&] {
      const json answer = Ask(common->config, "POST", "/api/v1/reload");
      const bool reloaded = answer.value("reloaded", false);
      if (common->as_json) {
        std::cout << answer.dump(2) << "\n";
        return reloaded ? 0 : 1;
      }
      for (const auto& finding : answer["findings"]) std::cout << finding.get<std::string>() << "\n";
      std::cout << (reloaded ? "reloaded\n" : "not reloaded: the old configuration stays in force\n");
      for (const auto& key : answer["needs_restart"])
        std::cout << "needs a restart: " << key.get<std::string>() << "\n";
      return reloaded ? 0 : 1;
    });
  });
}

}  // namespace

void AddOperate(CLI::App& app, int& exit_code) {
  for (const auto add : {AddShow, AddProblems, AddRerun, AddRelease, AddOutcome, AddReload}) add(app, exit_code);
}

}  // namespace glionode::server
