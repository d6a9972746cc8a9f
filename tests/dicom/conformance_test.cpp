// The tables of docs/conformance.md against what the receiver negotiates and the sender proposes.
#include "dicom/commitment.h"
#include "dicom/header_reader.h"
#include "dicom/sr_report.h"
#include "dicom/tls_stream.h"
#include "network_support.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcuid.h>

#include <algorithm>
#include <arpa/inet.h>
#include <fstream>
#include <map>
#include <openssl/ssl.h>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace glionode::dicom::testing {
namespace {

using Cells = std::vector<std::string>;

/// Rows below the table header that begins with `heading`; cells without blanks and backquotes.
std::vector<Cells> Table(const std::string& heading) {
  std::ifstream in(GLIONODE_SOURCE_DIR "/docs/conformance.md");
  std::vector<Cells> rows;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("| " + heading + " |", 0) == 0) {
      inside = true;
      std::getline(in, line);  // |---|
    } else if (inside && line.rfind("| ", 0) != 0) {
      break;
    } else if (inside) {
      Cells cells;
      std::size_t at = 1;
      for (std::size_t end; (end = line.find('|', at)) != std::string::npos; at = end + 1) {
        std::string cell;
        for (const char c : line.substr(at, end - at))
          if (c != '`') cell += c;
        const auto first = cell.find_first_not_of(' ');
        cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
      }
      rows.push_back(cells);
    }
  }
  EXPECT_FALSE(rows.empty()) << "docs/conformance.md has no table \"" << heading << "\"";
  return rows;
}

std::string Cell(const std::string& heading, const std::string& row, std::size_t column) {
  for (const Cells& cells : Table(heading))
    if (cells.at(0) == row) return cells.at(column);
  ADD_FAILURE() << "no row \"" << row << "\" in \"" << heading << "\"";
  return {};
}

/// Sub-items of an A-ASSOCIATE PDU: (type, value), those of the user information flattened.
std::vector<std::pair<int, std::string>> Items(const std::string& pdu, std::size_t at = 74) {
  std::vector<std::pair<int, std::string>> items;
  while (at + 4 <= pdu.size()) {
    const int type = static_cast<unsigned char>(pdu[at]);
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(pdu[at + 2]) << 8 |
                                               static_cast<unsigned char>(pdu[at + 3]));
    if (type == 0x50)
      at += 4;
    else
      items.emplace_back(type, pdu.substr(at + 4, size)), at += 4 + size;
  }
  return items;
}

std::string Item(int type, const std::string& value) {
  return std::string{static_cast<char>(type), '\0', static_cast<char>(value.size() >> 8),
                     static_cast<char>(value.size() & 0xFF)} +
         value;
}

/// What the node answers to one presentation context.
struct Answer {
  bool accepted = false;
  std::string transfer_syntax;
  std::vector<std::pair<int, std::string>> items;
};

Answer Propose(int port, const std::string& sop_class, const std::vector<std::string>& syntaxes,
               const std::string& more_user_items = "") {
  std::string request = RawCaller::AssociateRequest("PACS", "GLIONODE", {{sop_class, syntaxes}});
  if (!more_user_items.empty()) {
    // The user information is the last item; both lengths grow.
    const std::size_t user = request.rfind(std::string("\x50\x00", 2) + std::string(1, '\0'));
    request += more_user_items;
    const std::size_t user_size = request.size() - user - 4, size = request.size() - 6;
    request[user + 2] = static_cast<char>(user_size >> 8), request[user + 3] = static_cast<char>(user_size & 0xFF);
    for (std::size_t i = 0; i < 4; ++i) request[2 + i] = static_cast<char>(size >> (8 * (3 - i)) & 0xFF);
  }
  RawCaller caller(port);
  Answer answer;
  if (!caller.Send(request)) return answer;
  const std::string pdu = caller.ReadPdu();
  if (pdu.empty() || pdu[0] != 2) return answer;
  answer.items = Items(pdu);
  for (const auto& [type, value] : answer.items)
    if (type == 0x21) {
      answer.accepted = value.at(2) == 0;
      if (value.size() > 8) answer.transfer_syntax = value.substr(8);
    }
  caller.Release();
  return answer;
}

const std::string kScClass = UID_SecondaryCaptureImageStorage;

const std::vector<std::string> kEverySyntax = {
    "1.2.840.10008.1.2.4.51",  "1.2.840.10008.1.2.4.50",  "1.2.840.10008.1.2.4.91",  "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",  "1.2.840.10008.1.2.5",     "1.2.840.10008.1.2.4.80",  "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",  "1.2.840.10008.1.2.1.99",  "1.2.840.10008.1.2.2",     "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",     "1.2.840.10008.1.2.4.92",  "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"};

