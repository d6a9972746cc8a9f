// TLS on the receiver's own port and from our sender: certificates of two authorities, made by openssl, and DCMTK's
// tools and openssl as the other end.
#include "dicom/tls.h"

#include "config/error.h"
#include "network_support.h"

#include <chrono>
#include <fstream>

namespace glionode::dicom::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Made once for all tests of this process.
const std::filesystem::path& Certificates() {
  static const std::unique_ptr<TempFolder> folder = [] {
    auto made = std::make_unique<TempFolder>();
    std::string output;
    if (RunTool("python3 -B " GLIONODE_SOURCE_DIR "/tests/support/certificates.py '" + made->Path().string() + "'",
                &output) != 0)
      throw std::runtime_error("no certificates: " + output);
    return made;
  }();
  return folder->Path();
}
std::string File(const std::string& name) { return (Certificates() / name).string(); }

TlsSettings As(const std::string& name, const std::string& ca = "ca") {
  TlsSettings settings;
  settings.port = 0;
  settings.certificate = File(name + ".crt");
  settings.key = File(name + ".key");
  settings.ca = File(ca + ".crt");
  return settings;
}

class TlsTest : public ::testing::Test {
 protected:
  void Start(const TlsSettings& settings = As("node"), const std::function<void(ReceiverOptions&)>& change = {}) {
    node_ = std::make_unique<Node>([&](ReceiverOptions& options) {
      options.network.tls = settings;
      options.tls = LoadTls(settings);
      options.network.connect_seconds = 5;
      if (change) change(options);
    });
  }
  PeerSettings Us() const {
    PeerSettings peer = node_->AsPeer();
    peer.port = node_->receiver->TlsPort();
    peer.tls = true;
    return peer;
  }
  static SenderOptions From(const TlsSettings& settings) {
    SenderOptions options = FromPacs();
    options.tls = LoadTls(settings);
    return options;
  }
  EchoResult EchoAs(const std::string& name, const std::string& ca = "ca") const {
    return Echo(Us(), From(As(name, ca)));
  }
  /// openssl s_client against the TLS port; what it printed.
  std::string Client(const std::string& arguments) const {
    std::string output;
    RunTool("openssl s_client -connect 127.0.0.1:" + std::to_string(node_->receiver->TlsPort()) + " -CAfile " +
                File("ca.crt") + " " + arguments + " </dev/null",
            &output);
    return output;
  }
  std::string ToolTls(const std::string& name, const std::string& ca = "ca") const {
    return " +tls " + File(name + ".key") + " " + File(name + ".crt") + " +cf " + File(ca + ".crt") +
           " -aet PACS -aec GLIONODE 127.0.0.1 " + std::to_string(node_->receiver->TlsPort()) + " ";
  }
  std::unique_ptr<Node> node_;
};

TEST_F(TlsTest, OurSenderAndDcmtksToolsAreServedBesideThePlainPort) {
  Start();
  ASSERT_NE(node_->Port(), node_->receiver->TlsPort());
  const auto object = WriteObject(node_->folder.Path() / "o.dcm", "1.2.3");
  const auto results = SendObjects(Us(), From(As("pacs")), {object});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].outcome, SendOutcome::kSent) << results[0].text;
  ASSERT_EQ(node_->sink.Instances().size(), 1U);
  EXPECT_EQ(ReadDicomFile(node_->sink.Instances()[0].staged_file).bytes, ReadDicomFile(object.file).bytes);
  EXPECT_TRUE(Echo(node_->AsPeer(), FromPacs()).ok);
  std::string output;
  EXPECT_EQ(RunTool("echoscu -v" + ToolTls("pacs"), &output), 0) << output;
  EXPECT_EQ(RunTool("storescu -v" + ToolTls("pacs") + object.file.string(), &output), 0) << output;
  EXPECT_EQ(node_->sink.Instances().size(), 2U);
  for (const auto& end : node_->sink.WaitForEnds(4)) EXPECT_TRUE(end.released);
}

TEST_F(TlsTest, OnlyTlsWhenThePlainPortIsOff) {
  Start(As("node"), [](ReceiverOptions& options) { options.network.plain = false; });
  EXPECT_EQ(node_->receiver->Port(), 0);
  EXPECT_TRUE(EchoAs("pacs").ok);
}

TEST_F(TlsTest, VersionsAndSuitesAreThoseOfBcp195) {
  Start();
  const std::string known = "-cert " + File("pacs.crt") + " -key " + File("pacs.key") + " ";
  EXPECT_THAT(Client(known + "-tls1_2"), HasSubstr("Verify return code: 0"));
  EXPECT_THAT(Client(known + "-tls1_3"), HasSubstr("Verify return code: 0"));
  EXPECT_THAT(Client(known + "-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384"),
              HasSubstr("Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"));
  // CBC, and no forward secrecy.
  EXPECT_THAT(Client(known + "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256"), HasSubstr("Cipher is (NONE)"));
  EXPECT_THAT(Client(known + "-tls1_2 -cipher AES128-GCM-SHA256"), HasSubstr("Cipher is (NONE)"));
  EXPECT_TRUE(Eventually([&] { return node_->Refusals("tls_suite") == 2; }));
  EXPECT_THAT(Client(known + "-tls1_1 -cipher DEFAULT@SECLEVEL=0"), HasSubstr("Cipher is (NONE)"));
  EXPECT_TRUE(Eventually([&] { return node_->Refusals("tls_version") == 1; }));
}

