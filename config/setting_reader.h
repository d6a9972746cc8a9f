#pragma once
#include "config/nearest.h"
#include "config/report_codes.h"
#include "config/settings.h"
#include "config/settings_loader.h"

#include <toml++/toml.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glionode {

/// Internal to config/: reads single values of a TOML document and collects what is wrong with them. Each Read...
/// leaves its target untouched after a mistake, so that reading goes on and all mistakes are found at once.
/// Threads: one object per thread.
class SettingReader {
 public:
  /// `folder`: where relative paths start.
  explicit SettingReader(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void Error(const toml::source_region& where, std::string text) { Add(true, where, std::move(text)); }
  void Warn(const toml::source_region& where, std::string text) { Add(false, where, std::move(text)); }
  bool HasErrors() const { return errors_ > 0; }
  /// In file order. Leaves this object empty.
  std::vector<Finding> TakeFindings();

  /// `name` is the key as people write it, such as "dicom.port".
  bool ReadText(const std::string& name, const toml::node& node, std::string& out);
  bool ReadChoice(const std::string& name, const toml::node& node, std::string& out,
                  std::initializer_list<std::string_view> choices);
  bool ReadInt(const std::string& name, const toml::node& node, std::int64_t& out, std::int64_t lowest,
               std::int64_t highest);
  bool ReadInt(const std::string& name, const toml::node& node, int& out, int lowest, int highest);
  bool ReadNumber(const std::string& name, const toml::node& node, double& out, double lowest, double highest);
  bool ReadBool(const std::string& name, const toml::node& node, bool& out);
  /// PS3.5 6.2, VR AE: 1 to 16 characters of ASCII without backslash and control characters; blanks around it do not
  /// count and are cut off.
  bool ReadAeTitle(const std::string& name, const toml::node& node, std::string& out);
  /// A list of AE titles that is not empty.
  bool ReadAeTitles(const std::string& name, const toml::node& node, std::vector<std::string>& out);
  /// An IPv4 or IPv6 address to listen on.
  bool ReadBindAddress(const std::string& name, const toml::node& node, std::string& out);
  /// A host name or an address.
  bool ReadHost(const std::string& name, const toml::node& node, std::string& out);
  /// A list of host names and addresses.
  bool ReadHosts(const std::string& name, const toml::node& node, std::vector<std::string>& out);
  /// A list of addresses, ranges (10.0.0.0/8, fd00::/8) and host names, at least one.
  bool ReadSources(const std::string& name, const toml::node& node, std::vector<std::string>& out);
  bool ReadPath(const std::string& name, const toml::node& node, std::filesystem::path& out);
  /// A path of a file that can be read now.
  bool ReadFile(const std::string& name, const toml::node& node, std::filesystem::path& out);
  /// A regular expression as config/attribute_pattern.h takes it.
  bool ReadRegex(const std::string& name, const toml::node& node, std::string& out);
  /// A regular expression in quotes, or { min = 1, max = 2 } with at least one of the two.
  bool ReadCondition(const std::string& name, const toml::node& node, AttributeCondition& out);
  /// { value = "...", scheme = "...", meaning = "..." }: what PS3.3 8.8 allows, with a scheme of PS3.16 table 8-1 or a
  /// private one (99...).
  bool ReadCode(const std::string& name, const toml::node& node, ReportCode& out);

 private:
  void Add(bool is_error, const toml::source_region& where, std::string text);
  bool WrongType(const std::string& name, const toml::node& node, const std::string& expected);

  std::filesystem::path folder_;
  std::vector<Finding> findings_;
  int errors_ = 0;
};

}  // namespace glionode
