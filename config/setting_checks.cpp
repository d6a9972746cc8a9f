#include "config/setting_checks.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

namespace glionode {
namespace {

/// Where `key` stands, else its section, else the top of the file.
toml::source_region Where(const toml::table& root, const std::string& section, const std::string& key) {
  if (const auto node = root[section][key]) return node.node()->source();
  if (const auto node = root[section]) return node.node()->source();
  return {};
}

/// Two answers under one code could not be told apart by any reader.
void CheckAnswerCodes(SettingReader& reader, const toml::table& root, const ReportCodes& codes) {
  const std::pair<const char*, const ReportCode*> answers[] = {{"recurrence", &codes.recurrence},
                                                               {"necrosis", &codes.necrosis},
                                                               {"indeterminate", &codes.indeterminate},
                                                               {"not_evaluable", &codes.not_evaluable}};
  for (std::size_t i = 0; i < std::size(answers); ++i)
    for (std::size_t k = i + 1; k < std::size(answers); ++k) {
      const ReportCode &a = *answers[i].second, &b = *answers[k].second;
      if ((a.value == b.value && a.scheme == b.scheme) || a.meaning == b.meaning)
        reader.Error(Where(root, "codes", root["codes"][answers[k].first] ? answers[k].first : answers[i].first),
                     std::string("codes.") + answers[i].first + " and codes." + answers[k].first +
                         " are the same: a reader could not tell the two answers apart");
    }
}

bool IsWildcard(const std::string& address) { return address == "0.0.0.0" || address == "::"; }

void CheckTls(SettingReader& reader, const toml::table& root, const Settings& settings) {
  const auto& dicom = settings.dicom;
  const auto& tls = dicom.tls;
  const bool has_section = root["dicom"]["tls"].is_table();
  const auto where = [&](const char* key) {
    if (const auto node = root["dicom"]["tls"][key]) return node.node()->source();
    if (const auto node = root["dicom"]["tls"]) return node.node()->source();
    return Where(root, "dicom", key);
  };
  if (!dicom.plain && !has_section)
    reader.Error(where("plain"), "dicom.plain = false needs a section [dicom.tls]: nothing would be listened on");
  if (!has_section) return;
  if (dicom.plain && tls.port != 0 && tls.port == dicom.port)
    reader.Error(where("port"), "dicom.tls.port: " + std::to_string(tls.port) +
                                    " is dicom.port as well; TLS has a port of its own (2762 by custom)");
  if (tls.port != 0 && tls.port == settings.admin.port)
    reader.Error(where("port"), "dicom.tls.port: " + std::to_string(tls.port) + " is admin.port as well");
  if (tls.client_certificates == "none")
    reader.Warn(where("client_certificates"),
                "dicom.tls.client_certificates = \"none\": whoever calls need not prove who it is");
  else if (!root["dicom"]["tls"]["ca"])
    reader.Error(where("ca"), "dicom.tls.ca is missing: the certificates that callers show are checked against it");
}

/// One [[peer]]: how it proves who it is, and who else looks like it.
void CheckPeer(SettingReader& reader, const toml::table& table, const PeerSettings& peer, const Settings& settings,
               bool has_tls, const MachineNetwork& machine) {
  const auto where = [&](const char* key) { return table.contains(key) ? table.get(key)->source() : table.source(); };
  if (peer.tls && !has_tls)
    reader.Error(where("tls"), "peer.tls needs a section [dicom.tls] with certificate, key and ca");
  else if (peer.tls && settings.dicom.tls.ca.empty())
    reader.Error(where("tls"),
                 "peer.tls needs dicom.tls.ca: the certificate that this peer shows is checked against it");
  if (peer.IsBoundToCertificate()) {
    const char* key = peer.certificate_sha256.empty() ? "certificate_name" : "certificate_sha256";
    if (!has_tls)
      reader.Error(where(key), "peer." + std::string(key) + " needs a section [dicom.tls]");
    else if (settings.dicom.tls.client_certificates == "none")
      reader.Error(where(key), "peer." + std::string(key) + " needs dicom.tls.client_certificates = \"require\"");
  } else if (peer.tls && settings.dicom.plain) {
    reader.Warn(where("tls"), "peer.tls: results go to " + peer.ae_title +
                                  " under TLS, but whoever calls as it from an address of `from` is taken for it: bind "
                                  "it with certificate_name or certificate_sha256");
  }
  const auto* list = table["from"].as_array();
  for (std::size_t i = 0; list && i < list->size(); ++i) {
    const auto source = (*list)[i].value<std::string>();
    if (!source) continue;
    const int bits = FixedBits(*source), all = IsIpv6(*source) ? 128 : 32;
    const auto at = (*list)[i].source();
    const std::string name = "peer.from: \"" + *source + "\" ";
    if (bits > 0 && bits < (IsIpv6(*source) ? 32 : 16))
      reader.Warn(at, name + "is a wide range: whoever is in it can call as " + peer.ae_title);
    const auto holds = [&](const std::string& address) { return Holds(*source, address); };
    const auto bridge = std::find_if(machine.bridges.begin(), machine.bridges.end(), holds);
    const auto gateway = std::find_if(machine.gateways.begin(), machine.gateways.end(), holds);
    // A hospital's range holds its router, which does not hide callers. In a container, the gateway does.
    const bool hides = gateway != machine.gateways.end() && (bits == all || machine.in_container);
    if (bits > 0 && bridge != machine.bridges.end())
      reader.Warn(at,
                  name + "holds " + *bridge +
                      ", this machine's address on a container bridge: all callers that come through it look alike");
    else if (bits > 0 && hides)
      reader.Warn(at, name + (bits == all ? "is " : "holds " + *gateway + ", ") +
                          "this machine's default gateway: where it translates addresses, all callers look alike");
  }
}

/// Is DICOM without TLS listened on where strangers may reach it?
void CheckPlain(SettingReader& reader, const toml::table& root, const Settings& settings,
                const MachineNetwork& machine) {
  const auto& dicom = settings.dicom;
  if (!dicom.plain) return;
  const bool everywhere = IsWildcard(dicom.bind);
  const auto open = std::find_if_not(machine.own.begin(), machine.own.end(), IsPrivate);
  const std::string what = everywhere && open != machine.own.end()
                               ? "dicom.bind: every interface, " + *open + " too, is"
                           : everywhere             ? "dicom.bind: every interface of this machine is"
                           : !IsPrivate(dicom.bind) ? "dicom.bind: " + dicom.bind + " is a public address, and"
                                                    : "";
  if (what.empty()) return;
  // With TLS beside it, a wildcard is a choice; a public address stays one to warn of.
  if (everywhere && open == machine.own.end() && dicom.tls.Enabled()) return;
  reader.Warn(Where(root, "dicom", "bind"),
              what +
                  " listened on without TLS: AE titles and addresses are no proof of who calls. Bind the address of "
                  "the imaging network, or use [dicom.tls] with plain = false");
}

/// The administrator's interface: complete, when others than this machine reach it.
void CheckAdmin(SettingReader& reader, const toml::table& root, const AdminSettings& admin) {
  const bool is_local = admin.bind == "::1" || admin.bind.rfind("127.", 0) == 0;
  if (admin.certificate.empty() != admin.key.empty())
    reader.Error(Where(root, "admin", admin.certificate.empty() ? "key" : "certificate"),
                 "admin.certificate and admin.key come together");
  if (!is_local && (admin.certificate.empty() || admin.key.empty() || admin.token_file.empty()))
    reader.Error(Where(root, "admin", "bind"),
                 "admin.bind: other machines reach " + admin.bind +
                     ": that needs certificate, key and token_file (or bind = \"127.0.0.1\")");
  std::error_code ignored;
  for (const auto& [key, file] :
       {std::pair{"certificate", &admin.certificate}, {"key", &admin.key}, {"token_file", &admin.token_file}})
    if (!file->empty() && !std::filesystem::exists(*file, ignored))
      reader.Warn(Where(root, "admin", key), std::string("admin.") + key + ": " + file->string() + " is not there yet");
}

}  // namespace

void CheckTogether(SettingReader& reader, const toml::table& root, const Settings& settings,
                   const MachineNetwork& machine) {
  const auto& dicom = settings.dicom;
  const auto& study = settings.study;
  const auto& admin = settings.admin;
  if (dicom.max_connections < dicom.max_associations)
    reader.Error(Where(root, "dicom", "max_connections"),
                 "dicom.max_connections (" + std::to_string(dicom.max_connections) +
                     ") is smaller than dicom.max_associations (" + std::to_string(dicom.max_associations) + ")");
  if (dicom.port != 0 && dicom.port == admin.port &&
      (dicom.bind == admin.bind || IsWildcard(dicom.bind) || IsWildcard(admin.bind)))
    reader.Error(Where(root, "admin", "port"), "admin.port: " + std::to_string(admin.port) + " is dicom.port as well");
  CheckAdmin(reader, root, admin);
  if (settings.housekeeping.free_gib > 0 && settings.housekeeping.free_gib < settings.storage.min_free_gib)
    reader.Warn(Where(root, "housekeeping", "free_gib"),
                "housekeeping.free_gib is below storage.min_free_gib: images are refused before old ones are removed");
  if (study.max_wait_seconds < study.quiet_seconds)
    reader.Warn(Where(root, "study", "max_wait_seconds"),
                "study.max_wait_seconds is shorter than study.quiet_seconds, which then never counts");
  std::error_code ignored;
  if (!settings.node.data_dir.empty() && !std::filesystem::is_directory(settings.node.data_dir, ignored))
    reader.Warn(Where(root, "node", "data_dir"),
                "node.data_dir: " + settings.node.data_dir.string() + " is not there yet; it will be made");
  if (!settings.model.bundle.empty() && !std::filesystem::exists(settings.model.bundle / "bundle.json", ignored))
    reader.Warn(Where(root, "model", "bundle"),
                "model.bundle: there is no bundle.json in " + settings.model.bundle.string() + " yet");
  CheckAnswerCodes(reader, root, settings.codes);
  CheckTls(reader, root, settings);
  CheckPlain(reader, root, settings, machine);
  const auto* peers = root["peer"].as_array();
  const bool has_tls = root["dicom"]["tls"].is_table();
  for (std::size_t i = 0, read = 0; peers && i < peers->size() && read < settings.peers.size(); ++i)
    if (const auto* table = (*peers)[i].as_table())
      CheckPeer(reader, *table, settings.peers[read++], settings, has_tls, machine);
}

}  // namespace glionode
