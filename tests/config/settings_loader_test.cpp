#include "config/settings_loader.h"

#include "config/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace glionode {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

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

const char kSmallest[] =
    "[node]\ndata_dir = \"data\"\n[model]\nbundle = \"bundle\"\n"
    "[[peer]]\nae_title = \"PACS\"\nhost = \"10.0.0.5\"\ndeliver = \"all\"\n[[accept]]\nStudyDescription = \"x\"\n";

std::string With(const std::string& more) { return kSmallest + more; }

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

TEST_F(SettingsLoaderTest, RangesTypesAndChoices) {
  const struct {
    const char* text;
    const char* expected;
  } cases[] = {
      {"[dicom]\nport = 65536\n", "dicom.port: expected a whole number from 0 to 65535, found 65536"},
      {"[dicom]\nport = -1\n", "found -1"},
      {"[dicom]\nport = 104.0\n", "a whole number"},
      {"[dicom]\nmax_associations = 0\n", "from 1 to 1000"},
      {"[dicom]\nmax_instance_bytes = 1\n", "from 1048576"},
      {"[dicom]\nbind = \"localhost\"\n", "dicom.bind: expected an address"},
      {"[dicom]\nbind = \"300.0.0.1\"\n", "dicom.bind: expected an address"},
      {"[dicom]\nmax_connections = 5\n", "is smaller than dicom.max_associations"},
      {"[study]\nearly_start = 1\n", "study.early_start: expected true or false, found 1"},
      {"[study]\nquiet_seconds = \"60\"\n", "a whole number"},
      {"[log]\nlevel = \"warn\"\n", "expected one of \"debug\", \"info\", \"warning\", \"error\""},
      {"[log]\nformat = \"jsn\"\n", "did you mean json?"},
      {"[admin]\nport = 11112\n", "is dicom.port as well"},
      {"[admin]\nbind = \"0.0.0.0\"\n", "admin.bind: other machines reach 0.0.0.0"},
      {"[admin]\nbind = \"::\"\ncertificate = \"c\"\nkey = \"k\"\n", "that needs certificate, key and token_file"},
      {"[admin]\ncertificate = \"c\"\n", "admin.certificate and admin.key come together"},
      {"[admin]\nhosts = \"node\"\n", "a list of host names"},
      {"[admin]\nhosts = [\"a b\"]\n", "admin.hosts: expected a host name"},
      {"[storage]\nmin_free_gib = -1\n", "storage.min_free_gib: expected a number from 0"},
      {"[storage]\nmin_free_gib = nan\n", "storage.min_free_gib: expected a number from 0"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h\"\n", "peer.deliver is missing"},
      {"[[peer]]\nhost = \"h\"\ndeliver = \"all\"\n", "peer.ae_title is missing"},
      {"[[peer]]\nae_title = \"A\"\ndeliver = \"all\"\n", "peer.host is missing"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h:104\"\ndeliver = \"all\"\n", "peer.host: expected a host name"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"10.0.0\"\ndeliver = \"all\"\n", "peer.host: expected a host name"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h\"\ndeliver = \"some\"\n", "expected one of \"all\", \"none\""},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h\"\ndeliver = \"all\"\nconfirm_seconds = 0\n",
       "a whole number from 1 to 604800"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h\"\ndeliver = \"all\"\ncertificate_sha256 = \"AB:CD\"\n",
       "expected a SHA-256 fingerprint"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h\"\ndeliver = \"all\"\nconfirm = \"no\"\n",
       "peer.confirm: expected one of"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h\"\ndeliver = \"all\"\nsr_class = \"basic\"\n", "peer.sr_class"},
      {"[[peer]]\nae_title = \"A\"\nhost = \"h\"\ndeliver = \"all\"\nport = 0\n", "from 1 to 65535"},
      {"[[peer]]\nae_title = \"PACS\"\nhost = \"h\"\ndeliver = \"all\"\n", "has a [[peer]] already, in line 6"},
  };
  for (const auto& one : cases) {
    const std::string findings = Findings(With(one.text));
    EXPECT_THAT(findings, HasSubstr(one.expected)) << one.text;
    EXPECT_EQ(Errors(findings), 1) << one.text << findings;
  }
}

