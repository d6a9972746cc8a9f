#include "server/commands/commands.h"
#include "server/csv.h"
#include "server/dicom_folder.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>

namespace glionode::server {
namespace {

using nlohmann::json;

const std::vector<Role> kWanted = {Role::kT1, Role::kT2, Role::kT1ce};

int RolesOfFolder(const std::string& path, const std::string& study_uid, bool as_json) {
  const DicomFolder folder = ReadDicomFolder(path);
  const dicom::StudySelection selection = Select(RequireStudy(folder, path, study_uid), kWanted);
  if (as_json) {
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

int RolesOfTable(const std::string& path, bool as_json) {
  const CsvTable table = ReadCsv(path);
  json list = json::array();
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    dicom::SeriesFacts facts;
    facts.attributes = table.rows[i];
    const dicom::RoleVerdict verdict = dicom::JudgeSeries(facts);
    if (as_json)
      list.push_back({{"row", i + 1}, {"role", ToText(verdict.role)}, {"score", verdict.score}, {"why", verdict.why}});
    else
      std::printf("%6zu  %-7s %5.2f  %s\n", i + 1, std::string(ToText(verdict.role)).c_str(), verdict.score,
                  verdict.why.c_str());
  }
  if (as_json) std::cout << list.dump(2) << "\n";
  return 0;
}

}  // namespace

void AddRoles(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("roles",
                                     "Which series of a DICOM folder is T1, T2 or T1ce, and why; or one verdict a row "
                                     "of a .csv whose columns are DICOM keywords.");
  auto path = std::make_shared<std::string>();
  auto study = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("path", *path, "DICOM folder or .csv file")->required();
  command->add_option("--study", *study, "Study Instance UID, when the folder holds several");
  command->add_flag("--json", *as_json, "as JSON");
  command->callback([=, &exit_code] {
    const bool is_table = path->size() > 4 && path->substr(path->size() - 4) == ".csv";
    exit_code =
        Guarded([&] { return is_table ? RolesOfTable(*path, *as_json) : RolesOfFolder(*path, *study, *as_json); });
  });
}

}  // namespace glionode::server
