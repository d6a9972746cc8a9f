// Commands that need LibTorch and ITK, in a build without them.
#include "config/error.h"
#include "server/commands/commands.h"

namespace glionode::server {
namespace {

void AddMissing(CLI::App& app, int& exit_code, const char* name) {
  auto* command = app.add_subcommand(name, "not in this build (GLIONODE_STANDIN_NETWORK)");
  command->allow_extras();
  command->callback([&exit_code] {
    exit_code = Guarded(
        []() -> int { throw Error(ErrorCode::kMissingPart, "this build has no networks (GLIONODE_STANDIN_NETWORK)"); });
  });
}

}  // namespace

void AddPhantom(CLI::App& app, int& exit_code) { AddMissing(app, exit_code, "phantom"); }
void AddTrain(CLI::App& app, int& exit_code) { AddMissing(app, exit_code, "train"); }
void AddEvaluate(CLI::App& app, int& exit_code) { AddMissing(app, exit_code, "evaluate"); }

}  // namespace glionode::server
