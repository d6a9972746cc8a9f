// Whatever a caller says on the port: the receiver ends that association, keeps nothing half-written, and goes on.
#include "config/error.h"
#include "config/log.h"
#include "dicom/receiver.h"

#include <arpa/inet.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using namespace glionode;

class Sink : public dicom::InstanceSink {
 public:
  void Store(const dicom::ReceivedInstance& instance) override { fs::remove(instance.staged_file); }
  void AssociationEnded(const dicom::AssociationEnd&) override {}
};

/// One receiver for all inputs, so that what one leaves behind meets the next.
class Target {
 public:
  Target() {
    ConfigureLog(LogLevel::kError, "text");
    std::string pattern = (fs::temp_directory_path() / "glionode-fuzz-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
    dicom::ReceiverOptions options;
    options.ae_title = "GLIONODE";
    options.network.bind = "127.0.0.1";
    options.network.port = 0;
    options.network.connect_seconds = options.network.idle_seconds = options.network.message_seconds = 5;
    options.network.max_instance_bytes = 1 << 20;
    options.staging_dir = folder_;
    options.new_file = [this] {
      const fs::path file = folder_ / (std::to_string(++files_) + ".part");
      std::ofstream{file};
      return file;
    };
    PeerSettings peer;
    peer.ae_title = "PACS";
    peer.host = "127.0.0.1";
    receiver_ = std::make_unique<dicom::Receiver>(options, std::vector<PeerSettings>{peer}, sink_);
  }
  ~Target() {
    receiver_.reset();
    fs::remove_all(folder_);
  }

  void Say(const std::uint8_t* data, std::size_t size) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(receiver_->Port()));
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("the receiver takes no connection");
    // Answers are few and small: they fit into the socket's buffer, so writing all first cannot block for ever.
    while (size > 0) {
      const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
      if (sent <= 0) break;  // it has cut us already
      data += sent;
      size -= static_cast<std::size_t>(sent);
    }
    shutdown(fd, SHUT_WR);
    char answer[4096];
    while (recv(fd, answer, sizeof answer, 0) > 0) {
    }
    close(fd);
    // The thread that served us ends a moment after the connection.
    while (receiver_->Counters().open_connections > 0) poll(nullptr, 0, 0);
    if (!fs::is_empty(folder_)) std::abort();
  }

 private:
  std::atomic<int> files_{0};
  fs::path folder_;
  Sink sink_;
  std::unique_ptr<dicom::Receiver> receiver_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Target target;
  target.Say(data, size);
  return 0;
}
