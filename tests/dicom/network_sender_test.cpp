// Our sender against our receiver, DCMTK's storescp, and peers that behave badly.
#include "config/error.h"
#include "network_support.h"

#include <atomic>
#include <csignal>
#include <netinet/in.h>
#include <semaphore>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ;

namespace glionode::dicom::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Sender, SendsTheStoredBytesOverOneAssociation) {
  Node node;
  std::vector<OutgoingObject> objects;
  for (int i = 0; i < 5; ++i)
    objects.push_back(WriteObject(node.folder.Path() / ("o" + std::to_string(i)), "1.2." + std::to_string(i)));
  const auto results = SendObjects(node.AsPeer(), FromPacs(), objects);
  ASSERT_EQ(results.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(results[i].outcome, SendOutcome::kSent) << results[i].text;
    EXPECT_EQ(results[i].status, 0x0000);
    const auto got = node.sink.Instances().at(i);
    EXPECT_EQ(got.sop_instance_uid, objects[i].sop_instance_uid);
    EXPECT_EQ(got.transfer_syntax_uid, kExplicit);
    EXPECT_EQ(ReadDicomFile(got.staged_file).bytes, ReadDicomFile(objects[i].file).bytes);
  }
  EXPECT_EQ(node.receiver->Counters().associations, 1U);
  EXPECT_TRUE(node.sink.WaitForEnds(1).at(0).released);
}

TEST(Sender, EveryFailureOfTheReceiverIsTheRightOutcome) {
  Node node;
  const std::vector<std::pair<ErrorCode, SendOutcome>> cases = {
      {ErrorCode::kOutOfSpace, SendOutcome::kTransient}, {ErrorCode::kBusy, SendOutcome::kTransient},
      {ErrorCode::kBadDataset, SendOutcome::kPermanent}, {ErrorCode::kWrongSopClass, SendOutcome::kPermanent},
      {ErrorCode::kNotAllowed, SendOutcome::kPermanent}, {ErrorCode::kInternal, SendOutcome::kPermanent}};
  std::size_t call = 0;
  node.sink.on_store = [&](const ReceivedInstance&) {
    if (call < cases.size()) throw Error(cases[call++].first, "on purpose");
  };
  const std::vector<OutgoingObject> objects(cases.size() + 1, WriteObject(node.folder.Path() / "o", "1.2.3"));
  const auto results = SendObjects(node.AsPeer(), FromPacs(), objects);
  ASSERT_EQ(results.size(), objects.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(results[i].outcome, cases[i].second) << results[i].text;
    EXPECT_THAT(results[i].text, AllOf(HasSubstr("GLIONODE at 127.0.0.1 port"), HasSubstr("1.2.3")));
  }
  EXPECT_EQ(results.back().outcome, SendOutcome::kSent) << "after six failures on the same association";
}

TEST(Sender, NobodyThere) {
  TempFolder folder;
  PeerSettings peer = Pacs();
  peer.port = FreePort();
  const auto results = SendObjects(peer, FromPacs(), {WriteObject(folder.Path() / "o", "1.2.3")});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].outcome, SendOutcome::kTransient);
  EXPECT_EQ(results[0].status, 0xFFFF);
  EXPECT_THAT(results[0].text,
              AllOf(HasSubstr("PACS at 127.0.0.1 port " + std::to_string(peer.port)), HasSubstr("Connection refused")));
  EXPECT_FALSE(Echo(peer, FromPacs()).ok);
  peer.host = "no-such-host.invalid";
  EXPECT_THAT(Echo(peer, FromPacs()).text, HasSubstr("no-such-host.invalid"));
}

TEST(Sender, APeerThatDoesNotKnowUsIsTriedAgainAndNamed) {
  Node node;
  SenderOptions stranger = FromPacs();
  stranger.calling_ae = "NEWNODE";
  const auto object = WriteObject(node.folder.Path() / "o", "1.2.3");
  auto results = SendObjects(node.AsPeer(), stranger, {object, object});
  ASSERT_EQ(results.size(), 2U);
  for (const auto& result : results) {
    EXPECT_EQ(result.outcome, SendOutcome::kTransient);
    EXPECT_THAT(result.text, AllOf(HasSubstr("does not know our AE title NEWNODE"), HasSubstr("for good")));
  }
  PeerSettings wrong = node.AsPeer();
  wrong.ae_title = "ELSEWHERE";
  results = SendObjects(wrong, FromPacs(), {object});
  EXPECT_EQ(results.at(0).outcome, SendOutcome::kTransient);
  EXPECT_THAT(results[0].text, HasSubstr("does not answer to the AE title ELSEWHERE"));
}

