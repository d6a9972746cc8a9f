#include "server/commands/commands.h"
#include "server/commands/role_options.h"
#include "server/csv.h"
#include "server/dicom_folder.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>

namespace glionode::server {
namespace {

using nlohmann::json;

const std::vector<Role> kWanted = {Role::kT1, Role::kT2, Role::kT1ce};

struct Options {
  std::string path, study_uid;
  RoleOptions roles;
  bool as_json = false;
};

int RolesOfFolder(const Options& options) {
  const FolderRules site = RulesOf(options.roles);
  const DicomFolder folder = ReadDicomFolder(options.path);
  const std::vector<StoredHeader>& instances = RequireStudy(folder, options.path, options.study_uid);
  const dicom::StudySelection selection = Select(instances, kWanted, site);
  if (options.as_json) {
    std::cout << json({{"roles", ChosenJson(selection, kWanted)},
                       {"series", RolesJson(selection)},
                       {"reasons", ToJson(selection.reasons)}})
                     .dump(2)
              << "\n";
    return 0;
  }
  std::printf("%-7s %5s %6s  %-32s  %s\n", "role", "score", "images", "description", "why");
  for (const auto& series : RolesJson(selection))
    std::printf("%-7s %5.2f %6d  %-32s  %s\n", series["role"].get<std::string>().c_str(), series["score"].get<double>(),
                series["instances"].get<int>(), series["description"].get<std::string>().c_str(),
                series["why"].get<std::string>().c_str());
  for (const auto& [role, chosen] : selection.chosen)
    std::cout << ToText(role) << ": " << chosen.description << " (" << chosen.sop_instance_uids.size() << " images; "
              << chosen.why << ")\n";
  for (const Reason& reason : selection.reasons) std::cout << ToText(reason.code) << ": " << reason.text << "\n";
  return 0;
}

int RolesOfTable(const Options& options) {
  const FolderRules site = RulesOf(options.roles);
  const CsvTable table = ReadCsv(options.path);
  json list = json::array();
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    dicom::SeriesFacts facts;
    facts.attributes = table.rows[i];
    const dicom::RoleVerdict verdict = dicom::JudgeSeries(facts, site.rules, site.peer);
    if (options.as_json)
      list.push_back({{"row", i + 1},
                      {"role", ToText(verdict.role)},
                      {"score", verdict.score},
                      {"why", verdict.why},
                      {"rule", verdict.rule}});
    else
      std::printf("%6zu  %-7s %5.2f  %s\n", i + 1, std::string(ToText(verdict.role)).c_str(), verdict.score,
                  verdict.why.c_str());
  }
  if (options.as_json) std::cout << list.dump(2) << "\n";
  return 0;
}

}  // namespace

void AddRoles(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("roles",
                                     "Which series of a DICOM folder is T1, T2 or T1ce, and why; or one verdict a row "
                                     "of a .csv whose columns are DICOM keywords.");
  command->footer("Example: glionode roles study/ --config FILE");
  auto options = std::make_shared<Options>();
  command->add_option("path", options->path, "DICOM folder or .csv file")->required();
  command->add_option("--study", options->study_uid, "Study Instance UID, when the folder holds several");
  AddRoleOptions(*command, options->roles);
  command->add_flag("--json", options->as_json, "as JSON");
  command->callback([options, &exit_code] {
    const std::string& path = options->path;
    const bool is_table = path.size() > 4 && path.substr(path.size() - 4) == ".csv";
    exit_code = Guarded([&] { return is_table ? RolesOfTable(*options) : RolesOfFolder(*options); });
  });
}

}  // namespace glionode::server