TEST_F(TlsTest, ForeignExpiredAndMissingCertificatesAreRefusedAndCounted) {
  Start();
  for (const char* name : {"foreign", "expired"}) {
    const EchoResult echo = EchoAs(name);
    EXPECT_FALSE(echo.ok) << name;
    EXPECT_THAT(echo.text, HasSubstr("it refused our side of TLS")) << name;
    std::string output;
    EXPECT_NE(RunTool("echoscu -v" + ToolTls(name), &output), 0) << output;
  }
  EXPECT_TRUE(Eventually([&] { return node_->Refusals("tls_foreign") == 2; }));
  EXPECT_TRUE(Eventually([&] { return node_->Refusals("tls_expired") == 2; }));
  Client("");  // shows no certificate
  EXPECT_TRUE(Eventually([&] { return node_->Refusals("tls_no_certificate") == 1; }));
  EXPECT_TRUE(EchoAs("pacs").ok) << "the next one is served";
}

TEST_F(TlsTest, WithoutClientCertificatesNoneIsAskedFor) {
  TlsSettings settings = As("node");
  settings.client_certificates = "none";
  Start(settings);
  std::string output;
  EXPECT_EQ(RunTool("echoscu -v +tla +cf " + File("ca.crt") + " -aet PACS -aec GLIONODE 127.0.0.1 " +
                        std::to_string(node_->receiver->TlsPort()),
                    &output),
            0)
      << output;
}

TEST_F(TlsTest, OurSenderTrustsItsOwnAuthorityOnly) {
  Start(As("foreign", "ca"));
  const EchoResult echo = EchoAs("pacs");
  EXPECT_FALSE(echo.ok);
  EXPECT_THAT(echo.text, HasSubstr("its certificate is not one that [dicom.tls] ca vouches for"));
  Start(As("expired", "ca"));
  EXPECT_THAT(EchoAs("pacs").text, HasSubstr("its certificate has expired"));
  Start();
  SenderOptions without = FromPacs();
  EXPECT_THAT(Echo(Us(), without).text, HasSubstr("there is no [dicom.tls]"));
  PeerSettings plain = Us();
  plain.port = node_->Port();
  EXPECT_THAT(Echo(plain, From(As("pacs"))).text, HasSubstr("no TLS: "));
}

TEST_F(TlsTest, APeerIsBoundToItsCertificate) {
  Start();
  std::string fingerprint;
  RunTool(
      "openssl x509 -noout -fingerprint -sha256 -in " + File("pacs.crt") + " | cut -d= -f2 | tr -d ':\\n' | tr A-F a-f",
      &fingerprint);
  PeerSettings by_fingerprint = Pacs(), by_name = Pacs();
  by_fingerprint.from.clear();
  by_fingerprint.certificate_sha256 = fingerprint;
  by_name.certificate_name = "PACS";
  by_name.host = "192.0.2.1";  // it calls from elsewhere
  for (const PeerSettings& peer : {by_fingerprint, by_name}) {
    const auto wrong = node_->Refusals("wrong_certificate"), none = node_->Refusals("no_certificate");
    node_->receiver->SetPeers({peer});
    EXPECT_TRUE(EchoAs("pacs").ok) << "from any address";
    EXPECT_FALSE(EchoAs("other_pacs").ok);
    EXPECT_EQ(node_->Refusals("wrong_certificate"), wrong + 1);
    EXPECT_FALSE(Echo(node_->AsPeer(), FromPacs()).ok) << "not without TLS";
    EXPECT_EQ(node_->Refusals("no_certificate"), none + 1);
  }
  PeerSettings with_address = by_name;
  with_address.from = {"192.0.2.1"};
  node_->receiver->SetPeers({with_address});
  EXPECT_FALSE(EchoAs("pacs").ok) << "`from`, where it is given, counts as well";
  EXPECT_EQ(node_->Refusals("wrong_address"), 1U);

  PeerSettings us = Us();
  us.certificate_name = "somebody else";
  const auto object = WriteObject(node_->folder.Path() / "o.dcm", "1.2.3");
  const auto results = SendObjects(us, From(As("pacs")), {object});
  EXPECT_EQ(results.at(0).outcome, SendOutcome::kTransient);
  EXPECT_THAT(results.at(0).text, HasSubstr("did not show the certificate that it is bound to"));
  EXPECT_THAT(node_->sink.Instances(), IsEmpty());
}

