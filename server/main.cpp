#include "dicom/toolkit_log.h"
#include "server/commands/commands.h"
#include "server/version.h"

#include <csignal>
#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
  using namespace glionode::server;
  // A peer that goes away in the middle of an answer must not end the node.
  std::signal(SIGPIPE, SIG_IGN);

  glionode::dicom::SilenceToolkit();

  CLI::App app("PACS inference node: glioma recurrence or radiation necrosis. NOT FOR CLINICAL USE.", "glionode");
  app.set_version_flag("--version", VersionWithCommit());
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 the outcome is bad, 2 wrong usage or configuration, 3 a part is missing.");
  int exit_code = 0;
  for (const auto add : {AddServe, AddInit, AddCheck, AddEcho, AddStatus, AddOperate, AddClassify, AddRoles, AddReport,
                         AddPhantom, AddTrain, AddEvaluate, AddUpkeep, AddWorker})
    add(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return exit_code;
}