TEST_F(SettingsLoaderTest, AnAdminInterfaceForOthersIsComplete) {
  const std::string findings =
      Findings(With("[admin]\nbind = \"0.0.0.0\"\ncertificate = \"c\"\nkey = \"k\"\ntoken_file = \"t\"\nhosts = "
                    "[\"node.example\"]\n"));
  EXPECT_EQ(Errors(findings), 0) << findings;
  EXPECT_THAT(findings, HasSubstr("admin.token_file"));
}

TEST_F(SettingsLoaderTest, ModelKeys) {
  const auto model = [this](const std::string& more) {
    return Findings("[node]\ndata_dir=\"d\"\n[model]\nbundle=\"b\"\n" + more);
  };
  for (const char* device : {"auto", "cpu", "cuda", "cuda:0", "cuda:7"})
    EXPECT_EQ(Errors(model(std::string("device=\"") + device + "\"\n")), 0) << device;
  for (const char* device : {"gpu", "cuda:", "cuda:x", "cuda:1234", ""})
    EXPECT_EQ(Errors(model(std::string("device=\"") + device + "\"\n")), 1) << device;
  EXPECT_EQ(Errors(model("sha256=\"" + std::string(64, 'a') + "\"\n")), 0);
  EXPECT_EQ(Errors(model("sha256=\"" + std::string(63, 'a') + "\"\n")), 1);
  EXPECT_EQ(Errors(model("sha256=\"" + std::string(64, 'g') + "\"\n")), 1);
  EXPECT_EQ(Errors(Findings("[node]\ndata_dir=\"d\"\n[model]\nbundle=\"\"\n")), 1);
}

TEST_F(SettingsLoaderTest, AeTitles) {
  const auto title = [this](const std::string& value) {
    return Load("[node]\ndata_dir=\"d\"\nae_title=\"" + value + "\"\n[model]\nbundle=\"b\"\n");
  };
  for (const char* good : {"A", "SIXTEEN_LETTERS_", "with blank", "a!#$%*"}) EXPECT_TRUE(title(good).settings) << good;
  for (const char* bad : {"", " ", "                ", "SEVENTEEN_LETTERS", "A\\\\B", "A\\tB", "A\\u0000B", "\u00c4"})
    EXPECT_FALSE(title(bad).settings) << bad;
  const auto trimmed = title("PACS            ");
  ASSERT_TRUE(trimmed.settings);
  EXPECT_EQ(trimmed.settings->node.ae_title, "PACS");
}

TEST_F(SettingsLoaderTest, Sources) {
  const auto from = [this](const std::string& list) {
    return Findings(
        "[node]\ndata_dir=\"d\"\n[model]\nbundle=\"b\"\n[[peer]]\nae_title=\"P\"\nhost=\"h\"\ndeliver=\"all\"\nfrom=" +
        list + "\n");
  };
  EXPECT_EQ(Errors(from("[\"10.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\", \"::1\", \"pacs.example.org\"]")), 0);
  for (const char* bad :
       {"[]", "\"10.0.0.1\"", "[1]", "[\"10.0.0.256\"]", "[\"10.0.0.0/33\"]", "[\"fd00::/129\"]", "[\"10.0.0.0/\"]",
        "[\"10.0.0.0/8/8\"]", "[\"a b\"]", "[\"host/24\"]", "[\"\"]", "[\"10.0.0.0/-1\"]", "[\"10.0.0.0/9999999999\"]"})
    EXPECT_EQ(Errors(from(bad)), 1) << bad;
  EXPECT_EQ(Errors(from("[\"10.0.0.256\", 3]")), 2) << "each bad entry is told";
  EXPECT_THAT(from("[\"0.0.0.0/0\"]"), HasSubstr("admits every address"));
  EXPECT_THAT(from("[\"::/0\"]"), HasSubstr("W "));
  EXPECT_THAT(from("[\"10.0.0.0/10\"]"), Not(HasSubstr("admits every address")));
}