TEST(ConformanceStatement, StorageAsScp) {
  Node node;
  std::set<std::string> documented, accepted;
  for (const Cells& row : Table("SOP class, Storage as SCP | UID")) documented.insert(row.at(1));
  // Those that DCMTK knows, those of the paper, and services that are none of ours.
  std::vector<std::string> candidates(documented.begin(), documented.end());
  for (int i = 0; i < numberOfDcmAllStorageSOPClassUIDs; ++i) candidates.emplace_back(dcmAllStorageSOPClassUIDs[i]);
  for (const char* other :
       {UID_FINDStudyRootQueryRetrieveInformationModel, UID_MOVEStudyRootQueryRetrieveInformationModel,
        UID_GETStudyRootQueryRetrieveInformationModel, UID_FINDModalityWorklistInformationModel,
        UID_ModalityPerformedProcedureStepSOPClass, UID_MediaStorageDirectoryStorage, "1.2.840.10008.5.1.1.9",
        "1.2.3.4.5"})
    candidates.emplace_back(other);
  // Many contexts an association: 120 associations would do, one is enough.
  std::vector<RawCaller::Context> contexts;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    contexts.push_back({candidates[i], {kExplicit}});
    if (contexts.size() < 120 && i + 1 < candidates.size()) continue;
    RawCaller caller(node.Port());
    ASSERT_TRUE(caller.Send(RawCaller::AssociateRequest("PACS", "GLIONODE", contexts)));
    for (const auto& [type, value] : Items(caller.ReadPdu()))
      if (type == 0x21 && value.at(2) == 0)
        accepted.insert(
            contexts[(static_cast<std::size_t>(static_cast<unsigned char>(value[0])) - 1) / 2].abstract_syntax);
    caller.Release();
    contexts.clear();
  }
  EXPECT_EQ(documented, accepted);
}

TEST(ConformanceStatement, TransferSyntaxesInOrder) {
  Node node;
  std::vector<std::string> documented, negotiated, offered = kEverySyntax;
  for (const Cells& row : Table("order | transfer syntax, Storage as SCP | UID")) documented.push_back(row.at(2));
  while (true) {
    const Answer answer = offered.empty() ? Answer() : Propose(node.Port(), kMrImage, offered);
    if (!answer.accepted) break;
    negotiated.push_back(answer.transfer_syntax);
    offered.erase(std::find(offered.begin(), offered.end(), answer.transfer_syntax));
  }
  EXPECT_EQ(documented, negotiated);
}

TEST(ConformanceStatement, OtherClassesRolesAndLimits) {
  Node node;
  for (const Cells& row : Table("other SOP class as SCP | UID | transfer syntaxes | roles that are accepted"))
    for (const std::string& syntax : kEverySyntax)
      EXPECT_EQ(Propose(node.Port(), row.at(1), {syntax}).accepted,
                (row.at(2) + ",").find(syntax + ",") != std::string::npos)
          << row.at(0) << " in " << syntax;
  const auto role = [&](const std::string& uid, char scu, char scp) {
    const std::string length{'\0', static_cast<char>(uid.size())};
    return Propose(node.Port(), uid, {kExplicit}, Item(0x54, length + uid + std::string{scu, scp}));
  };
  const std::string commitment = "1.2.840.10008.1.20.1";
  EXPECT_FALSE(role(commitment, 1, 0).accepted) << "this node commits to nothing";
  const Answer archive = role(commitment, 0, 1);
  EXPECT_TRUE(archive.accepted);
  std::string selected;
  for (const auto& [type, value] : archive.items)
    if (type == 0x54) selected = value.substr(value.size() - 2);
  EXPECT_EQ(selected, std::string("\0\1", 2));

  // Asynchronous operations (0x53), extended negotiation (0x56), user identity with a wish for an answer (0x58).
  const Answer more = Propose(node.Port(), kMrImage, {kExplicit},
                              Item(0x53, std::string("\0\5\0\5", 4)) +
                                  Item(0x56, std::string{'\0', static_cast<char>(kMrImage.size())} + kMrImage + "\2") +
                                  Item(0x58, std::string("\1\1\0\1x\0\0", 7)));
  EXPECT_TRUE(more.accepted);
  std::map<int, std::string> items(more.items.begin(), more.items.end());
  for (const int type : {0x53, 0x56, 0x59}) EXPECT_EQ(items.count(type), 0U) << type;
  const std::string heading = "| Receiver | Sender";
  const std::string pdu = items[0x51];
  EXPECT_EQ(std::to_string(static_cast<unsigned char>(pdu.at(1)) << 16 | static_cast<unsigned char>(pdu.at(2)) << 8 |
                           static_cast<unsigned char>(pdu.at(3))),
            Cell(heading, "maximum PDU that it receives", 1));
  EXPECT_EQ(items[0x52], Cell(heading, "implementation class UID", 1));
  EXPECT_EQ(items[0x55], Cell(heading, "implementation version name", 1));
  EXPECT_EQ(items[0x10], Cell(heading, "application context", 1));
  const DicomSettings defaults;
  EXPECT_EQ(Cell(heading, "associations at the same time", 1).rfind(std::to_string(defaults.max_associations), 0), 0U);
  EXPECT_EQ(Cell("| port | configured by", "DICOM", 1), std::to_string(defaults.port));
  EXPECT_EQ(Cell("| port | configured by", "DICOM under TLS", 1), std::to_string(defaults.tls.port));
}

