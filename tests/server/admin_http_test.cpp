#include "server/admin_http.h"

#include "config/error.h"
#include "fake_node.h"
#include "server/admin_client.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace glionode::server {
namespace {

using nlohmann::json;

class QuietNode : public FakeNode {
 public:
  json Studies(const StudyQuery&) const override { return {{"text", std::string(1 << 20, 'x')}}; }
};

class AdminHttpTest : public ::testing::Test {
 protected:
  static AdminSettings AnyPort() {
    AdminSettings settings;
    settings.port = 0;
    return settings;
  }
  /// Sends raw bytes and reads until the node closes or has answered.
  std::string Raw(const std::string& bytes) {
    const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(http_.Port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_GE(send(socket_fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
    shutdown(socket_fd, SHUT_WR);
    std::string answer;
    char buffer[4096];
    for (ssize_t got; (got = recv(socket_fd, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(got));
    close(socket_fd);
    return answer;
  }
  HttpAnswer Ask(const std::string& method, const std::string& target, const std::string& body = {}) {
    return AskNode(AdminSettings{}, http_.Port(), method, target, body);
  }
  QuietNode node_;
  struct Routes : AdminRouter {
    explicit Routes(NodeView& node) { AddNodeRoutes(*this, node, "test"); }
  } router_{node_};
  AdminHttp http_{AnyPort(), router_, [this] { return node_.Status(); }};
};

TEST_F(AdminHttpTest, AnswersOverLoopback) {
  EXPECT_EQ(Ask("GET", "/live").status, 200);
  EXPECT_EQ(Ask("GET", "/api/v1/studies").body.size() > (1u << 20), true);
  EXPECT_EQ(json::parse(Ask("POST", "/api/v1/retry", R"({"ids":[4]})").body)["retried"], 1);
}

TEST_F(AdminHttpTest, GarbageAndHugeBodiesCostOnlyTheirSender) {
  EXPECT_EQ(Raw("\x01\x00\x00\x00 no http").find("200"), std::string::npos);
  EXPECT_EQ(Raw("GET /live HTTP/1.1\r\nHost: " + std::string(100000, 'h') + "\r\n\r\n").find("200"), std::string::npos);
  EXPECT_EQ(Raw("POST /api/v1/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n{").find(" 413 "), 8U);
  EXPECT_EQ(Ask("GET", "/live").status, 200);
}

TEST_F(AdminHttpTest, APortInUseIsSaid) {
  AdminSettings settings;
  settings.port = http_.Port();
  // SO_REUSEADDR does not let two listeners share a port.
  try {
    AdminHttp second(settings, router_, [] { return json::object(); });
    FAIL() << "bound twice";
  } catch (const Error& e) {
    EXPECT_EQ(e.Code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find(std::to_string(settings.port)), std::string::npos);
  }
}

}  // namespace
}  // namespace glionode::server
