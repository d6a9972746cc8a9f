#pragma once
#include "config/settings_loader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace glionode {

namespace fs = std::filesystem;

/// A folder with one configuration file in it, gone at the end.
class SettingsLoaderTest : public ::testing::Test {
 protected:
  SettingsLoaderTest() {
    std::string pattern = (fs::temp_directory_path() / "glionode-config-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    file_ = folder_ / "glionode.toml";
  }
  ~SettingsLoaderTest() override { fs::remove_all(folder_); }

  LoadedSettings Load(const std::string& text) {
    std::ofstream(file_, std::ios::binary) << text;
    return LoadSettings(file_);
  }
  /// All findings (errors as "E line:column text", warnings as "W ..."), one a line.
  std::string Findings(const std::string& text) {
    std::ostringstream out;
    for (const Finding& f : Load(text).findings)
      out << (f.is_error ? "E " : "W ") << f.line << ":" << f.column << " " << f.text << "\n";
    return out.str();
  }
  static int Errors(const std::string& findings) {
    int errors = 0;
    std::istringstream in(findings);
    for (std::string line; std::getline(in, line);) errors += line.rfind("E ", 0) == 0;
    return errors;
  }

  fs::path folder_, file_;
};

inline constexpr char kSmallest[] =
    "[node]\ndata_dir = \"data\"\n[model]\nbundle = \"bundle\"\n"
    "[[peer]]\nae_title = \"PACS\"\nhost = \"10.0.0.5\"\ndeliver = \"all\"\n[[accept]]\nStudyDescription = \"x\"\n";

inline std::string With(const std::string& more) { return kSmallest + more; }

}  // namespace glionode
