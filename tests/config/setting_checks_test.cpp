// What a file says together with itself and with the machine: TLS, and who looks like whom.
#include "config/setting_checks.h"

#include "config/settings_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace glionode {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SettingChecksTest : public ::testing::Test {
 protected:
  SettingChecksTest() {
    std::string pattern = (fs::temp_directory_path() / "glionode-checks-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    for (const char* name : {"node.crt", "node.key", "ca.crt"}) std::ofstream(folder_ / name) << "PEM\n";
  }
  ~SettingChecksTest() override { fs::remove_all(folder_); }

  /// Findings of a file with this machine's addresses; those about folders that are not there left out.
  std::string Findings(const std::string& text) {
    std::ofstream(folder_ / "f.toml") << text;
    return Told(LoadSettings(folder_ / "f.toml").findings);
  }
  /// Findings of the checks alone, on another machine. `settings`: what the loader would have read.
  std::string On(const MachineNetwork& machine, const std::string& text) {
    std::ofstream(folder_ / "f.toml") << text;
    const auto loaded = LoadSettings(folder_ / "f.toml");
    EXPECT_TRUE(loaded.settings) << Told(loaded.findings);
    SettingReader reader(folder_);
    CheckTogether(reader, toml::parse(text), loaded.settings.value_or(Settings()), machine);
    return Told(reader.TakeFindings());
  }
  static std::string Told(const std::vector<Finding>& findings) {
    std::ostringstream out;
    for (const Finding& f : findings)
      if (f.text.find("node.data_dir") == std::string::npos && f.text.find("model.bundle") == std::string::npos)
        out << (f.is_error ? "E " : "W ") << f.line << ":" << f.column << " " << f.text << "\n";
    return out.str();
  }
  static std::string File(const std::string& dicom, const std::string& peer = "") {
    return "[node]\ndata_dir = \"d\"\n[model]\nbundle = \"b\"\n[[accept]]\nStudyDescription = \"x\"\n"
           "[[peer]]\nae_title = \"PACS\"\nhost = \"10.0.0.5\"\ndeliver = \"all\"\n" +
           peer + "\n[dicom]\nbind = \"10.0.0.9\"\n" + dicom;
  }
  static constexpr char kTls[] = "[dicom.tls]\ncertificate = \"node.crt\"\nkey = \"node.key\"\nca = \"ca.crt\"\n";

  fs::path folder_;
};

TEST_F(SettingChecksTest, TlsIsASectionOfItsOwn) {
  std::ofstream(folder_ / "f.toml") << File("", "tls = true\ncertificate_name = \"pacs\"\n") << kTls;
  const auto loaded = LoadSettings(folder_ / "f.toml");
  ASSERT_TRUE(loaded.settings) << Told(loaded.findings);
  const TlsSettings& tls = loaded.settings->dicom.tls;
  EXPECT_TRUE(tls.Enabled());
  EXPECT_EQ(tls.port, 2762);
  EXPECT_EQ(tls.certificate, folder_ / "node.crt");
  EXPECT_EQ(tls.client_certificates, "require");
  EXPECT_EQ(tls.line, 16);
  EXPECT_TRUE(loaded.settings->peers.at(0).tls);
  EXPECT_THAT(loaded.settings->peers.at(0).from, IsEmpty()) << "bound to a certificate: from anywhere";
  EXPECT_THAT(Told(loaded.findings), IsEmpty());
  std::ofstream(folder_ / "f.toml") << File("");
  EXPECT_FALSE(LoadSettings(folder_ / "f.toml").settings->dicom.tls.Enabled());
}

TEST_F(SettingChecksTest, MistakesInTls) {
  const auto tls = [&](const std::string& more) { return Findings(File("", "") + more); };
  EXPECT_THAT(tls("[dicom.tls]\nkey = \"node.key\"\nca = \"ca.crt\"\n"), HasSubstr("dicom.tls.certificate is missing"));
  EXPECT_THAT(tls("[dicom.tls]\ncertificate = \"node.crt\"\nca = \"ca.crt\"\n"), HasSubstr("dicom.tls.key is missing"));
  EXPECT_THAT(tls("[dicom.tls]\ncertificate = \"node.crt\"\nkey = \"node.key\"\n"),
              HasSubstr("dicom.tls.ca is missing"));
  EXPECT_THAT(tls("[dicom.tls]\ncertificate = \"none.crt\"\nkey = \"node.key\"\nca = \"ca.crt\"\n"),
              AllOf(HasSubstr("E 15:15 dicom.tls.certificate: "), HasSubstr("none.crt cannot be read")));
  EXPECT_THAT(tls(std::string(kTls) + "prot = 2\n"), HasSubstr("unknown key dicom.tls.prot (did you mean port?)"));
  EXPECT_THAT(tls(std::string(kTls) + "port = 11112\n"), HasSubstr("is dicom.port as well"));
  EXPECT_THAT(tls(std::string(kTls) + "port = 8080\n"), HasSubstr("is admin.port as well"));
  EXPECT_THAT(tls(std::string(kTls) + "client_certificates = \"none\"\n"), HasSubstr("W 18:23 dicom.tls.client_cert"));
  EXPECT_THAT(Findings(File("plain = false\n")), HasSubstr("plain = false needs a section [dicom.tls]"));
  EXPECT_THAT(Findings(File("plain = false\n") + kTls), IsEmpty());
  EXPECT_THAT(Findings(File("tls = 3\n")), HasSubstr("write [dicom.tls]"));
}

