#include "network_support.h"

#include "config/error.h"
#include "config/sha256.h"

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace glionode::dicom::testing {
namespace {

std::string Big(std::size_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}
std::string Little(std::size_t value, int bytes) {
  const std::string big = Big(value, bytes);
  return {big.rbegin(), big.rend()};
}
std::size_t FromLittle(const std::string& bytes, std::size_t at, int count) {
  std::size_t value = 0;
  for (int i = count - 1; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}
std::string Item(int type, const std::string& value) {
  return Big(static_cast<std::size_t>(type), 1) + Big(0, 1) + Big(value.size(), 2) + value;
}
std::string Title(std::string title) {
  title.resize(16, ' ');
  return title;
}
std::string Even(std::string value, char pad) {
  if (value.size() % 2) value += pad;
  return value;
}
// Implicit VR little endian, group 0000.
std::string CommandElement(int element, const std::string& value) {
  return Little(0, 2) + Little(static_cast<std::size_t>(element), 2) + Little(value.size(), 4) + value;
}
// Explicit VR little endian.
std::string Element(int group, int element, const std::string& vr, const std::string& value) {
  const std::string tag =
      Little(static_cast<std::size_t>(group), 2) + Little(static_cast<std::size_t>(element), 2) + vr;
  if (vr == "OW" || vr == "OB") return tag + Little(0, 2) + Little(value.size(), 4) + value;
  return tag + Little(value.size(), 2) + value;
}
std::string Uid(const std::string& uid) { return Even(uid, '\0'); }

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "glionode-dcmnet-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}
TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void RecordingSink::Store(const ReceivedInstance& instance) {
  if (on_store) on_store(instance);
  static std::atomic<int> number{0};
  ReceivedInstance kept = instance;
  kept.staged_file = keep_ / ("kept-" + std::to_string(++number) + ".dcm");
  std::filesystem::rename(instance.staged_file, kept.staged_file);
  const std::lock_guard lock(mutex_);
  instances_.push_back(std::move(kept));
}
void RecordingSink::AssociationEnded(const AssociationEnd& end) {
  const std::lock_guard lock(mutex_);
  ends_.push_back(end);
  changed_.notify_all();
}
std::vector<ReceivedInstance> RecordingSink::Instances() const {
  const std::lock_guard lock(mutex_);
  return instances_;
}
std::vector<AssociationEnd> RecordingSink::WaitForEnds(std::size_t count) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(10), [&] { return ends_.size() >= count; });
  return ends_;
}

RawCaller::RawCaller(int port, const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("cannot connect");
  // No test waits for ever.
  const timeval limit{20, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}
RawCaller::~RawCaller() { Close(); }
void RawCaller::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string RawCaller::AssociateRequest(const std::string& calling, const std::string& called,
                                        const std::vector<Context>& contexts) {
  std::string body = Big(1, 2) + Big(0, 2) + Title(called) + Title(calling) + std::string(32, '\0');
  body += Item(0x10, "1.2.840.10008.3.1.1.1");
  std::size_t id = 1;
  for (const Context& context : contexts) {
    std::string value = Big(id, 1) + Big(0, 3) + Item(0x30, context.abstract_syntax);
    for (const std::string& syntax : context.transfer_syntaxes) value += Item(0x40, syntax);
    body += Item(0x20, value);
    id += 2;
  }
  body += Item(0x50, Item(0x51, Big(16384, 4)) + Item(0x52, "1.2.3.4"));
  return Big(1, 1) + Big(0, 1) + Big(body.size(), 4) + body;
}

std::string RawCaller::StoreCommand(const std::string& sop_class, const std::string& instance, int message_id,
                                    bool with_data) {
  const std::string body =
      CommandElement(0x0002, Uid(sop_class)) + CommandElement(0x0100, Little(1, 2)) +
      CommandElement(0x0110, Little(static_cast<std::size_t>(message_id), 2)) + CommandElement(0x0700, Little(0, 2)) +
      CommandElement(0x0800, Little(with_data ? 1 : 0x0101, 2)) + CommandElement(0x1000, Uid(instance));
  return CommandElement(0x0000, Little(body.size(), 4)) + body;
}

std::string RawCaller::Data(int context, bool command, bool last, const std::string& bytes) {
  const std::string pdv = Big(bytes.size() + 2, 4) + Big(static_cast<std::size_t>(context), 1) +
                          Big((command ? 1U : 0U) | (last ? 2U : 0U), 1) + bytes;
  return Big(4, 1) + Big(0, 1) + Big(pdv.size(), 4) + pdv;
}

bool RawCaller::Send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

std::string RawCaller::ReadPdu() {
  std::string pdu(6, '\0');
  if (recv(fd_, pdu.data(), 6, MSG_WAITALL) != 6) return {};
  std::size_t length = 0;
  for (int i = 2; i < 6; ++i) length = length << 8 | static_cast<unsigned char>(pdu[static_cast<std::size_t>(i)]);
  pdu.resize(6 + length);
  if (recv(fd_, pdu.data() + 6, length, MSG_WAITALL) != static_cast<ssize_t>(length)) return {};
  return pdu;
}

bool RawCaller::Associate(const std::string& calling, const std::string& called, const std::vector<Context>& contexts) {
  if (!Send(AssociateRequest(calling, called, contexts))) return false;
  const std::string answer = ReadPdu();
  return !answer.empty() && answer[0] == 2;
}

std::optional<int> RawCaller::ReadStatus() {
  const std::string pdu = ReadPdu();
  if (pdu.size() < 12 || pdu[0] != 4) return std::nullopt;
  for (std::size_t at = 12; at + 8 <= pdu.size();) {
    const std::size_t element = FromLittle(pdu, at + 2, 2), length = FromLittle(pdu, at + 4, 4);
    if (element == 0x0900) return static_cast<int>(FromLittle(pdu, at + 8, 2));
    at += 8 + length;
  }
  return std::nullopt;
}

std::optional<int> RawCaller::Store(const std::string& sop_class, const std::string& instance,
                                    const std::string& data_set) {
  if (!Send(Data(1, true, true, StoreCommand(sop_class, instance, 1)))) return std::nullopt;
  constexpr std::size_t kPart = 60000;
  std::size_t at = 0;
  do {
    const std::string part = data_set.substr(at, kPart);
    at += part.size();
    if (!Send(Data(1, false, at == data_set.size(), part))) break;
  } while (at < data_set.size());
  return ReadStatus();
}

bool RawCaller::Release() {
  if (!Send(Big(5, 1) + Big(0, 1) + Big(4, 4) + Big(0, 4))) return false;
  const std::string answer = ReadPdu();
  return !answer.empty() && answer[0] == 6;
}

PeerSettings Pacs() {
  PeerSettings peer;
  peer.ae_title = "PACS";
  peer.host = "127.0.0.1";
  return peer;
}
SenderOptions FromPacs() {
  SenderOptions options;
  options.calling_ae = "PACS";
  return options;
}

Node::Node(const std::function<void(ReceiverOptions&)>& change) : sink(folder.Path()) {
  ReceiverOptions options;
  options.ae_title = "GLIONODE";
  options.network.bind = "127.0.0.1";
  options.network.port = 0;
  options.staging_dir = folder.Path() / "staging";
  std::filesystem::create_directories(options.staging_dir);
  options.new_file = NewFilesIn(options.staging_dir);
  if (change) change(options);
  receiver = std::make_unique<Receiver>(options, std::vector<PeerSettings>{Pacs()}, sink);
}
std::uint64_t Node::Refusals(const std::string& word) const {
  const auto refusals = receiver->Counters().refusals;
  const auto found = refusals.find(word);
  return found == refusals.end() ? 0 : found->second;
}
std::size_t Node::Staged() const {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.Path() / "staging"), {}));
}
PeerSettings Node::AsPeer() const {
  PeerSettings peer;
  peer.ae_title = "GLIONODE";
  peer.host = "127.0.0.1";
  peer.port = Port();
  return peer;
}
std::string Node::ToolArguments(const std::string& calling, const std::string& called) const {
  return " -aet '" + calling + "' -aec '" + called + "' 127.0.0.1 " + std::to_string(Port()) + " ";
}