TEST(Sender, APeerThatIsFullIsTriedAgain) {
  Node node([](ReceiverOptions& options) { options.network.max_associations = 0; });
  const auto results = SendObjects(node.AsPeer(), FromPacs(), {WriteObject(node.folder.Path() / "o", "1.2.3")});
  EXPECT_EQ(results.at(0).outcome, SendOutcome::kTransient);
  EXPECT_THAT(results[0].text, AllOf(HasSubstr("for now"), HasSubstr("limit of associations")));
}

TEST(Sender, NoContextOnlyForTheClassThatIsNotTaken) {
  Node node;
  const auto results = SendObjects(
      node.AsPeer(), FromPacs(),
      {WriteObject(node.folder.Path() / "a", "1.2.3", "1.2.3.999"), WriteObject(node.folder.Path() / "b", "1.2.4")});
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].outcome, SendOutcome::kNoContext);
  EXPECT_THAT(results[0].text, HasSubstr("1.2.3.999"));
  EXPECT_EQ(results[1].outcome, SendOutcome::kSent);
}

TEST(Sender, MoreClassesThanAnAssociationHolds) {
  Node node;
  std::vector<OutgoingObject> objects;
  for (int i = 0; i < 70; ++i)
    objects.push_back(WriteObject(node.folder.Path() / ("o" + std::to_string(i)), "1.2." + std::to_string(i),
                                  "1.2.3.4." + std::to_string(i)));
  objects.push_back(WriteObject(node.folder.Path() / "mr", "1.2.99"));
  const auto results = SendObjects(node.AsPeer(), FromPacs(), objects);
  ASSERT_EQ(results.size(), 71U);
  EXPECT_EQ(results[69].outcome, SendOutcome::kNoContext);
  EXPECT_EQ(results[70].outcome, SendOutcome::kSent) << results[70].text;
  EXPECT_EQ(node.receiver->Counters().associations, 2U);
}

TEST(Sender, AFileThatIsNone) {
  Node node;
  const auto good = WriteObject(node.folder.Path() / "good", "1.2.3");
  const OutgoingObject missing{node.folder.Path() / "missing", kMrImage, "1.2.4"};
  const auto results = SendObjects(node.AsPeer(), FromPacs(), {missing, good});
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].outcome, SendOutcome::kPermanent);
  EXPECT_THAT(results[0].text, HasSubstr("missing"));
  EXPECT_EQ(results[1].outcome, SendOutcome::kSent) << results[1].text;
}

TEST(Sender, APeerThatGoesAwayInTheMiddle) {
  Node node;
  const auto object = WriteObject(node.folder.Path() / "o", "1.2.3");
  std::binary_semaphore stored(0);
  // The receiver ends while it serves: from another thread, for it waits for the one that serves.
  std::thread ending([&] {
    stored.acquire();
    node.receiver->Drain(0);
  });
  std::atomic<int> objects = 0;
  node.sink.on_store = [&](const ReceivedInstance&) {
    if (objects++ == 0) stored.release();
    throw Error(ErrorCode::kBusy, "going away");
  };
  const auto results = SendObjects(node.AsPeer(), FromPacs(), {object, object, object, object, object, object});
  EXPECT_GT(objects, 0);
  if (objects == 0) stored.release();
  ending.join();
  ASSERT_EQ(results.size(), 6U);
  for (const auto& result : results) EXPECT_EQ(result.outcome, SendOutcome::kTransient) << result.text;
  EXPECT_TRUE(Eventually([&] { return node.receiver->Counters().open_connections == 0; }));
}

TEST(Sender, APeerThatTakesTheConnectionAndSaysNothing) {
  Node silent([](ReceiverOptions& options) { options.network.connect_seconds = 30; });
  // A listener that nobody serves: the kernel takes the connection.
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(listen(fd, 5), 0);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  PeerSettings peer = Pacs();
  peer.port = ntohs(address.sin_port);
  SenderOptions options = FromPacs();
  options.connect_seconds = 1;
  const EchoResult echo = Echo(peer, options);
  ::close(fd);
  EXPECT_FALSE(echo.ok);
  EXPECT_THAT(echo.text, HasSubstr("gave no answer within 1 s"));
}