TEST_F(SettingsLoaderTest, AuditAndHousekeeping) {
  const auto with = [this](const std::string& more) {
    return Findings("[node]\ndata_dir=\"d\"\n[model]\nbundle=\"b\"\n" + more + "\n");
  };
  for (const char* good : {"udp://loghost:514", "tcp://10.0.0.1:601", "tls://[fd00::1]:6514"})
    EXPECT_EQ(Errors(with("[audit]\nsyslog=\"" + std::string(good) + "\"")), 0) << good;
  for (const char* bad : {"loghost", "http://loghost:80", "udp://loghost", "tcp://:601", "udp://a b:5", "udp://h:70000",
                          "udp://h:5x", "tls://h/x:6514"})
    EXPECT_EQ(Errors(with("[audit]\nsyslog=\"" + std::string(bad) + "\"")), 1) << bad;
  EXPECT_EQ(Errors(with("[housekeeping]\nkeep_images_days=-1")), 1);
  EXPECT_THAT(with("[housekeeping]\nfree_gib=1"), HasSubstr("images are refused before old ones are removed"));
  EXPECT_EQ(Errors(with("[housekeeping]\nfree_gib=0")), 0);
}

TEST_F(SettingsLoaderTest, MemoryLimit) {
  const auto limit = [this](const std::string& value) {
    return Findings("[node]\ndata_dir=\"d\"\n[model]\nbundle=\"b\"\nmemory_limit_mib=" + value + "\n");
  };
  for (const char* good : {"0", "1024", "65536"}) EXPECT_EQ(Errors(limit(good)), 0) << good;
  for (const char* bad : {"-1", "1", "1023", "\"2G\""}) EXPECT_EQ(Errors(limit(bad)), 1) << bad;
}

TEST_F(SettingsLoaderTest, FormerAeTitles) {
  const auto formerly = [this](const std::string& list) {
    return Findings(
        "[node]\ndata_dir=\"d\"\n[model]\nbundle=\"b\"\n[[peer]]\nae_title=\"P\"\nhost=\"h\"\ndeliver=\"all\"\n"
        "formerly=" +
        list + "\n[[peer]]\nae_title=\"Q\"\nhost=\"h\"\ndeliver=\"all\"\n");
  };
  EXPECT_EQ(Errors(formerly("[\"OLD\", \"OLDER\"]")), 0);
  for (const char* bad : {"[]", "\"OLD\"", "[1]", "[\"a name that is too long\"]"})
    EXPECT_EQ(Errors(formerly(bad)), 1) << bad;
  EXPECT_THAT(formerly("[\"Q\"]"), HasSubstr("has a [[peer]] of its own"));
}

TEST_F(SettingsLoaderTest, AcceptRules) {
  const auto rule = [this](const std::string& text) { return Findings(With("[[accept]]\n" + text)); };
  EXPECT_EQ(Errors(rule("SeriesDescription = \"(?i)t1.*(gd|ce)\"\nmax_age_days = 3\npeer = \"PACS\"\n")), 0);
  EXPECT_THAT(rule("StudyDescription = \"(\"\n"), HasSubstr("E 12:20 accept.StudyDescription: this is no regular"));
  EXPECT_THAT(rule("StudyDescription = \"(?i)[\"\n"), HasSubstr("this is no regular expression"));
  EXPECT_THAT(rule("StudyDescription = 5\n"), HasSubstr("expected a regular expression in quotes, found 5"));
  EXPECT_THAT(rule("max_age_day = 5\n"), HasSubstr("did you mean max_age_days?"));
  EXPECT_THAT(rule("studydescription = \"x\"\n"), HasSubstr("did you mean StudyDescription?"));
  EXPECT_THAT(rule("\"Study Description\" = \"x\"\n"), HasSubstr("E 12:1 unknown key"));
  EXPECT_THAT(rule("max_age_days = -1\n"), HasSubstr("from 0 to 36500"));
  const std::string misspelt = rule("StudyDescripton = \"x\"\n");
  EXPECT_THAT(misspelt, HasSubstr("W 12:1 accept.StudyDescripton is an unusual keyword (did you mean "
                                  "StudyDescription?)"));
  EXPECT_EQ(Errors(misspelt), 0);
  EXPECT_THAT(rule("peer = \"OTHER\"\n"), HasSubstr("matches nothing"));
}

