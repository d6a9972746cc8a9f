// The audit trail: what a message must hold (PS3.15 A.5), where it goes, and what happens while the collector is away.
#include "server/audit.h"

#include "server/syslog_link.h"

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <gmock/gmock.h>

#include <arpa/inet.h>
#include <chrono>
#include <fstream>
#include <netinet/in.h>
#include <poll.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using boost::property_tree::ptree;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

AuditEvent Event(AuditKind kind) {
  AuditEvent event;
  event.kind = kind;
  return event;
}

AuditEvent Transfer(AuditKind kind) {
  AuditEvent event = Event(kind);
  event.at = 1790000000123;
  event.source = {"PACS", "10.0.0.5"};
  event.destination = {"GLIONODE", ""};
  event.study_uid = "1.2.3";
  event.patient_id = "P<1>&";
  event.instances = {{"1.2.840.10008.5.1.4.1.1.4", 78}};
  return event;
}

ptree Parse(const AuditEvent& event) {
  std::istringstream in(AuditXml(event, "GLIONODE", "node1", 42));
  ptree tree;
  boost::property_tree::read_xml(in, tree);
  return tree.get_child("AuditMessage");
}

std::vector<ptree> All(const ptree& message, const std::string& name) {
  std::vector<ptree> found;
  for (const auto& [key, child] : message)
    if (key == name) found.push_back(child);
  return found;
}

std::string Attribute(const ptree& element, const std::string& name) {
  return element.get<std::string>("<xmlattr>." + name, "(not there)");
}