TEST_F(TlsTest, NewCertificatesCountFromNowOnAndDropNobody) {
  Start(As("foreign", "ca"));
  EXPECT_FALSE(EchoAs("pacs").ok);
  const EchoResult before = EchoAs("pacs", "foreign_ca");
  EXPECT_TRUE(before.ok) << before.text;
  // An association that began under the old certificate goes on to its end.
  bool reloaded = false;
  node_->sink.on_store = [&](const ReceivedInstance&) {
    if (!std::exchange(reloaded, true)) node_->receiver->SetTls(LoadTls(As("node")));
  };
  std::vector<OutgoingObject> objects;
  for (int i = 0; i < 3; ++i)
    objects.push_back(WriteObject(node_->folder.Path() / ("o" + std::to_string(i)), "1.2." + std::to_string(i)));
  for (const auto& result : SendObjects(Us(), From(As("pacs", "foreign_ca")), objects))
    EXPECT_EQ(result.outcome, SendOutcome::kSent) << result.text;
  EXPECT_TRUE(EchoAs("pacs").ok);
}

TEST_F(TlsTest, SilenceAndRubbishOnTheTlsPortCostNobodyElseAnything) {
  Start(As("node"), [](ReceiverOptions& options) { options.network.connect_seconds = 1; });
  std::vector<std::unique_ptr<RawCaller>> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(std::make_unique<RawCaller>(node_->receiver->TlsPort()));
  EXPECT_TRUE(EchoAs("pacs").ok);
  RawCaller half(node_->receiver->TlsPort());
  half.Send(std::string("\x16\x03\x01\x02\x00\x01", 6));  // the beginning of a ClientHello, and no more
  RawCaller plain(node_->receiver->TlsPort());
  plain.Send(RawCaller::AssociateRequest("PACS", "GLIONODE", {{kVerification, {kImplicit}}}));
  RawCaller http(node_->receiver->TlsPort());
  http.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(Eventually([&] { return node_->Refusals("tls_not_tls") == 2; }));
  EXPECT_TRUE(Eventually([&] { return node_->Refusals("timeout") >= 1; }));
  EXPECT_TRUE(Eventually([&] { return node_->receiver->Counters().open_connections == 0; }));
  EXPECT_TRUE(EchoAs("pacs").ok);
}

TEST_F(TlsTest, ASenderWithNagleOnDoesNotWaitUnderTls) {
  if (TestData().empty()) GTEST_SKIP() << "no real data: set GLIONODE_TEST_DATA";
  Start();
  const auto seconds = [&](const std::string& environment) {
    std::string output;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(
        RunTool(environment + "storescu +sd +r" + ToolTls("pacs") + (TestData() / "tcga-fg-6692").string(), &output), 0)
        << output;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  // Against the same sender with Nagle off: with acknowledgements delayed, each of the 104 objects takes 40 ms longer.
  const double tuned = seconds("TCP_NODELAY=1 "), shipped = seconds("");
  ASSERT_EQ(node_->sink.Instances().size(), 208U);
  EXPECT_LT(shipped, tuned + 104 * 0.040 * 0.75);
  RecordProperty("instances_per_second", std::to_string(104 / shipped));
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreErrorsThatNameThem) {
  const auto refused = [](TlsSettings settings) -> std::string {
    try {
      const TlsContext context(settings);
      return "taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.Code(), ErrorCode::kUsage);
      return error.what();
    }
  };
  TempFolder folder;
  std::ofstream(folder.Path() / "text.pem") << "this is no certificate\n";
  TlsSettings settings = As("node");
  settings.certificate = folder.Path() / "text.pem";
  EXPECT_THAT(refused(settings),
              HasSubstr("dicom.tls.certificate: " + settings.certificate.string() + " holds no PEM"));
  settings = As("node");
  settings.key = File("pacs.key");
  EXPECT_THAT(refused(settings), HasSubstr("is not the key of " + File("node.crt")));
  settings.key = folder.Path() / "text.pem";
  EXPECT_THAT(refused(settings), HasSubstr("dicom.tls.key: "));
  settings = As("node");
  settings.ca = folder.Path() / "text.pem";
  EXPECT_THAT(refused(settings), HasSubstr("dicom.tls.ca: "));
}

TEST_F(TlsTest, DaysLeftAndWarnings) {
  const std::int64_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const TlsContext fresh(As("node")), expired(As("expired"));
  EXPECT_EQ(fresh.Certificates().at(0).use, "own");
  EXPECT_EQ(fresh.Certificates().at(0).name, "node");
  EXPECT_GE(fresh.Certificates().at(0).DaysLeft(now), 29);
  EXPECT_EQ(fresh.Certificates().at(1).use, "ca");
  EXPECT_LT(expired.Certificates().at(0).DaysLeft(now), 0);
  EXPECT_THAT(expired.Warnings(now).at(0), HasSubstr("our certificate \"expired\" has expired"));
  // 30 days are none to warn of; a day later they are.
  EXPECT_THAT(fresh.Warnings(now - 86400), IsEmpty());
  EXPECT_THAT(fresh.Warnings(now + 2 * 86400).at(0), HasSubstr("expires in 2"));
  const CertificateInfo info{"own", "x", 1000};
  EXPECT_EQ(info.DaysLeft(1000), 0);
  EXPECT_EQ(info.DaysLeft(1001), -1);
  EXPECT_EQ(info.DaysLeft(1000 - 86400), 1);
}

}  // namespace
}  // namespace glionode::dicom::testing
