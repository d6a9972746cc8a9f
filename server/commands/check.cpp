#include "config/clock.h"
#include "config/error.h"
#include "config/settings_loader.h"
#include "dicom/sender.h"
#include "dicom/tls.h"
#include "server/commands/commands.h"
#include "server/deployment_check.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>

namespace glionode::server {
namespace {

dicom::SenderOptions SenderFor(const Settings& settings) {
  dicom::SenderOptions options;
  options.calling_ae = settings.node.ae_title;
  options.tls = dicom::LoadTls(settings.dicom.tls);
  return options;
}

/// What the certificates themselves say; false when they cannot be used.
bool CheckTls(const std::string& config, const TlsSettings& settings) {
  try {
    const auto tls = dicom::LoadTls(settings);
    const Clock clock;
    if (tls)
      for (const std::string& warning : tls->Warnings(clock.Wall() / 1000))
        std::cout << FormatFinding(config, {false, settings.line, 1, "dicom.tls: " + warning}) << "\n";
    return true;
  } catch (const Error& error) {
    std::cerr << FormatFinding(config, {true, settings.line, 1, error.what()}) << "\n";
    return false;
  }
}

void Connect(const Settings& settings, int& bad) {
  const dicom::SenderOptions options = SenderFor(settings);
  std::printf("%-16s  %-28s  %s\n", "AE title", "address", "C-ECHO");
  for (const PeerSettings& peer : settings.peers) {
    const dicom::EchoResult echo = dicom::Echo(peer, options);
    bad += !echo.ok;
    std::printf("%-16s  %-28s  %s\n", peer.ae_title.c_str(), (peer.host + ":" + std::to_string(peer.port)).c_str(),
                echo.text.c_str());
  }
}

int Check(const std::string& config, bool connect) {
  const LoadedSettings loaded = LoadSettings(config);
  for (const Finding& finding : loaded.findings)
    (finding.is_error ? std::cerr : std::cout) << FormatFinding(config, finding) << "\n";
  if (!loaded.settings) return 2;
  bool is_good = CheckTls(config, loaded.settings->dicom.tls);
  for (const std::string& error : DeploymentErrors(*loaded.settings)) {
    std::cerr << config << ": error: " << error << "\n";
    is_good = false;
  }
  if (!is_good) return 2;
  for (const std::string& warning : DeploymentWarnings(*loaded.settings))
    std::cout << config << ": warning: " << warning << "\n";
  std::cout << config << ": no mistakes\n";
  int bad = 0;
  if (connect) Connect(*loaded.settings, bad);
  return bad > 0 ? 1 : 0;
}

int EchoPeer(const std::string& config, const std::string& ae_title, bool as_json) {
  const Settings settings = RequireSettings(config);
  for (const PeerSettings& peer : settings.peers) {
    if (peer.ae_title != ae_title) continue;
    const dicom::EchoResult echo = dicom::Echo(peer, SenderFor(settings));
    if (as_json) {
      std::cout << nlohmann::json({{"ae_title", peer.ae_title},
                                   {"host", peer.host},
                                   {"port", peer.port},
                                   {"ok", echo.ok},
                                   {"text", echo.text}})
                       .dump(2)
                << "\n";
      return echo.ok ? 0 : 1;
    }
    (echo.ok ? std::cout : std::cerr) << peer.ae_title << " at " << peer.host << ":" << peer.port << ": " << echo.text
                                      << "\n";
    return echo.ok ? 0 : 1;
  }
  std::cerr << "glionode: " << config << " has no [[peer]] with ae_title = \"" << ae_title << "\"\n";
  return 2;
}

}  // namespace

void AddCheck(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand(
      "check", "Find every mistake of a configuration file, as FILE:LINE:COLUMN: text. Exit 0 or 2.");
  command->footer("Example: glionode check --config /etc/glionode/glionode.toml --connect");
  auto config = std::make_shared<std::string>();
  auto connect = std::make_shared<bool>(false);
  command->add_option("--config", *config, "configuration file (TOML)")->required();
  command->add_flag("--connect", *connect, "also C-ECHO every peer and show a table (exit 1 if one fails)");
  command->callback([config, connect, &exit_code] { exit_code = Guarded([&] { return Check(*config, *connect); }); });
}

void AddEcho(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("echo", "C-ECHO to one peer, with the reason when it fails.");
  auto config = std::make_shared<std::string>();
  auto ae_title = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->footer("Example: glionode echo HOSPITAL_PACS --config FILE");
  command->add_option("ae_title", *ae_title, "AE title of a [[peer]]")->required();
  command->add_option("--config", *config, "configuration file (TOML)")->required();
  command->add_flag("--json", *as_json, "as JSON");
  command->callback([=, &exit_code] { exit_code = Guarded([&] { return EchoPeer(*config, *ae_title, *as_json); }); });
}

}  // namespace glionode::server