TEST_F(SettingsLoaderTest, RoleRules) {
  const auto loaded = Load(With(
      "[[role]]\nrole = \"t1ce\"\nSeriesDescription = \"(?i)^mpr\"\nRepetitionTime = { min = 1500, max = 3000.5 }\n"
      "[[role]]\nrole = \"none\"\nEchoTime = { max = 5 }\npeer = \"PACS\"\n"));
  ASSERT_TRUE(loaded.settings);
  const auto& rules = loaded.settings->roles;
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].role, Role::kT1ce);
  EXPECT_EQ(rules[0].line, 11);
  EXPECT_EQ(std::get<std::string>(rules[0].matches.at("SeriesDescription")), "(?i)^mpr");
  const auto range = std::get<NumberRange>(rules[0].matches.at("RepetitionTime"));
  EXPECT_EQ(range.min, 1500);
  EXPECT_EQ(range.max, 3000.5);
  EXPECT_EQ(rules[1].role, Role::kNone);
  EXPECT_EQ(rules[1].peer, "PACS");
  EXPECT_FALSE(std::get<NumberRange>(rules[1].matches.at("EchoTime")).min);
  EXPECT_TRUE(Load(kSmallest).settings->roles.empty());
}

TEST_F(SettingsLoaderTest, MistakesInRoleRules) {
  const auto rule = [this](const std::string& text) { return Findings(With("[[role]]\n" + text)); };
  const std::string t1 = "role = \"t1\"\n";
  const struct {
    std::string text, expected;
  } mistakes[] = {
      {"role = \"t1c\"\nSeriesDescription = \"x\"\n",
       "E 12:8 role.role: expected one of \"t1ce\", \"t1\", \"t2\", \"none\", "},
      {"role = \"t1c\"\nSeriesDescription = \"x\"\n", "did you mean t1ce?"},
      {"role = \"unsure\"\nSeriesDescription = \"x\"\n", "E 12:8 role.role: expected one of"},
      {"SeriesDescription = \"x\"\n", "E 11:1 role.role is missing"},
      {t1, "E 11:1 this [[role]] has no condition and would fit every series"},
      {t1 + "peer = \"PACS\"\n", "has no condition"},
      {t1 + "SeriesDescription = \"(\"\n", "E 13:21 role.SeriesDescription: this is no regular expression"},
      {t1 + "SeriesDescription = \"\"\n", "E 13:21 role.SeriesDescription: an empty pattern fits every series"},
      {t1 + "EchoTime = 5\n",
       "E 13:12 role.EchoTime: expected a regular expression in quotes, or { min = 1, max = 2 }"},
      {t1 + "EchoTime = {}\n", "expected min, max or both between the braces"},
      {t1 + "EchoTime = { mix = 1 }\n", "unknown key role.EchoTime.mix: expected min or max (did you mean mi"},
      {t1 + "EchoTime = { min = nan }\n", "role.EchoTime.min: expected a number"},
      {t1 + "EchoTime = { min = 5, max = 4 }\n", "E 13:12 role.EchoTime: min (5) is greater than max (4)"},
      {t1 + "seriesdescription = \"x\"\n", "did you mean SeriesDescription?"},
      {t1 + "peeer = \"x\"\n",
       "E 13:1 unknown key role.peeer: expected a DICOM keyword such as SeriesDescription, or role, "
       "or peer (did you mean peer?)"},
      {t1 + "peer = \"A\\\\B\"\nEchoTime = { min = 1 }\n", "role.peer: expected an AE title"},
  };
  for (const auto& one : mistakes) {
    const std::string findings = rule(one.text);
    EXPECT_THAT(findings, HasSubstr(one.expected)) << one.text;
    EXPECT_EQ(Errors(findings), 1) << one.text << findings;
  }
  EXPECT_EQ(Errors(rule("role = \"x\"\nEchoTime = { min = 5, max = 4 }\nSeriesDescription = \"[\"\nbad = 1\n")), 4)
      << "all at once";
  EXPECT_THAT(Findings(With("[role]\nrole = \"t1\"\nEchoTime = { min = 1 }\n")), HasSubstr("write [[role]] with two"));
  EXPECT_THAT(rule(t1 + "EchoTime = { min = 1 }\npeer = \"OTHER\"\n"),
              HasSubstr("W 14:8 role.peer: no [[peer]] has the AE title \"OTHER\"; this rule matches nothing"));
  const std::string misspelt = rule(t1 + "SeriesDescripton = \"x\"\n");
  EXPECT_THAT(misspelt,
              HasSubstr("W 13:1 role.SeriesDescripton is an unusual keyword (did you mean SeriesDescription?)"));
  EXPECT_EQ(Errors(misspelt), 0);
}

