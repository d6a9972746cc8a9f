#pragma once
#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <string>

namespace glionode::server {

/// Every subcommand registers itself and stores its exit code in `exit_code`:
/// 0 done, 1 it ran and the outcome is bad, 2 wrong usage or configuration, 3 a part it needs is missing.
void AddServe(CLI::App& app, int& exit_code);
void AddCheck(CLI::App& app, int& exit_code);
void AddEcho(CLI::App& app, int& exit_code);
void AddStatus(CLI::App& app, int& exit_code);   ///< status, studies, outbox, retry, withdraw
void AddOperate(CLI::App& app, int& exit_code);  ///< show, problems, rerun, release, outcome, reload
void AddInit(CLI::App& app, int& exit_code);
void AddClassify(CLI::App& app, int& exit_code);
void AddRoles(CLI::App& app, int& exit_code);
void AddReport(CLI::App& app, int& exit_code);
void AddUpkeep(CLI::App& app, int& exit_code);  ///< verify, backup, delete
void AddWorker(CLI::App& app, int& exit_code);
void AddPhantom(CLI::App& app, int& exit_code);
void AddTrain(CLI::App& app, int& exit_code);
void AddEvaluate(CLI::App& app, int& exit_code);

/// Runs `work` (which returns an exit code); an Error or exception is printed as one line and becomes an exit code.
int Guarded(const std::function<int()>& work);
/// Who calls, for the audit trail: the name of the local user.
std::string LocalUser();

/// The bundle that is used when none is named: the installed one, else the checkout's models/phantom-resnet10.
std::string DefaultBundle();

}  // namespace glionode::server
