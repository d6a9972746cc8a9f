// verify, backup, delete: the running node does it, or, where none runs, this program on the data folder itself.
#include "config/error.h"
#include "config/settings_loader.h"
#include "server/commands/commands.h"
#include "server/commands/node_client.h"
#include "server/verify.h"
#include "storage/file_store.h"
#include "storage/inventory.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <thread>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kLongSeconds = 3600;  // removing many images
constexpr auto kPoll = std::chrono::milliseconds(300);

/// The node's answer, or nothing when no node runs.
std::optional<json> TryNode(const std::string& config, const std::string& method, const std::string& target,
                            const json& body = nullptr) {
  try {
    return Ask(config, method, target, body, kLongSeconds);
  } catch (const Error& e) {
    if (e.Code() == ErrorCode::kNotFound) return std::nullopt;
    throw;
  }
}

void ShowProgress(std::int64_t checked, std::int64_t total, bool last) {
  std::fprintf(stderr, "\r%lld of %lld files%s", static_cast<long long>(checked), static_cast<long long>(total),
               last ? "\n" : "");
  std::fflush(stderr);
}

json FromProgress(const VerifyProgress& progress) {
  return {{"running", progress.running}, {"ended", progress.ended}, {"checked", progress.checked},
          {"total", progress.total},     {"bad", progress.bad},     {"problems", progress.problems}};
}

int Verify(const std::string& config, bool as_json) {
  json result;
  const auto wait = [&](const std::function<json()>& ask) {
    for (result = ask(); result.at("running"); result = ask()) {
      if (!as_json) ShowProgress(result.at("checked"), result.at("total"), false);
      std::this_thread::sleep_for(kPoll);
    }
  };
  if (const auto started = TryNode(config, "POST", "/api/v1/verify", {{"start", true}})) {
    wait([&] { return Ask(config, "POST", "/api/v1/verify", {{"start", false}}); });
  } else {
    // The lock of the data folder says that really nobody runs.
    const storage::FileStore files(RequireSettings(config).node.data_dir);
    storage::Database database(files.IndexFile());
    Verifier verifier(files.Root(), database);
    verifier.Start();
    wait([&] { return FromProgress(verifier.Progress()); });
  }
  if (as_json) {
    std::cout << result.dump(2) << "\n";
  } else {
    ShowProgress(result.at("checked"), result.at("total"), true);
    for (const auto& problem : result.at("problems")) std::cout << problem.get<std::string>() << "\n";
    std::cout << (result.at("bad") == 0 ? "every file is as it was stored"
                                        : result.at("bad").dump() + " files are not as they were stored")
              << "\n";
  }
  return result.at("bad") == 0 && result.at("ended") ? 0 : 1;
}

/// Files never change once they are there: one with the same size is the same file. Returns how many were copied.
int CopyNew(const fs::path& from, const fs::path& to) {
  int copied = 0;
  if (!fs::exists(from)) return 0;
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    const fs::path target = to / fs::relative(entry.path(), from);
    if (entry.is_directory()) {
      fs::create_directories(target);
      continue;
    }
    std::error_code gone;
    const auto size = fs::file_size(entry.path(), gone);
    // Removed since (housekeeping), or there from an earlier backup. delivered.txt grows: its size differs then.
    if (gone || (fs::exists(target) && fs::file_size(target) == size)) continue;
    fs::create_directories(target.parent_path());
    const fs::path partial = target.string() + ".partial";
    if (fs::copy_file(entry.path(), partial, fs::copy_options::overwrite_existing, gone) && !gone) {
      fs::rename(partial, target);
      ++copied;
    } else if (fs::exists(entry.path())) {
      throw Error(ErrorCode::kInternal, "copying " + entry.path().string() + ": " + gone.message());
    }
  }
  return copied;
}

