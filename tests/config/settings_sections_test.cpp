// The keys of each section: types, ranges, and what is said of a wrong one.
#include "tests/config/settings_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glionode {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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

}  // namespace
}  // namespace glionode