TEST(Sender, APeerThatDoesNotAnswerAnObject) {
  Node node;
  std::mutex mutex;
  std::condition_variable changed;
  bool go_on = false;
  node.sink.on_store = [&](const ReceivedInstance&) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return go_on; });
  };
  SenderOptions options = FromPacs();
  options.message_seconds = 1;
  const auto object = WriteObject(node.folder.Path() / "o", "1.2.3");
  const auto results = SendObjects(node.AsPeer(), options, {object, object});
  {
    const std::lock_guard lock(mutex);
    go_on = true;
    changed.notify_all();
  }
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].outcome, SendOutcome::kTransient);
  EXPECT_THAT(results[0].text, HasSubstr("no answer within 1 s"));
  EXPECT_EQ(results[1].outcome, SendOutcome::kTransient);
  EXPECT_FALSE(node.sink.WaitForEnds(1).at(0).released);
}

// DCMTK's storescp in a process of its own, for as long as the object lives.
class Storescp {
 public:
  explicit Storescp(std::vector<std::string> arguments) : port_(FreePort()) {
    arguments.insert(arguments.begin(), "storescp");
    arguments.insert(arguments.end(), {"-aet", "ARCHIVE", "-od", folder.Path().string(), std::to_string(port_)});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (posix_spawnp(&pid_, "storescp", nullptr, nullptr, argv.data(), environ) != 0) pid_ = -1;
  }
  ~Storescp() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  PeerSettings AsPeer() const {
    PeerSettings peer = Pacs();
    peer.ae_title = "ARCHIVE";
    peer.port = port_;
    return peer;
  }
  bool Ready() const {
    return pid_ > 0 && Eventually([this] { return Echo(AsPeer(), FromPacs()).ok; });
  }
  TempFolder folder;

 private:
  const int port_;
  pid_t pid_ = -1;
};

TEST(Sender, RecodesForAPeerThatTakesImplicitOnly) {
  Storescp archive({"+xi", "+B"});
  ASSERT_TRUE(archive.Ready());
  TempFolder folder;
  const auto object = WriteObject(folder.Path() / "o.dcm", "1.2.3");
  const auto results = SendObjects(archive.AsPeer(), FromPacs(), {object});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].outcome, SendOutcome::kSent) << results[0].text;
  std::string dump, expected;
  const std::string file = std::filesystem::directory_iterator(archive.folder.Path())->path().string();
  EXPECT_EQ(RunTool("dcmdump +P 0002,0010 " + file, &dump), 0);
  EXPECT_THAT(dump, HasSubstr("LittleEndianImplicit"));
  RunTool("dcmdump -q +L +P 0008,0018 +P 0010,0010 +P 7fe0,0010 " + file, &dump);
  RunTool("dcmdump -q +L +P 0008,0018 +P 0010,0010 +P 7fe0,0010 " + object.file.string(), &expected);
  EXPECT_EQ(dump, expected);
}

TEST(Sender, APeerThatRefusesEverybody) {
  Storescp archive({"--refuse"});
  EchoResult echo;
  ASSERT_TRUE(Eventually([&] {
    echo = Echo(archive.AsPeer(), FromPacs());
    return echo.text.find("cannot be reached") == std::string::npos;
  }));
  EXPECT_FALSE(echo.ok);
  EXPECT_THAT(echo.text, HasSubstr("rejected the association"));
}

TEST(Sender, APeerThatAbortsAfterTheObject) {
  Storescp archive({"--abort-after"});
  ASSERT_TRUE(archive.Ready());
  TempFolder folder;
  const auto object = WriteObject(folder.Path() / "o.dcm", "1.2.3");
  const auto results = SendObjects(archive.AsPeer(), FromPacs(), {object, object});
  ASSERT_EQ(results.size(), 2U);
  for (const auto& result : results) EXPECT_EQ(result.outcome, SendOutcome::kTransient) << result.text;
}

TEST(Sender, ManyCallsAtOnce) {
  Node node;
  const auto object = WriteObject(node.folder.Path() / "o", "1.2.3");
  std::vector<std::thread> threads;
  std::atomic<int> sent{0};
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&] {
      for (const auto& result : SendObjects(node.AsPeer(), FromPacs(), {object, object}))
        if (result.outcome == SendOutcome::kSent) ++sent;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sent, 24);
}

}  // namespace
}  // namespace glionode::dicom::testing