TEST_F(SettingsLoaderTest, CodesOfTheSite) {
  const auto loaded =
      Load(With("[codes]\nrecurrence = { value = \"C38155\", scheme = \"NCIt\", meaning = \"Recurrent Disease\" }\n"
                "necrosis = { value = \"N1\", scheme = \"99SITE\", meaning = \"Necrosis\" }\n"));
  ASSERT_TRUE(loaded.settings);
  EXPECT_EQ(loaded.settings->codes.recurrence.value, "C38155");
  EXPECT_EQ(loaded.settings->codes.recurrence.scheme, "NCIt");
  EXPECT_EQ(loaded.settings->codes.recurrence.meaning, "Recurrent Disease");
  EXPECT_EQ(loaded.settings->codes.necrosis.scheme, "99SITE");
  EXPECT_EQ(loaded.settings->codes.finding.value, ReportCodes().finding.value);
}

TEST_F(SettingsLoaderTest, MistakesInCodes) {
  const auto finding = [&](const std::string& line) { return Findings(With("[codes]\n" + line + "\n")); };
  EXPECT_THAT(finding("necrosis = \"445145001\""), HasSubstr("codes.necrosis: expected { value"));
  EXPECT_THAT(finding("necrosis = { value = \"1\", scheme = \"SCT\" }"), HasSubstr("meaning is missing"));
  EXPECT_THAT(finding("necrosis = { value = \"12345678901234567\", scheme = \"SCT\", meaning = \"x\" }"),
              HasSubstr("codes.necrosis.value: expected 1 to 16 characters"));
  EXPECT_THAT(finding("necrosis = { value = \"1\", scheme = \"SCT\", meaning = \"" + std::string(65, 'x') + "\" }"),
              HasSubstr("codes.necrosis.meaning: expected 1 to 64 characters"));
  EXPECT_THAT(finding("necrosis = { value = \"1\", scheme = \"SCT\", meaning = \"NÃ©"
                      "crose\" }"),
              HasSubstr("of ASCII"));
  EXPECT_THAT(finding("necrosis = { value = 'a\\b', scheme = \"SCT\", meaning = \"x\" }"),
              HasSubstr("without a backslash"));
  EXPECT_THAT(finding("necrosis = { value = \"1\", scheme = \"NCIT\", meaning = \"x\" }"),
              HasSubstr("is no coding scheme of PS3.16 table 8-1; private ones begin with 99 (did you mean NCIt?)"));
  EXPECT_THAT(finding("necrosis = { value = \"1\", scheme = \"SCT\", meaning = \"x\", version = \"2\" }"),
              HasSubstr("unknown key codes.necrosis.version"));
  EXPECT_THAT(finding("necrosis = { value = \"25173007\", scheme = \"SCT\", meaning = \"x\" }"),
              HasSubstr("codes.recurrence and codes.necrosis are the same"));
  EXPECT_THAT(finding("necrosis = { value = \"1\", scheme = \"SCT\", meaning = \"Recurrent tumor\" }"),
              HasSubstr("codes.recurrence and codes.necrosis are the same"));
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

class ExampleTest : public ::testing::Test {
 protected:
  const fs::path file_ = fs::path(GLIONODE_SOURCE_DIR) / "config" / "glionode.example.toml";
};

TEST_F(ExampleTest, LoadsWithoutErrorsAndShowsTheDefaults) {
  const Settings shown = RequireSettings(file_);
  const Settings defaults;
  EXPECT_EQ(shown.node.ae_title, defaults.node.ae_title);
  EXPECT_EQ(shown.node.drain_seconds, defaults.node.drain_seconds);
  EXPECT_EQ(shown.log.level, defaults.log.level);
  EXPECT_EQ(shown.log.format, defaults.log.format);
  EXPECT_EQ(shown.dicom.bind, defaults.dicom.bind);
  EXPECT_EQ(shown.dicom.port, defaults.dicom.port);
  EXPECT_EQ(shown.dicom.plain, defaults.dicom.plain);
  EXPECT_EQ(shown.dicom.max_associations, defaults.dicom.max_associations);
  EXPECT_EQ(shown.dicom.max_connections, defaults.dicom.max_connections);
  EXPECT_EQ(shown.dicom.connect_seconds, defaults.dicom.connect_seconds);
  EXPECT_EQ(shown.dicom.idle_seconds, defaults.dicom.idle_seconds);
  EXPECT_EQ(shown.dicom.message_seconds, defaults.dicom.message_seconds);
  EXPECT_EQ(shown.dicom.max_instance_bytes, defaults.dicom.max_instance_bytes);
  EXPECT_EQ(shown.study.quiet_seconds, defaults.study.quiet_seconds);
  EXPECT_EQ(shown.study.incomplete_wait_seconds, defaults.study.incomplete_wait_seconds);
  EXPECT_EQ(shown.study.max_wait_seconds, defaults.study.max_wait_seconds);
  EXPECT_EQ(shown.study.early_start, defaults.study.early_start);
  EXPECT_EQ(shown.study.settle_seconds, defaults.study.settle_seconds);
  EXPECT_EQ(shown.model.device, defaults.model.device);
  EXPECT_EQ(shown.model.threads, defaults.model.threads);
  EXPECT_EQ(shown.model.time_limit_seconds, defaults.model.time_limit_seconds);
  EXPECT_EQ(shown.admin.bind, defaults.admin.bind);
  EXPECT_EQ(shown.admin.port, defaults.admin.port);
  EXPECT_EQ(shown.storage.min_free_gib, defaults.storage.min_free_gib);
  const auto same = [](const ReportCode& a, const ReportCode& b) {
    return a.value == b.value && a.scheme == b.scheme && a.meaning == b.meaning;
  };
  for (const auto code :
       {&ReportCodes::finding, &ReportCodes::finding_site, &ReportCodes::region, &ReportCodes::recurrence,
        &ReportCodes::necrosis, &ReportCodes::indeterminate, &ReportCodes::not_evaluable, &ReportCodes::procedure})
    EXPECT_TRUE(same(shown.codes.*code, defaults.codes.*code));
  EXPECT_EQ(shown.model.memory_limit_mib, defaults.model.memory_limit_mib);
  EXPECT_EQ(shown.housekeeping.keep_images_days, defaults.housekeeping.keep_images_days);
  EXPECT_EQ(shown.housekeeping.free_gib, defaults.housekeeping.free_gib);
  EXPECT_EQ(shown.housekeeping.keep_records_years, defaults.housekeeping.keep_records_years);
  EXPECT_EQ(shown.audit.max_file_mib, defaults.audit.max_file_mib);
  EXPECT_EQ(shown.audit.keep_files, defaults.audit.keep_files);
  ASSERT_EQ(shown.peers.size(), 1u);
  EXPECT_EQ(shown.peers[0].port, PeerSettings().port);
  EXPECT_EQ(shown.peers[0].sr_class, PeerSettings().sr_class);
  EXPECT_EQ(shown.peers[0].confirm, PeerSettings().confirm);
  EXPECT_EQ(shown.peers[0].confirm_seconds, PeerSettings().confirm_seconds);
}

TEST_F(ExampleTest, HoldsEveryKnownKeyWithAComment) {
  std::map<std::string, int> comments_before;  // "section.key" -> comment lines directly above it
  std::ifstream in(file_);
  ASSERT_TRUE(in);
  std::string section;
  int comments = 0;
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = line.find(" = ");
    std::string key = line.substr(0, equals);
    if (key.rfind("# ", 0) == 0) key.erase(0, 2);  // a key may be shown commented out
    const bool is_key = equals != std::string::npos && key.find_first_of(" .:") == std::string::npos;
    if (line.rfind("# [", 0) == 0) line.erase(0, 2);  // so may a whole section
    if (line.rfind('[', 0) == 0) {
      section = line.substr(line.find_first_not_of('['));
      section = section.substr(0, section.find(']'));
      comments = 0;
    } else if (is_key) {
      comments_before[section + "." + key] = comments;
      comments = 0;
    } else if (line.rfind('#', 0) == 0) {
      ++comments;
    } else {
      comments = 0;
    }
  }
  const auto known = KnownSettingKeys();
  EXPECT_GT(known.size(), 30u);
  for (const std::string& key : known) {
    ASSERT_TRUE(comments_before.count(key)) << key << " is not in the example";
    EXPECT_GE(comments_before[key], 1) << key << " has no comment";
  }
}

}  // namespace
}  // namespace glionode