Dataset ReadDicomFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  if (all.size() < 144 || all.substr(128, 4) != "DICM") throw std::runtime_error(file.string() + " is not DICOM");
  Dataset out;
  std::size_t at = 132;
  const std::size_t end = 144 + FromLittle(all, 140, 4);
  while (at < end) {
    const std::size_t element = FromLittle(all, at + 2, 2);
    const std::string vr = all.substr(at + 4, 2);
    const bool is_long = vr == "OB" || vr == "UN";
    const std::size_t length = is_long ? FromLittle(all, at + 8, 4) : FromLittle(all, at + 6, 2);
    at += is_long ? 12 : 8;
    std::string value = all.substr(at, length);
    at += length;
    while (!value.empty() && value.back() == '\0') value.pop_back();
    if (element == 0x0002) out.sop_class = value;
    if (element == 0x0003) out.instance = value;
    if (element == 0x0010) out.transfer_syntax = value;
  }
  out.bytes = all.substr(end);
  return out;
}

std::string SmallDataset(const std::string& instance, std::size_t pixel_bytes) {
  return Element(0x0008, 0x0016, "UI", Uid(kMrImage)) + Element(0x0008, 0x0018, "UI", Uid(instance)) +
         Element(0x0008, 0x0060, "CS", "MR") + Element(0x0010, 0x0010, "PN", "Test^Case ") +
         Element(0x0020, 0x000D, "UI", Uid("1.2.3.1")) + Element(0x0020, 0x000E, "UI", Uid("1.2.3.2")) +
         Element(0x7FE0, 0x0010, "OW", std::string(pixel_bytes & ~std::size_t{1}, '\x11'));
}

OutgoingObject WriteObject(const std::filesystem::path& file, const std::string& instance,
                           const std::string& sop_class, std::size_t pixel_bytes) {
  const std::string meta = Element(2, 2, "UI", Uid(sop_class)) + Element(2, 3, "UI", Uid(instance)) +
                           Element(2, 0x10, "UI", Uid(kExplicit)) + Element(2, 0x12, "UI", Uid("1.2.3"));
  std::ofstream(file, std::ios::binary) << std::string(128, '\0') << "DICM"
                                        << Element(2, 0, "UL", Little(meta.size(), 4)) << meta
                                        << SmallDataset(instance, pixel_bytes);
  return {file, sop_class, instance};
}

int RunTool(const std::string& command, std::string* output) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return -1;
  std::array<char, 4096> buffer;
  std::string all;
  while (const std::size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) all.append(buffer.data(), n);
  const int status = pclose(pipe);
  if (output) *output = all;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::filesystem::path TestData() {
  const char* named = std::getenv("GLIONODE_TEST_DATA");
  const std::filesystem::path folder =
      named ? std::filesystem::path(named)
            : std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path() / "shared/data";
  return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

bool Eventually(const std::function<bool()>& is_so, int seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::function<std::filesystem::path()> NewFilesIn(const std::filesystem::path& folder) {
  return [folder] {
    static std::atomic<int> number{0};
    const auto file = folder / ("in-" + std::to_string(++number) + ".part");
    if (!std::ofstream(file)) throw Error(ErrorCode::kInternal, "cannot make " + file.string());
    return file;
  };
}

}  // namespace glionode::dicom::testing