int Backup(const std::string& config, const std::string& folder) {
  const Settings settings = RequireSettings(config);
  const fs::path target = fs::absolute(folder), index = target / "index.sqlite", fresh = target / "index.sqlite.new";
  const fs::path data = settings.node.data_dir;
  fs::create_directories(target);
  fs::permissions(target, fs::perms::owner_all);  // it holds patients' data
  if (fs::exists(index) != fs::exists(target / "node-id"))
    throw Error(ErrorCode::kUsage, target.string() + " holds something else than a backup of a node");
  fs::remove(fresh);
  // A running node gives rows to what it has received before it answers this.
  const bool runs = TryNode(config, "GET", "/api/v1/status").has_value();
  // Of a stopped node: that really nobody runs, until all is copied, also what lies in staging.
  std::optional<storage::FileStore> stopped;
  if (!runs) stopped.emplace(data);
  // The index first: every file that it names is there before it names it, and files never change. This process copies
  // it while the node writes: the node itself may write to its data folder alone (its unit; the mode of `target`).
  storage::CopyIndex(data / "index.sqlite", fresh);
  int copied = 0;
  for (const char* part : {"images", "results"}) copied += CopyNew(data / part, target / part);
  // What a node that died had acknowledged and not put to its place; the next start, here or there, does.
  fs::remove_all(target / "staging");
  if (!runs) copied += CopyNew(data / "staging", target / "staging");
  fs::copy_file(data / "node-id", target / "node-id", fs::copy_options::overwrite_existing);
  fs::rename(fresh, index);
  std::cout << "the index and " << copied << " new files were copied to " << target.string() << "\n";
  return 0;
}

int Delete(const std::string& config, const std::string& study, const std::string& patient, const std::string& why) {
  if (study.empty() == patient.empty())
    throw Error(ErrorCode::kUsage, "delete: name a study or --patient, one of the two");
  json body = {{"user", LocalUser()}, {"why", why}};
  body[study.empty() ? "patient_id" : "study_uid"] = study.empty() ? patient : study;
  const json answer = Ask(config, "POST", "/api/v1/delete", body, kLongSeconds);
  for (const auto& uid : answer.at("studies")) std::cout << "deleted: study " << uid.get<std::string>() << "\n";
  std::cout << answer.at("images") << " images and all results of these studies are gone; the audit trail says so\n";
  return 0;
}

}  // namespace

void AddUpkeep(CLI::App& app, int& exit_code) {
  const auto config_of = [](CLI::App* command) {
    auto config = std::make_shared<std::string>();
    command->add_option("--config", *config, "configuration file of the node")->required();
    return config;
  };
  auto* verify = app.add_subcommand(
      "verify", "Read every stored file again and compare its hash with the index, while the node runs or not.");
  verify->footer("Example: glionode verify --config FILE");
  auto verify_config = config_of(verify);
  auto as_json = std::make_shared<bool>(false);
  verify->add_flag("--json", *as_json, "as JSON");
  verify->callback([=, &exit_code] { exit_code = Guarded([&] { return Verify(*verify_config, *as_json); }); });

  auto* backup = app.add_subcommand(
      "backup", "Copy index, images and results into a folder, while the node runs or not; again, only what is new.");
  backup->footer("Example: glionode backup /backup/glionode --config FILE");
  auto folder = std::make_shared<std::string>();
  backup->add_option("folder", *folder, "where to; made if needed")->required();
  auto backup_config = config_of(backup);
  backup->callback([=, &exit_code] {
    exit_code = Guarded([&]() -> int {
      try {
        return Backup(*backup_config, *folder);
      } catch (const fs::filesystem_error& e) {
        throw Error(ErrorCode::kInternal, "backup: " + e.path1().string() + ": " + e.code().message());
      }
    });
  });

  auto* remove = app.add_subcommand(
      "delete", "Delete a study, or all of a patient: images, results and records. Not to be undone; it is on record.");
  remove->footer("Example: glionode delete 1.2.3 --why \"asked for by the patient\" --config FILE");
  auto study = std::make_shared<std::string>(), patient = std::make_shared<std::string>(),
       why = std::make_shared<std::string>();
  remove->add_option("study", *study, "Study Instance UID");
  remove->add_option("--patient", *patient, "Patient ID: all of its studies");
  remove->add_option("--why", *why, "for the audit trail (nothing of the patient)");
  auto remove_config = config_of(remove);
  remove->callback(
      [=, &exit_code] { exit_code = Guarded([&] { return Delete(*remove_config, *study, *patient, *why); }); });
}

}  // namespace glionode::server