TEST_F(SettingChecksTest, PeersUnderTls) {
  EXPECT_THAT(Findings(File("", "tls = true\n")), HasSubstr("E 11:7 peer.tls needs a section [dicom.tls]"));
  EXPECT_THAT(Findings(File("", "certificate_name = \"x\"\n")), HasSubstr("peer.certificate_name needs a section"));
  EXPECT_THAT(Findings(File("", "certificate_name = \"x\"\n") + kTls + "client_certificates = \"none\"\n"),
              HasSubstr("needs dicom.tls.client_certificates = \"require\""));
  EXPECT_THAT(Findings(File("", "tls = true\n") + kTls),
              HasSubstr("W 11:7 peer.tls: results go to PACS under TLS, but"));
  EXPECT_THAT(Findings(File("plain = false\n", "tls = true\n") + kTls), IsEmpty());
}

TEST_F(SettingChecksTest, FingerprintsAreTakenAsOpensslPrintsThem) {
  std::string printed;
  for (int i = 0; i < 32; ++i) printed += i ? ":AB" : "AB";
  std::ofstream(folder_ / "f.toml") << File("", "certificate_sha256 = \"" + printed + "\"\n") << kTls;
  const auto loaded = LoadSettings(folder_ / "f.toml");
  ASSERT_TRUE(loaded.settings) << Told(loaded.findings);
  std::string plain;
  for (int i = 0; i < 32; ++i) plain += "ab";
  EXPECT_EQ(loaded.settings->peers.at(0).certificate_sha256, plain);
}

TEST_F(SettingChecksTest, WideRangesAreWarnedOf) {
  const auto from = [&](const std::string& range) { return On({}, File("", "from = [\"" + range + "\"]\n")); };
  EXPECT_THAT(from("10.0.0.0/8"), HasSubstr("W 11:9 peer.from: \"10.0.0.0/8\" is a wide range"));
  EXPECT_THAT(from("128.0.0.0/1"), HasSubstr("wide range"));
  EXPECT_THAT(from("fd00::/8"), HasSubstr("wide range"));
  EXPECT_THAT(from("10.20.0.0/16"), IsEmpty());
  EXPECT_THAT(from("fd00:1:2::/48"), IsEmpty());
  EXPECT_THAT(from("0.0.0.0/0"), Not(HasSubstr("wide range"))) << "this one is told by the reader of the key";
}

TEST_F(SettingChecksTest, GatewaysThatMakeAllCallersLookAlikeAreWarnedOf) {
  MachineNetwork machine;
  machine.gateways = {"10.20.0.1"};
  machine.bridges = {"172.17.0.1"};
  const auto from = [&](const std::string& range) { return On(machine, File("", "from = [\"" + range + "\"]\n")); };
  EXPECT_THAT(from("172.17.0.1"), HasSubstr("W 11:9 peer.from: \"172.17.0.1\" holds 172.17.0.1, this machine's address "
                                            "on a container bridge: all callers that come through it look alike"));
  EXPECT_THAT(from("172.17.0.0/16"), HasSubstr("look alike"));
  EXPECT_THAT(from("10.20.0.1"), HasSubstr("is this machine's default gateway"));
  EXPECT_THAT(from("10.20.0.0/24"), IsEmpty()) << "every hospital range holds its router";
  machine.in_container = true;
  EXPECT_THAT(from("10.20.0.0/24"), HasSubstr("holds 10.20.0.1, this machine's default gateway"));
  EXPECT_THAT(from("10.21.0.0/24"), IsEmpty());
}

TEST_F(SettingChecksTest, ListeningInTheOpenWithoutTlsIsWarnedOf) {
  const auto bound = [&](const std::string& address, const std::string& more, const MachineNetwork& machine) {
    std::string text = File("");
    text.replace(text.find("10.0.0.9"), 8, address);
    return On(machine, text + more);
  };
  MachineNetwork inside, open;
  inside.own = {"10.0.0.9"};
  open.own = {"10.0.0.9", "198.51.100.7"};
  EXPECT_THAT(bound("0.0.0.0", "", inside),
              HasSubstr("W 13:8 dicom.bind: every interface of this machine is listened on "
                        "without TLS"));
  EXPECT_THAT(bound("0.0.0.0", "", open), HasSubstr("198.51.100.7"));
  EXPECT_THAT(bound("198.51.100.7", "", open), HasSubstr("is a public address"));
  EXPECT_THAT(bound("10.0.0.9", "", open), IsEmpty());
  EXPECT_THAT(bound("127.0.0.1", "", open), IsEmpty());
  EXPECT_THAT(bound("0.0.0.0", kTls, inside), IsEmpty()) << "a choice, in a private network";
  EXPECT_THAT(bound("0.0.0.0", kTls, open), HasSubstr("without TLS"));
  EXPECT_THAT(bound("0.0.0.0", "plain = false\n" + std::string(kTls), open), IsEmpty());
}

}  // namespace
}  // namespace glionode
