#include "config/error.h"
#include "config/settings_loader.h"
#include "server/commands/commands.h"
#include "server/configuration_writer.h"

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <iostream>
#include <sys/stat.h>
#include <unistd.h>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

/// One question; an empty line takes what stands in brackets.
std::string Question(const std::string& text, const std::string& fallback) {
  std::cout << text << (fallback.empty() ? "" : " [" + fallback + "]") << ": " << std::flush;
  std::string answer;
  if (!std::getline(std::cin, answer)) throw Error(ErrorCode::kUsage, "no answer: give the flags instead (--help)");
  return answer.empty() ? fallback : answer;
}

int NumberFrom(const std::string& text, const char* what) {
  try {
    std::size_t used = 0;
    const int number = std::stoi(text, &used);
    if (used == text.size()) return number;
  } catch (const std::exception&) {
  }
  throw Error(ErrorCode::kUsage, std::string(what) + ": \"" + text + "\" is no number");
}

void AskAll(FirstAnswers& answers) {
  std::cout << "A few questions; Enter takes what stands in brackets.\n";
  answers.ae_title = Question("AE title of this node", answers.ae_title);
  answers.port = NumberFrom(Question("DICOM port", std::to_string(answers.port)), "port");
  answers.data_dir = Question("Folder for images and results", answers.data_dir);
  answers.peer_ae = Question("AE title of the first PACS (empty: none yet)", answers.peer_ae);
  if (!answers.peer_ae.empty()) {
    answers.peer_host = Question("Its host name or address", answers.peer_host);
    answers.peer_port = NumberFrom(Question("Its DICOM port", std::to_string(answers.peer_port)), "port");
    answers.deliver = Question("Send results to it? all, or none while trying out", answers.deliver);
  }
  answers.accept = Question("Evaluate studies whose description holds (regular expression)", answers.accept);
  answers.bundle = Question("Folder of the model bundle", answers.bundle);
}

int Init(const std::string& file, FirstAnswers answers, bool ask, bool overwrite) {
  if (fs::exists(file) && !overwrite)
    throw Error(ErrorCode::kUsage, file + " is there already; --force writes over it");
  if (answers.bundle.empty()) answers.bundle = fs::absolute(DefaultBundle());
  if (ask) AskAll(answers);
  // Written beside, checked, then put in its place: a mistake in an answer leaves no broken file.
  const std::string draft = file + ".new";
  const int descriptor = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  const std::string text = FirstConfiguration(answers);
  const bool written =
      descriptor >= 0 && write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (descriptor >= 0) close(descriptor);
  if (!written) throw Error(ErrorCode::kUsage, draft + " cannot be written");
  const LoadedSettings loaded = LoadSettings(draft);
  for (const Finding& finding : loaded.findings)
    (finding.is_error ? std::cerr : std::cout) << FormatFinding(file, finding) << "\n";
  if (!loaded.settings) {
    fs::remove(draft);
    return 2;
  }
  fs::rename(draft, file);
  std::cout << file << " is written. Next:\n  glionode check --connect --config " << file
            << "\n  glionode serve --config " << file << "\n";
  return 0;
}

}  // namespace

void AddInit(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("init", "Write a first, commented configuration: asks, or takes flags.");
  auto file = std::make_shared<std::string>("glionode.toml");
  auto answers = std::make_shared<FirstAnswers>();
  auto yes = std::make_shared<bool>(false);
  auto force = std::make_shared<bool>(false);
  command->add_option("--config", *file, "file to write")->capture_default_str();
  command->add_option("--ae-title", answers->ae_title, "AE title of this node")->capture_default_str();
  command->add_option("--port", answers->port, "DICOM port")->capture_default_str();
  command->add_option("--data-dir", answers->data_dir, "folder for images and results")->capture_default_str();
  command->add_option("--peer-ae", answers->peer_ae, "AE title of the first PACS");
  command->add_option("--peer-host", answers->peer_host, "its host name or address");
  command->add_option("--peer-port", answers->peer_port, "its DICOM port")->capture_default_str();
  command->add_option("--deliver", answers->deliver, "all or none")->capture_default_str();
  command->add_option("--accept", answers->accept, "regular expression on StudyDescription")->capture_default_str();
  command->add_option("--bundle", answers->bundle, "folder of the model bundle");
  command->add_flag("--yes", *yes, "ask nothing: flags and defaults");
  command->add_flag("--force", *force, "write over an existing file");
  command->footer(
      "Example: glionode init --yes --peer-ae HOSPITAL_PACS --peer-host 10.20.0.5 --config "
      "/etc/glionode/glionode.toml");
  command->callback([=, &exit_code] { exit_code = Guarded([&] { return Init(*file, *answers, !*yes, *force); }); });
}

}  // namespace glionode::server