/// Required of every message by PS3.15 A.5.1 (elements and attributes without "?"), whatever the event.
void ExpectRequired(const ptree& message) {
  const ptree& event = message.get_child("EventIdentification");
  EXPECT_THAT(Attribute(event, "EventActionCode"), MatchesRegex("[CRUDE]"));
  EXPECT_THAT(Attribute(event, "EventDateTime"),
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"));
  EXPECT_THAT(Attribute(event, "EventOutcomeIndicator"), MatchesRegex("0|4|8|12"));
  const auto code = [](const ptree& element) {
    for (const char* name : {"csd-code", "codeSystemName", "originalText"})
      EXPECT_NE(Attribute(element, name), "(not there)") << name;
  };
  code(event.get_child("EventID"));
  for (const ptree& type : All(event, "EventTypeCode")) code(type);
  const auto participants = All(message, "ActiveParticipant");
  EXPECT_GE(participants.size(), 1u);
  int requestors = 0;
  for (const ptree& participant : participants) {
    EXPECT_NE(Attribute(participant, "UserID"), "(not there)");
    EXPECT_THAT(Attribute(participant, "UserIsRequestor"), MatchesRegex("true|false"));
    requestors += Attribute(participant, "UserIsRequestor") == "true";
    for (const ptree& role : All(participant, "RoleIDCode")) code(role);
  }
  EXPECT_EQ(requestors, 1);
  EXPECT_NE(Attribute(message.get_child("AuditSourceIdentification"), "AuditSourceID"), "(not there)");
  for (const ptree& object : All(message, "ParticipantObjectIdentification")) {
    EXPECT_NE(Attribute(object, "ParticipantObjectID"), "(not there)");
    code(object.get_child("ParticipantObjectIDTypeCode"));
    EXPECT_TRUE(object.get_child_optional("ParticipantObjectName"));
    for (const ptree& sop_class : All(object, "SOPClass")) {
      EXPECT_NE(Attribute(sop_class, "UID"), "(not there)");
      EXPECT_NE(Attribute(sop_class, "NumberOfInstances"), "(not there)");
    }
  }
}

TEST(AuditXml, EveryKindHasWhatTheStandardRequires) {
  const std::pair<AuditKind, const char*> kinds[] = {
      {AuditKind::kStart, "110100"},         {AuditKind::kStop, "110100"},
      {AuditKind::kStudyDeleted, "110105"},  {AuditKind::kNodeAuthentication, "110113"},
      {AuditKind::kConfiguration, "110113"}, {AuditKind::kRestrictedFunction, "110113"}};
  for (const auto& [kind, code] : kinds) {
    AuditEvent event;
    event.kind = kind;
    event.at = 1790000000123;
    if (kind == AuditKind::kStudyDeleted || kind == AuditKind::kRestrictedFunction) event.user = "root";
    if (kind == AuditKind::kNodeAuthentication) event.source = {"STRANGER", "10.9.9.9"};
    const ptree message = Parse(event);
    ExpectRequired(message);
    EXPECT_EQ(Attribute(message.get_child("EventIdentification.EventID"), "csd-code"), code);
  }
}

TEST(AuditXml, ATransferNamesBothSidesTheStudyAndThePatient) {
  for (const AuditKind kind : {AuditKind::kBeginTransferring, AuditKind::kTransferred}) {
    const ptree message = Parse(Transfer(kind));
    ExpectRequired(message);
    const auto sides = All(message, "ActiveParticipant");
    ASSERT_EQ(sides.size(), 2u);
    EXPECT_EQ(Attribute(sides[0].get_child("RoleIDCode"), "csd-code"), "110153");  // source
    EXPECT_EQ(Attribute(sides[0], "AlternativeUserID"), "AETITLES=PACS");
    EXPECT_EQ(Attribute(sides[0], "NetworkAccessPointID"), "10.0.0.5");
    EXPECT_EQ(Attribute(sides[0], "NetworkAccessPointTypeCode"), "2");
    EXPECT_EQ(Attribute(sides[0], "UserIsRequestor"), "true");
    EXPECT_EQ(Attribute(sides[1].get_child("RoleIDCode"), "csd-code"), "110152");  // destination
    const auto objects = All(message, "ParticipantObjectIdentification");
    ASSERT_EQ(objects.size(), 2u);
    EXPECT_EQ(Attribute(objects[0], "ParticipantObjectID"), "1.2.3");
    EXPECT_EQ(Attribute(objects[0].get_child("SOPClass"), "NumberOfInstances"), "78");
    EXPECT_EQ(Attribute(objects[1], "ParticipantObjectID"), "P<1>&");
  }
  AuditEvent sending = Transfer(AuditKind::kTransferred);
  std::swap(sending.source, sending.destination);
  sending.source.ae_title = "GLIONODE";
  sending.we_ask = true;
  ExpectRequired(Parse(sending));
  EXPECT_EQ(Attribute(All(Parse(sending), "ActiveParticipant")[0], "UserIsRequestor"), "true");
}

TEST(AuditXml, WhatStrangersWriteBreaksNothing) {
  AuditEvent event;
  event.kind = AuditKind::kNodeAuthentication;
  event.source = {"\x01</AuditMessage>\"&\n", "10.9.9.9"};
  event.text = "line\nbreak";
  const std::string xml = AuditXml(event, "GLIONODE", "node1", 42);
  EXPECT_EQ(xml.find('\n'), std::string::npos);
  ExpectRequired(Parse(event));
}

TEST(AuditSyslog, IsAnRfc5424Message) {
  const AuditEvent event = Transfer(AuditKind::kTransferred);
  const std::string xml = AuditXml(event, "GLIONODE", "node1", 42);
  EXPECT_EQ(AuditSyslog(event, xml, "node1", 42),
            "<85>1 2026-09-21T14:13:20.123Z node1 glionode 42 IHE+RFC-3881 - \xEF\xBB\xBF" + xml);
}

class AuditTrailTest : public ::testing::Test {
 protected:
  AuditTrailTest() {
    std::string pattern = (fs::temp_directory_path() / "glionode-audit-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~AuditTrailTest() override { fs::remove_all(folder_); }
  std::vector<std::string> Lines(const std::string& file) const {
    std::vector<std::string> lines;
    std::ifstream in(folder_ / "audit" / file);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  int Spooled() const {
    int files = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_ / "audit" / "spool")) ++files;
    return files;
  }
  fs::path folder_;
  Clock clock_;
};

TEST_F(AuditTrailTest, OneLineAMessageThatOnlyTheOwnerReads) {
  AuditTrail trail(folder_, {}, "GLIONODE", clock_);
  trail.Write(Event(AuditKind::kStart));
  trail.Write(Event(AuditKind::kStop));
  EXPECT_EQ(Lines("audit.xml").size(), 2u);
  struct stat info {};
  ASSERT_EQ(stat((folder_ / "audit/audit.xml").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((folder_ / "audit").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_EQ(Spooled(), 0) << "no collector, no spool";
}

TEST_F(AuditTrailTest, FullFilesAreKeptToTheirNumber) {
  AuditSettings settings;
  settings.max_file_mib = 1;
  settings.keep_files = 3;
  AuditTrail trail(folder_, settings, "GLIONODE", clock_);
  AuditEvent event = Transfer(AuditKind::kTransferred);
  event.text = std::string(300000, 'x');
  for (int i = 0; i < 20; ++i) trail.Write(event);
  EXPECT_EQ(Lines("audit.1.xml").size(), 3u);
  EXPECT_TRUE(fs::exists(folder_ / "audit/audit.2.xml"));
  EXPECT_FALSE(fs::exists(folder_ / "audit/audit.3.xml"));
}

/// A TCP socket on any free port of this machine; nobody answers before Listen().
class Collector {
 public:
  Collector() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Collector() {
    if (connection_ >= 0) close(connection_);
    close(listener_);
  }
  std::string Url() const { return "tcp://127.0.0.1:" + std::to_string(port_); }
  void Listen() { EXPECT_EQ(listen(listener_, 5), 0); }
  void TakeAndHangUp() {
    connection_ = accept(listener_, nullptr, nullptr);
    HangUp();
  }
  void HangUp() { close(std::exchange(connection_, -1)); }
  /// One message in octet-counted framing (RFC 6587); "" when none comes within a minute.
  std::string Receive() {
    while (true) {
      const std::size_t blank = text_.find(' ');
      const std::size_t length = blank == std::string::npos ? 0 : std::stoul(text_.substr(0, blank));
      if (length > 0 && text_.size() >= blank + 1 + length) {
        const std::string message = text_.substr(blank + 1, length);
        text_.erase(0, blank + 1 + length);
        return message;
      }
      pollfd waiting{connection_ < 0 ? listener_ : connection_, POLLIN, 0};
      if (poll(&waiting, 1, 60000) <= 0) return "";
      if (connection_ < 0) {
        connection_ = accept(listener_, nullptr, nullptr);
        continue;
      }
      char buffer[65536];
      const ssize_t got = read(connection_, buffer, sizeof buffer);
      if (got <= 0)
        HangUp();
      else
        text_.append(buffer, static_cast<std::size_t>(got));
    }
  }

 private:
  int listener_ = -1, connection_ = -1, port_ = 0;
  std::string text_;
};

TEST_F(AuditTrailTest, MessagesWaitForTheCollectorOverARestart) {
  Collector collector;
  AuditSettings settings;
  settings.syslog = collector.Url();
  {
    AuditTrail trail(folder_, settings, "GLIONODE", clock_);
    trail.Write(Event(AuditKind::kStart));
    trail.Write(Event(AuditKind::kStop));
    EXPECT_EQ(trail.Waiting(), 2);
  }
  EXPECT_EQ(Spooled(), 2);
  collector.Listen();
  AuditTrail trail(folder_, settings, "GLIONODE", clock_);
  AuditEvent third;
  third.kind = AuditKind::kConfiguration;
  trail.Write(third);
  EXPECT_THAT(collector.Receive(), HasSubstr("110120")) << "the oldest first";
  EXPECT_THAT(collector.Receive(), HasSubstr("110121"));
  EXPECT_THAT(collector.Receive(), HasSubstr("110131"));
  for (int i = 0; i < 600 && Spooled() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(Spooled(), 0);
  EXPECT_EQ(Lines("audit.xml").size(), 3u) << "the file has everything too";
}

TEST_F(AuditTrailTest, ACollectorThatHangsUpGetsTheNextMessageOnANewConnection) {
  Collector collector;
  collector.Listen();
  SyslogLink link(collector.Url(), {});
  link.Send("<85>1 one");
  EXPECT_EQ(collector.Receive(), "<85>1 one");
  collector.HangUp();
  link.Send("<85>1 two");
  EXPECT_EQ(collector.Receive(), "<85>1 two");
}

TEST_F(AuditTrailTest, UdpAndTls) {
  const int receiver = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(receiver, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  getsockname(receiver, reinterpret_cast<sockaddr*>(&address), &size);
  SyslogLink udp("udp://127.0.0.1:" + std::to_string(ntohs(address.sin_port)), {});
  udp.Send("<85>1 one");
  char text[64] = {};
  EXPECT_EQ(recv(receiver, text, sizeof text, 0), 9);
  EXPECT_STREQ(text, "<85>1 one");
  close(receiver);
  // A collector without a certificate is none: nothing is told to it.
  Collector plain;
  plain.Listen();
  SyslogLink tls("tls" + plain.Url().substr(3), {});
  std::thread answer([&] { plain.TakeAndHangUp(); });
  EXPECT_ANY_THROW(tls.Send("<85>1 secret"));
  answer.join();
}

}  // namespace
}  // namespace glionode::server
