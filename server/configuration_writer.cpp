#include "server/configuration_writer.h"

#include <nlohmann/json.hpp>

namespace glionode::server {
namespace {

/// Basic strings of TOML are written as those of JSON are.
std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string FirstConfiguration(const FirstAnswers& answers) {
  std::string text =
      "# Configuration of a glionode, made by `glionode init`. NOT FOR CLINICAL USE.\n"
      "# All keys with their meaning: glionode.example.toml. After a change:\n"
      "#     glionode check --config FILE     then     glionode reload --config FILE\n"
      "\n"
      "[node]\n"
      "# What a PACS must call.\n"
      "ae_title = " +
      Quoted(answers.ae_title) +
      "\n"
      "# Images, results and the index: patient data. Only the node's own user may read it.\n"
      "data_dir = " +
      Quoted(answers.data_dir) +
      "\n"
      "\n"
      "[dicom]\n"
      "# Every interface of this machine. One address alone: write it here.\n"
      "bind = \"0.0.0.0\"\n"
      "port = " +
      std::to_string(answers.port) +
      "\n"
      "\n"
      "[model]\n"
      "# The bundle that comes with the node decides on phantoms only; a site puts its own here.\n"
      "bundle = " +
      Quoted(answers.bundle) +
      "\n"
      "\n"
      "[admin]\n"
      "# The page, for whoever is logged in on this machine. Other addresses need certificate, key and token_file.\n"
      "bind = \"127.0.0.1\"\n"
      "port = 8080\n"
      "\n";
  if (answers.peer_ae.empty())
    text +=
        "# Who may send, and gets the results. Without a [[peer]] nobody may.\n# [[peer]]\n# ae_title = "
        "\"HOSPITAL_PACS\"\n# host = \"10.20.0.5\"\n# port = 104\n# deliver = \"none\"\n\n";
  else
    text +=
        "# Who may send, and gets the results.\n"
        "[[peer]]\n"
        "ae_title = " +
        Quoted(answers.peer_ae) +
        "\n"
        "# Where results go, and where it may call from. It calls from elsewhere: from = [\"10.20.0.0/24\"].\n"
        "host = " +
        Quoted(answers.peer_host) +
        "\n"
        "port = " +
        std::to_string(answers.peer_port) +
        "\n"
        "# \"none\": results are computed and shown, nothing is sent. \"all\" goes live; nothing of the past is sent.\n"
        "deliver = " +
        Quoted(answers.deliver) + "\n\n";
  if (answers.accept.empty())
    text +=
        "# Which studies are evaluated. Without a rule none is.\n# [[accept]]\n# StudyDescription = \"(?i)glioma\"\n";
  else
    text +=
        "# Which studies are evaluated: a regular expression that their description must hold.\n"
        "[[accept]]\n"
        "StudyDescription = " +
        Quoted(answers.accept) + "\n";
  return text;
}

}  // namespace glionode::server