/// Takes one A-ASSOCIATE-RQ and closes.
class Overheard {
 public:
  Overheard() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    listen(fd_, 1);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    peer_ = Pacs();
    peer_.port = ntohs(address.sin_port);
  }
  ~Overheard() { close(fd_); }
  const PeerSettings& Peer() const { return peer_; }
  /// (abstract syntax, transfer syntaxes) that `call` proposes; the items of the request in `items`.
  std::map<std::string, std::set<std::string>> During(const std::function<void()>& call,
                                                      std::map<int, std::string>* items = nullptr) {
    std::thread caller(call);
    const int connection = accept(fd_, nullptr, nullptr);
    std::string pdu(6, '\0');
    recv(connection, pdu.data(), 6, MSG_WAITALL);
    std::size_t size = 0;
    for (std::size_t i = 2; i < 6; ++i) size = size << 8 | static_cast<unsigned char>(pdu[i]);
    pdu.resize(6 + size);
    recv(connection, pdu.data() + 6, size, MSG_WAITALL);
    close(connection);
    caller.join();
    std::map<std::string, std::set<std::string>> proposed;
    for (const auto& [type, value] : Items(pdu)) {
      if (items) (*items)[type] = value;
      if (type != 0x20) continue;
      std::string abstract_syntax;
      for (const auto& [inner, uid] : Items(value, 4))
        inner == 0x30 ? void(abstract_syntax = uid) : void(proposed[abstract_syntax].insert(uid));
    }
    return proposed;
  }

 private:
  const int fd_;
  PeerSettings peer_;
};

TEST(ConformanceStatement, AsScu) {
  std::map<std::string, std::set<std::string>> documented, proposed;
  std::vector<OutgoingObject> results;
  TempFolder folder;
  for (const Cells& row : Table("SOP class as SCU | UID | transfer syntaxes")) {
    std::istringstream syntaxes(row.at(2));
    for (std::string syntax; std::getline(syntaxes, syntax, ',');)
      documented[row.at(1)].insert(syntax.substr(syntax.find_first_not_of(' ')));
    if (row.at(0).find("Storage") != std::string::npos && row.at(0).find("Commitment") == std::string::npos)
      results.push_back(WriteObject(folder.Path() / row.at(1), "1.2.3", row.at(1)));
  }
  // What this program makes: reports in three classes, captures, rejection notes.
  std::set<std::string> made = {kScClass, kKeyObjectClass};
  for (const SrClass sr_class : {SrClass::kComprehensive3D, SrClass::kComprehensive, SrClass::kEnhanced})
    made.insert(SrClassUid(sr_class));
  std::set<std::string> sent;
  for (const OutgoingObject& object : results) sent.insert(object.sop_class_uid);
  EXPECT_EQ(sent, made);
  Overheard archive;
  std::map<int, std::string> items;
  proposed.merge(archive.During([&] { Echo(archive.Peer(), FromPacs()); }, &items));
  proposed.merge(archive.During([&] { SendObjects(archive.Peer(), FromPacs(), results); }));
  proposed.merge(archive.During([&] { AskCommitment(archive.Peer(), FromPacs(), "1.2.3", {}, 0); }));
  proposed.merge(archive.During([&] { FindImages(archive.Peer(), FromPacs(), "1.2.3", "1.2.3.4"); }));
  EXPECT_EQ(documented, proposed);
  for (const int type : {0x53, 0x54, 0x56, 0x58}) EXPECT_EQ(items.count(type), 0U) << type;
  const std::string pdu = items[0x51];
  EXPECT_EQ(std::to_string(static_cast<unsigned char>(pdu.at(1)) << 16 | static_cast<unsigned char>(pdu.at(2)) << 8 |
                           static_cast<unsigned char>(pdu.at(3))),
            Cell("| Receiver | Sender", "maximum PDU that it receives", 2));
}

TEST(ConformanceStatement, SecurityProfile) {
  std::set<std::string> documented, built;
  for (const Cells& row : Table("protocol or suite |")) documented.insert(row.at(0));
  TempFolder folder;
  std::string output;
  const std::string base = (folder.Path() / "own").string();
  ASSERT_EQ(RunTool("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout " + base +
                        ".key -out " + base + ".crt",
                    &output),
            0)
      << output;
  TlsSettings settings;
  settings.certificate = settings.ca = base + ".crt";
  settings.key = base + ".key";
  const TlsContext context(settings);
  for (SSL_CTX* made : {context.Inner().server.get(), context.Inner().client.get()}) {
    built = {"TLSv1.2", "TLSv1.3"};
    EXPECT_EQ(SSL_CTX_get_min_proto_version(made), TLS1_2_VERSION);
    EXPECT_EQ(SSL_CTX_get_max_proto_version(made), TLS1_3_VERSION);
    const STACK_OF(SSL_CIPHER)* suites = SSL_CTX_get_ciphers(made);
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); ++i)
      built.insert(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i)));
    EXPECT_EQ(documented, built);
  }
  EXPECT_NE(SSL_CTX_get_verify_mode(context.Inner().server.get()) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT, 0)
      << "mutual by default";
}

}  // namespace
}  // namespace glionode::dicom::testing
