#include "config/settings_loader.h"

#include "config/error.h"
#include "config/machine_network.h"
#include "config/setting_checks.h"
#include "config/setting_keys.h"
#include "config/setting_reader.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <sstream>

namespace glionode {
namespace {

/// A section of the file and the keys in it, for suggestions.
struct Section {
  std::string name;
  bool is_list;  ///< [[peer]] instead of [node]
  std::vector<std::string> keys;
};

template <typename Struct, std::size_t N>
std::vector<std::string> Names(const SettingKey<Struct> (&keys)[N]) {
  std::vector<std::string> names;
  for (const auto& key : keys) names.emplace_back(key.name);
  return names;
}

const std::vector<Section>& Sections() {
  static const std::vector<Section> sections = {
      {"node", false, Names(kNodeKeys)},
      {"log", false, Names(kLogKeys)},
      {"dicom", false, Names(kDicomKeys)},
      {"dicom.tls", false, Names(kTlsKeys)},
      {"study", false, Names(kStudyKeys)},
      {"model", false, Names(kModelKeys)},
      {"admin", false, Names(kAdminKeys)},
      {"storage", false, Names(kStorageKeys)},
      {"housekeeping", false, Names(kHousekeepingKeys)},
      {"audit", false, Names(kAuditKeys)},
      {"codes", false, Names(kCodesKeys)},
      {"peer", true, Names(kPeerKeys)},
      {"accept", true, Names(kAcceptKeys)},
      {"role", true, Names(kRoleKeys)},
  };
  return sections;
}

std::string Header(const Section& section) {
  return section.is_list ? "[[" + section.name + "]]" : "[" + section.name + "]";
}

/// " (it belongs into [dicom])", the nearest key of this section, or "".
std::string Hint(const std::string& key, const std::string& section_name) {
  std::vector<std::string> here;
  std::string elsewhere;
  for (const Section& section : Sections()) {
    if (section.name == section_name)
      here = section.keys;
    else if (std::find(section.keys.begin(), section.keys.end(), key) != section.keys.end())
      elsewhere += (elsewhere.empty() ? "" : " or ") + Header(section);
  }
  const std::string near = DidYouMean(key, here);
  if (!near.empty()) return near;
  return elsewhere.empty() ? "" : " (it belongs into " + elsewhere + ")";
}

bool IsKeyword(std::string_view key) {
  return key.size() <= 64 && !key.empty() && std::isupper(static_cast<unsigned char>(key[0])) &&
         std::all_of(key.begin(), key.end(), [](unsigned char c) { return c < 128 && std::isalnum(c); });
}

template <typename Struct, std::size_t N, typename Unknown>
void ReadKeys(SettingReader& reader, const toml::table& table, const std::string& section,
              const SettingKey<Struct> (&keys)[N], Struct& into, const Unknown& unknown) {
  for (auto&& [key, node] : table) {
    const std::string name(key.str());
    const auto* known =
        std::find_if(std::begin(keys), std::end(keys), [&](const auto& entry) { return entry.name == name; });
    if (known != std::end(keys))
      known->read(reader, section + "." + name, node, into);
    else
      unknown(key, node);
  }
  for (const auto& key : keys)
    if (key.required && !table.contains(key.name))
      reader.Error(table.source(), section + "." + std::string(key.name) + " is missing; it has no default");
}

auto UnknownKey(SettingReader& reader, const std::string& section) {
  return [&reader, section](const toml::key& key, const toml::node&) {
    const std::string name(key.str());
    if (section == "dicom" && name == "tls") return;  // a section of its own: ReadTls
    reader.Error(key.source(), "unknown key " + section + "." + name + Hint(name, section));
  };
}

/// [section]: its table, or empty after a mistake or when it is not there.
template <typename Struct, std::size_t N>
void ReadSection(SettingReader& reader, const toml::table& root, const std::string& section,
                 const SettingKey<Struct> (&keys)[N], Struct& into) {
  const toml::node* node = root.get(section);
  if (!node) {
    for (const auto& key : keys)
      if (key.required)
        reader.Error({}, section + "." + std::string(key.name) + " is missing; it has no default (section [" + section +
                             "] is not there)");
    return;
  }
  if (const auto* table = node->as_table())
    ReadKeys(reader, *table, section, keys, into, UnknownKey(reader, section));
  else
    reader.Error(node->source(), section + " is a section: write [" + section + "] once, with its keys below");
}

/// [dicom.tls]: a section within one; without it there is no TLS.
void ReadTls(SettingReader& reader, const toml::table& root, TlsSettings& into) {
  const auto node = root["dicom"]["tls"];
  if (!node) return;
  const auto* table = node.as_table();
  if (!table)
    return reader.Error(node.node()->source(), "dicom.tls is a section: write [dicom.tls], with its keys below");
  into.line = static_cast<int>(table->source().begin.line);
  ReadKeys(reader, *table, "dicom.tls", kTlsKeys, into, UnknownKey(reader, "dicom.tls"));
}

/// The tables of [[section]].
std::vector<const toml::table*> Tables(SettingReader& reader, const toml::table& root, const std::string& section) {
  std::vector<const toml::table*> tables;
  const toml::node* node = root.get(section);
  if (!node) return tables;
  const auto* list = node->as_array();
  if (!list) {
    reader.Error(node->source(), section + " may come several times: write [[" + section + "]] with two brackets");
    return tables;
  }
  for (const toml::node& entry : *list) {
    if (const auto* table = entry.as_table())
      tables.push_back(table);
    else
      reader.Error(entry.source(), section + ": expected tables, write [[" + section + "]]");
  }
  return tables;
}

void ReadPeers(SettingReader& reader, const toml::table& root, Settings& settings) {
  std::map<std::string, int> lines;
  bool any_delivers = false;
  const auto tables = Tables(reader, root, "peer");
  for (const toml::table* table : tables) {
    PeerSettings peer;
    ReadKeys(reader, *table, "peer", kPeerKeys, peer, UnknownKey(reader, "peer"));
    if (peer.from.empty() && !peer.host.empty() && !peer.IsBoundToCertificate()) peer.from = {peer.host};
    any_delivers = any_delivers || peer.deliver != "none";
    if (!peer.ae_title.empty()) {
      const auto where = table->get("ae_title")->source();
      const auto [first, is_new] = lines.emplace(peer.ae_title, static_cast<int>(where.begin.line));
      if (!is_new)
        reader.Error(where, "peer.ae_title: \"" + peer.ae_title + "\" has a [[peer]] already, in line " +
                                std::to_string(first->second));
      if (peer.ae_title == settings.node.ae_title)
        reader.Warn(where, "peer.ae_title: \"" + peer.ae_title + "\" is this node's own AE title");
    }
    settings.peers.push_back(std::move(peer));
  }
  for (std::size_t i = 0; i < tables.size(); ++i)
    for (const std::string& old : settings.peers[i].formerly)
      if (lines.count(old))
        reader.Error(tables[i]->get("formerly")->source(),
                     "peer.formerly: \"" + old + "\" has a [[peer]] of its own, in line " + std::to_string(lines[old]));
  if (root.contains("peer") && tables.empty()) return;
  if (tables.empty())
    reader.Warn({}, "no [[peer]]: nobody may send to this node");
  else if (!any_delivers)
    reader.Warn(tables.front()->source(),
                "no peer has deliver = \"all\": results are computed and shown, but nothing is sent");
}

/// A DICOM keyword in a rule: false, and said, if it cannot be one; only a warning if it looks misspelt, because any
/// keyword may be meant. `own`: the keys of the rule beside keywords.
bool CheckKeyword(SettingReader& reader, const std::string& section, const toml::key& key,
                  const std::vector<std::string>& own) {
  static const std::vector<std::string> usual(std::begin(kUsualKeywords), std::end(kUsualKeywords));
  const std::string name(key.str());
  if (!IsKeyword(name)) {
    auto known = own;
    known.insert(known.end(), usual.begin(), usual.end());
    std::string expected =
        "a DICOM keyword such as " + std::string(section == "role" ? "Series" : "Study") + "Description";
    for (const std::string& other : own) expected += ", or " + other;
    reader.Error(key.source(),
                 "unknown key " + section + "." + name + ": expected " + expected + DidYouMean(name, known));
    return false;
  }
  if (std::find(usual.begin(), usual.end(), name) == usual.end() && Nearest(name, usual))
    reader.Warn(key.source(), section + "." + name + " is an unusual keyword" + DidYouMean(name, usual));
  return true;
}

void CheckRulePeer(SettingReader& reader, const toml::table& table, const std::string& section, const std::string& peer,
                   const Settings& settings) {
  if (peer.empty() || std::any_of(settings.peers.begin(), settings.peers.end(),
                                  [&](const PeerSettings& known) { return known.ae_title == peer; }))
    return;
  reader.Warn(table.get("peer")->source(),
              section + ".peer: no [[peer]] has the AE title \"" + peer + "\"; this rule matches nothing");
}

void ReadAcceptRules(SettingReader& reader, const toml::table& root, Settings& settings) {
  for (const toml::table* table : Tables(reader, root, "accept")) {
    AcceptRule rule;
    rule.line = static_cast<int>(table->source().begin.line);
    ReadKeys(reader, *table, "accept", kAcceptKeys, rule, [&](const toml::key& key, const toml::node& node) {
      const std::string name(key.str());
      if (!CheckKeyword(reader, "accept", key, Names(kAcceptKeys))) return;
      std::string pattern;
      if (reader.ReadRegex("accept." + name, node, pattern)) rule.matches[name] = pattern;
    });
    if (table->empty()) reader.Warn(table->source(), "this [[accept]] has no condition: every study is evaluated");
    CheckRulePeer(reader, *table, "accept", rule.peer, settings);
    settings.accept.push_back(std::move(rule));
  }
  if (!root.contains("accept"))
    reader.Warn({}, "no [[accept]] rule: studies are stored and shown, but none is evaluated");
}

void ReadRoleRules(SettingReader& reader, const toml::table& root, Settings& settings) {
  for (const toml::table* table : Tables(reader, root, "role")) {
    RoleRule rule;
    rule.line = static_cast<int>(table->source().begin.line);
    int conditions = 0;
    ReadKeys(reader, *table, "role", kRoleKeys, rule, [&](const toml::key& key, const toml::node& node) {
      const std::string name(key.str());
      ++conditions;
      if (!CheckKeyword(reader, "role", key, Names(kRoleKeys))) return;
      AttributeCondition condition;
      if (reader.ReadCondition("role." + name, node, condition)) rule.matches[name] = std::move(condition);
    });
    // Unlike an [[accept]] without a condition, this one can never be meant: it would give every series the same role.
    if (conditions == 0)
      reader.Error(table->source(),
                   "this [[role]] has no condition and would fit every series; add a DICOM keyword such as "
                   "SeriesDescription = \"...\"");
    CheckRulePeer(reader, *table, "role", rule.peer, settings);
    settings.roles.push_back(std::move(rule));
  }
}

void ReportUnknownSections(SettingReader& reader, const toml::table& root) {
  std::vector<std::string> names;
  for (const Section& section : Sections())
    if (section.name.find('.') == std::string::npos) names.push_back(section.name);
  for (auto&& [key, node] : root) {
    const std::string name(key.str());
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const bool is_section = node.is_table() || node.is_array_of_tables();
    const std::string near = DidYouMean(name, names);
    reader.Error(key.source(), (is_section ? "unknown section " : "unknown key outside a section: ") + name +
                                   (near.empty() ? Hint(name, "") : near));
  }
}

LoadedSettings OneError(std::string text) {
  LoadedSettings loaded;
  loaded.findings.push_back({true, 1, 1, std::move(text)});
  return loaded;
}

}  // namespace

std::vector<std::string> KnownSettingKeys() {
  std::vector<std::string> keys;
  for (const Section& section : Sections())
    for (const std::string& key : section.keys) keys.push_back(section.name + "." + key);
  return keys;
}

LoadedSettings LoadSettings(const std::filesystem::path& file) {
  std::error_code problem;
  if (std::filesystem::is_directory(file, problem)) return OneError("this is a folder, not a configuration file");
  std::ifstream in(file, std::ios::binary);
  if (!in) return OneError("the configuration file cannot be read: is it there, and may this user read it?");
  std::ostringstream content;
  content << in.rdbuf();
  const std::string text = content.str();
  if (in.bad()) return OneError("the configuration file cannot be read to its end");

  const auto absolute = std::filesystem::absolute(file, problem);
  SettingReader reader(problem ? std::filesystem::path() : absolute.parent_path());
  LoadedSettings loaded;
  try {
    const toml::table root = toml::parse(text);
    Settings settings;
    ReportUnknownSections(reader, root);
    ReadSection(reader, root, "node", kNodeKeys, settings.node);
    ReadSection(reader, root, "log", kLogKeys, settings.log);
    ReadSection(reader, root, "dicom", kDicomKeys, settings.dicom);
    ReadTls(reader, root, settings.dicom.tls);
    ReadSection(reader, root, "study", kStudyKeys, settings.study);
    ReadSection(reader, root, "model", kModelKeys, settings.model);
    ReadSection(reader, root, "admin", kAdminKeys, settings.admin);
    ReadSection(reader, root, "storage", kStorageKeys, settings.storage);
    ReadSection(reader, root, "codes", kCodesKeys, settings.codes);
    ReadSection(reader, root, "housekeeping", kHousekeepingKeys, settings.housekeeping);
    ReadSection(reader, root, "audit", kAuditKeys, settings.audit);
    ReadPeers(reader, root, settings);
    ReadAcceptRules(reader, root, settings);
    ReadRoleRules(reader, root, settings);
    CheckTogether(reader, root, settings, ReadMachineNetwork());
    if (!reader.HasErrors()) loaded.settings = std::move(settings);
  } catch (const toml::parse_error& error) {
    // The parser stops at the first mistake against TOML's syntax: what follows cannot be judged.
    reader.Error(error.source(), "this is not TOML: " + std::string(error.description()));
  }
  loaded.findings = reader.TakeFindings();
  return loaded;
}

std::string FormatFinding(const std::filesystem::path& file, const Finding& finding) {
  return file.string() + ":" + std::to_string(finding.line) + ":" + std::to_string(finding.column) + ": " +
         (finding.is_error ? "" : "warning: ") + finding.text;
}

Settings RequireSettings(const std::filesystem::path& file) {
  LoadedSettings loaded = LoadSettings(file);
  if (loaded.settings) return *std::move(loaded.settings);
  std::string text;
  for (const Finding& finding : loaded.findings)
    if (finding.is_error) {
      if (!text.empty()) text += '\n';
      text += FormatFinding(file, finding);
    }
  throw Error(ErrorCode::kUsage, text);
}

}  // namespace glionode
