#include "config/settings_loader.h"

#include "config/error.h"
#include "tests/config/settings_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace glionode {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(SettingsLoaderTest, SmallestFileHasTheDefaultsAndAbsolutePaths) {
  const auto loaded = Load(kSmallest);
  ASSERT_TRUE(loaded.settings);
  const Settings& s = *loaded.settings;
  EXPECT_EQ(s.node.ae_title, "GLIONODE");
  EXPECT_EQ(s.node.data_dir, folder_ / "data");
  EXPECT_EQ(s.model.bundle, folder_ / "bundle");
  EXPECT_EQ(s.dicom.port, 11112);
  ASSERT_EQ(s.peers.size(), 1u);
  EXPECT_EQ(s.peers[0].port, 104);
  EXPECT_EQ(s.peers[0].from, std::vector<std::string>{"10.0.0.5"}) << "from defaults to the host";
  EXPECT_EQ(s.peers[0].sr_class, "auto");
  ASSERT_EQ(s.accept.size(), 1u);
  EXPECT_EQ(s.accept[0].line, 9);
  EXPECT_EQ(s.accept[0].matches.at("StudyDescription"), "x");
}

TEST_F(SettingsLoaderTest, RelativePathsAreCleanedUp) {
  const auto loaded = Load("[node]\ndata_dir = \"/var//x/../lib/\"\n[model]\nbundle = \"../models/b\"\n");
  ASSERT_TRUE(loaded.settings);
  EXPECT_EQ(loaded.settings->node.data_dir, "/var/lib");
  EXPECT_EQ(loaded.settings->model.bundle, folder_.parent_path() / "models/b");
}

TEST_F(SettingsLoaderTest, AllMistakesAtOnceInFileOrderWithLineAndColumn) {
  const auto loaded = Load(
      "[node]\nae_title = \"A\\\\B\"\ndata_dir = \"d\"\n"
      "[dicom]\nport = \"abc\"\nmax_asociations = 3\n"
      "[model]\nbundle = \"b\"\n");
  EXPECT_FALSE(loaded.settings);
  std::vector<std::string> errors;
  for (const Finding& f : loaded.findings)
    if (f.is_error) errors.push_back(FormatFinding("glionode.toml", f));
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_THAT(errors[0], HasSubstr("glionode.toml:2:12: node.ae_title: expected an AE title"));
  EXPECT_THAT(errors[1], HasSubstr("glionode.toml:5:8: dicom.port: expected a whole number from 0 to 65535, found the "
                                   "text \"abc\""));
  EXPECT_THAT(errors[2], HasSubstr("glionode.toml:6:1: unknown key dicom.max_asociations (did you mean "
                                   "max_associations?)"));
}

TEST_F(SettingsLoaderTest, RequireThrowsAllErrorsButNoWarning) {
  std::ofstream(file_) << "[node]\nprot = 1\n[admn]\nport = 8\n";
  try {
    RequireSettings(file_);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("node.data_dir is missing"));
    EXPECT_THAT(error.what(), HasSubstr("model.bundle is missing"));
    EXPECT_THAT(error.what(), HasSubstr("unknown section admn (did you mean admin?)"));
    EXPECT_THAT(error.what(), HasSubstr("glionode.toml:2:1: unknown key node.prot"));
    EXPECT_THAT(error.what(), Not(HasSubstr("warning")));
  }
}

TEST_F(SettingsLoaderTest, ATomlSyntaxErrorIsAFinding) {
  const auto loaded = Load("[node]\nae_title = \n");
  EXPECT_FALSE(loaded.settings);
  ASSERT_EQ(loaded.findings.size(), 1u);
  EXPECT_TRUE(loaded.findings[0].is_error);
  EXPECT_EQ(loaded.findings[0].line, 2);
  EXPECT_THAT(loaded.findings[0].text, HasSubstr("this is not TOML"));
}

TEST_F(SettingsLoaderTest, AKeyGivenTwiceIsAFinding) {
  EXPECT_THAT(Findings("[node]\ndata_dir = \"a\"\ndata_dir = \"b\"\n"), HasSubstr("E 3:"));
}

TEST_F(SettingsLoaderTest, NoFileAFolderAndRubbishAreFindings) {
  const auto none = LoadSettings(folder_ / "absent.toml");
  ASSERT_EQ(none.findings.size(), 1u);
  EXPECT_EQ(none.findings[0].line, 1);
  EXPECT_EQ(none.findings[0].column, 1);
  EXPECT_FALSE(none.settings);
  EXPECT_FALSE(LoadSettings(folder_).settings);
  EXPECT_EQ(Errors(Findings(std::string("\xff\xfe\0[node]", 9))), 1);
  EXPECT_EQ(Errors(Findings(std::string(100000, '['))), 1);
  EXPECT_EQ(Errors(Findings("")), 2) << "the two required keys";
}

TEST_F(SettingsLoaderTest, AKeyInTheWrongPlaceIsPointedToItsSection) {
  EXPECT_THAT(Findings("data_dir = \"x\"\n"), HasSubstr("outside a section: data_dir (it belongs into [node])"));
  EXPECT_THAT(Findings("[log]\nquiet_seconds = 1\n"), HasSubstr("log.quiet_seconds (it belongs into [study])"));
  EXPECT_THAT(Findings("[peer]\nae_title = \"A\"\n"), HasSubstr("write [[peer]] with two brackets"));
  EXPECT_THAT(Findings("[[node]]\n"), HasSubstr("write [node] once"));
  EXPECT_THAT(Findings("node = 3\n"), HasSubstr("write [node] once"));
  EXPECT_THAT(Findings("peer = [1, 2]\n"), HasSubstr("expected tables, write [[peer]]"));
}

TEST_F(SettingsLoaderTest, Warnings) {
  fs::create_directories(folder_ / "data");
  fs::create_directories(folder_ / "bundle");
  std::ofstream(folder_ / "bundle" / "bundle.json") << "{}";
  EXPECT_EQ(Findings(With("[dicom]\nbind = \"127.0.0.1\"\n")), "") << "nothing to say about a good file";
  EXPECT_THAT(Findings(With("[[accept]]\n")), HasSubstr("W 11:1 this [[accept]] has no condition"));
  EXPECT_THAT(Findings(With("[study]\nmax_wait_seconds = 5\n")), HasSubstr("shorter than study.quiet_seconds"));

  const std::string bare = Findings("[node]\ndata_dir = \"absent\"\n[model]\nbundle = \"absent\"\n");
  EXPECT_EQ(Errors(bare), 0) << bare;
  EXPECT_THAT(bare, HasSubstr("no [[peer]]"));
  EXPECT_THAT(bare, HasSubstr("no [[accept]] rule"));
  EXPECT_THAT(bare, HasSubstr("W 2:12 node.data_dir"));
  EXPECT_THAT(bare, HasSubstr("W 4:10 model.bundle"));

  std::string silent = kSmallest;
  silent.replace(silent.find("\"all\""), 5, "\"none\"");
  EXPECT_THAT(Findings(silent), HasSubstr("no peer has deliver = \"all\""));
}

}  // namespace
}  // namespace glionode
