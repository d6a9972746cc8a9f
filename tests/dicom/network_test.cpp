// What the receiver takes, and how it lives: peers of our own and DCMTK's tools on the loopback.
#include "config/error.h"
#include "config/sha256.h"
#include "network_support.h"

#include <chrono>
#include <latch>
#include <map>
#include <new>
#include <set>
#include <thread>

namespace glionode::dicom::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<RawCaller::Context> kMrContexts = {{kMrImage, {kExplicit}}};

TEST(Receiver, AnswersEchoOfOurSenderAndOfEchoscu) {
  Node node;
  const EchoResult echo = Echo(node.AsPeer(), FromPacs());
  EXPECT_TRUE(echo.ok) << echo.text;
  EXPECT_THAT(echo.text, HasSubstr("answered in"));
  std::string output;
  EXPECT_EQ(RunTool("echoscu -v" + node.ToolArguments(), &output), 0) << output;
  EXPECT_EQ(node.receiver->Counters().echoes, 2U);
  const auto ends = node.sink.WaitForEnds(2);
  ASSERT_EQ(ends.size(), 2U);
  for (const auto& end : ends) {
    EXPECT_TRUE(end.released);
    EXPECT_EQ(end.peer.calling_ae, "PACS");
    EXPECT_EQ(end.peer.called_ae, "GLIONODE");
    EXPECT_EQ(end.peer.address, "127.0.0.1");
  }
  EXPECT_NE(ends[0].peer.association, ends[1].peer.association);
}

TEST(Receiver, KeepsTheDataSetAsSentAndWritesTheSenderIntoTheMeta) {
  Node node;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  const std::string data = SmallDataset("1.2.3.4", 200000);
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3.4", data), 0);
  EXPECT_TRUE(caller.Release());
  EXPECT_TRUE(node.sink.WaitForEnds(1).at(0).released);

  ASSERT_EQ(node.sink.Instances().size(), 1U);
  const ReceivedInstance got = node.sink.Instances()[0];
  EXPECT_EQ(got.sop_class_uid, kMrImage);
  EXPECT_EQ(got.sop_instance_uid, "1.2.3.4");
  EXPECT_EQ(got.transfer_syntax_uid, kExplicit);
  EXPECT_EQ(got.sha256, Sha256Hex(data));
  EXPECT_EQ(got.bytes, static_cast<std::int64_t>(data.size()));
  EXPECT_EQ(got.peer.calling_ae, "PACS");
  const Dataset file = ReadDicomFile(got.staged_file);
  EXPECT_EQ(file.bytes, data);
  EXPECT_EQ(file.instance, "1.2.3.4");
  std::string dump;
  EXPECT_EQ(RunTool("dcmdump +P 0002,0016 +P 0002,0010 " + got.staged_file.string(), &dump), 0);
  EXPECT_THAT(dump, HasSubstr("[PACS]"));
  EXPECT_THAT(dump, HasSubstr("LittleEndianExplicit"));
  EXPECT_EQ(node.Staged(), 0U);
  EXPECT_EQ(node.receiver->Counters().instances, 1U);
  EXPECT_EQ(node.receiver->Counters().bytes, data.size());
}

TEST(Receiver, PrefersExplicitLittleEndianAmongWhatIsProposed) {
  Node node;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", {{kMrImage, {kImplicit, "1.2.840.10008.1.2.4.90", kExplicit}}}));
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3.4", SmallDataset("1.2.3.4")), 0);
  ASSERT_EQ(node.sink.Instances().size(), 1U);
  EXPECT_EQ(node.sink.Instances()[0].transfer_syntax_uid, kExplicit);
}

TEST(Receiver, CompressionSaysWhichTransferSyntaxesAreAccepted) {
  const std::string lossless = "1.2.840.10008.1.2.4.90", lossy = "1.2.840.10008.1.2.4.91";
  const std::map<std::string, std::set<std::string>> accepted = {
      {"any", {kImplicit, lossless, lossy}}, {"lossless", {kImplicit, lossless}}, {"none", {kImplicit}}};
  for (const auto& [compression, syntaxes] : accepted) {
    Node node([&, &word = compression](ReceiverOptions& options) { options.network.compression = word; });
    for (const std::string& syntax : {kImplicit, lossless, lossy}) {
      RawCaller caller(node.Port());
      ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", {{kMrImage, {syntax}}}));
      EXPECT_TRUE(caller.Release());
      const std::uint64_t refused = syntaxes.count(syntax) ? 0 : 1;
      EXPECT_EQ(node.Refusals("no_context"), refused + (syntax == lossy && compression == "none" ? 1 : 0))
          << compression << " " << syntax;
    }
  }
}

TEST(Receiver, TakesRealFilesInEveryEncodingByteForByte) {
  if (TestData().empty()) GTEST_SKIP() << "no real data: set GLIONODE_TEST_DATA";
  Node node;
  std::set<std::string> syntaxes;
  std::size_t sent = 0;
  for (const char* name : {"nema-wg04/REF/MR1_UNC", "nema-wg04/RLE/MR1_RLE", "nema-wg04/JPLL/MR2_JPLL",
                           "nema-wg04/JLSL/MR3_JLSL", "nema-wg04/JLSN/MR4_JLSN", "nema-wg04/J2KR/MR1_J2KR",
                           "nema-wg04/J2KI/MR2_J2KI", "nema-wg04/JPLY/MR1_JPLY", "emri-small/emri_small_big_endian.dcm",
                           "emri-small/emri_small.dcm", "emri-small/emri_small_jpeg_2k_lossless_too_short.dcm"}) {
    const Dataset file = ReadDicomFile(TestData() / name);
    RawCaller caller(node.Port());
    ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", {{file.sop_class, {file.transfer_syntax}}})) << name;
    ASSERT_EQ(caller.Store(file.sop_class, file.instance, file.bytes), 0) << name << " " << file.transfer_syntax;
    EXPECT_TRUE(caller.Release());
    ASSERT_EQ(node.sink.Instances().size(), ++sent) << name;
    const Dataset got = ReadDicomFile(node.sink.Instances().back().staged_file);
    EXPECT_EQ(got.bytes, file.bytes) << name;
    EXPECT_EQ(got.transfer_syntax, file.transfer_syntax) << name;
    syntaxes.insert(file.transfer_syntax);
  }
  EXPECT_GE(syntaxes.size(), 8U);
}

TEST(Receiver, TakesWhatStorescuAndDcmsendSend) {
  if (TestData().empty()) GTEST_SKIP() << "no real data: set GLIONODE_TEST_DATA";
  Node node;
  const std::string data = TestData().string();
  std::string output;
  EXPECT_EQ(RunTool("storescu -v -xb" + node.ToolArguments() + data + "/emri-small/emri_small_big_endian.dcm", &output),
            0)
      << output;
  EXPECT_EQ(RunTool("storescu -v -xs" + node.ToolArguments() + data + "/nema-wg04/JPLL/MR1_JPLL", &output), 0)
      << output;
  EXPECT_EQ(RunTool("storescu -v -xd -R" + node.ToolArguments() + data + "/nema-wg04/REF/MR2_UNC", &output), 0)
      << output;
  EXPECT_EQ(RunTool("dcmsend -v --decompress-never" + node.ToolArguments() + data + "/nema-wg04/JLSL/MR1_JLSL " + data +
                        "/nema-wg04/J2KR/MR3_J2KR " + data + "/nema-wg04/RLE/MR2_RLE",
                    &output),
            0)
      << output;
  std::vector<std::string> syntaxes;
  for (const auto& instance : node.sink.Instances()) syntaxes.push_back(instance.transfer_syntax_uid);
  EXPECT_THAT(syntaxes,
              ::testing::IsSupersetOf({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.1.99",
                                       "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"}));
  EXPECT_EQ(node.receiver->Counters().failures, 0U);
  for (const auto& end : node.sink.WaitForEnds(4)) EXPECT_TRUE(end.released);
}

TEST(Receiver, DoesNotWaitForDelayedAcknowledgements) {
  constexpr int kObjects = 150;
  Node node;
  node.sink.on_store = [](const ReceivedInstance&) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  TempFolder folder;
  for (int i = 1; i <= kObjects; ++i) {
    const std::string uid = "1.2.3.4." + std::to_string(i);
    WriteObject(folder.Path() / uid, uid, kMrImage, 131072);
  }
  const auto seconds = [&](const std::string& environment) {
    std::string output;
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(RunTool(environment + " dcmsend +sd" + node.ToolArguments() + folder.Path().string(), &output), 0)
        << output;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  // dcmsend has Nagle on: where acknowledgements are delayed, most objects wait 15 to 40 ms for one, and all take four
  // times what they take without Nagle. The faster of two, because something else may run on this machine.
  const double without_nagle = std::min(seconds("TCP_NODELAY=1"), seconds("TCP_NODELAY=1"));
  const double with_nagle = std::min(seconds(""), seconds(""));
  ASSERT_EQ(node.sink.Instances().size(), 4U * kObjects);
  EXPECT_LT(with_nagle, 2 * without_nagle);
}

TEST(Receiver, AeTitlesMayEndInBlanks) {
  Node node;
  node.receiver->SetPeers({[] {
    PeerSettings peer = Pacs();
    peer.ae_title = "PACS  ";
    return peer;
  }()});
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate(" PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
  EXPECT_EQ(node.sink.Instances().at(0).peer.calling_ae, "PACS");
}

TEST(Receiver, SinkErrorsAreAnsweredAndTheAssociationGoesOn) {
  Node node;
  int call = 0;
  node.sink.on_store = [&](const ReceivedInstance& instance) {
    EXPECT_TRUE(std::filesystem::exists(instance.staged_file));
    switch (call++) {
      case 0:
        throw std::bad_alloc();
      case 1:
        throw Error(ErrorCode::kOutOfSpace, "full");
      case 2:
        throw Error(ErrorCode::kBadDataset, "unreadable");
      case 3:
        throw Error(ErrorCode::kWrongSopClass, "differs");
      case 4:
        throw Error(ErrorCode::kNotAllowed, "no");
      case 5:
        throw 42;
      default:
        break;
    }
  };
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  for (const int expected : {0xC001, 0xA700, 0xC000, 0xA900, 0x0124, 0xC001, 0x0000}) {
    EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), expected);
    EXPECT_EQ(node.Staged(), 0U) << expected;
  }
  EXPECT_TRUE(caller.Release());
  EXPECT_EQ(node.receiver->Counters().failures, 6U);
  EXPECT_EQ(node.receiver->Counters().instances, 1U);
}

TEST(Receiver, SlowSinkIsNotThePeersFault) {
  Node node([](ReceiverOptions& options) { options.network.message_seconds = options.network.idle_seconds = 1; });
  node.sink.on_store = [](const ReceivedInstance&) { std::this_thread::sleep_for(std::chrono::milliseconds(1300)); };
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
  EXPECT_TRUE(caller.Release());
}

TEST(Receiver, ServesIpv6) {
  Node node;
  ReceiverOptions options;
  options.ae_title = "GLIONODE";
  options.network.bind = "::1";
  options.network.port = 0;
  options.staging_dir = node.folder.Path() / "staging";
  options.new_file = NewFilesIn(options.staging_dir);
  std::unique_ptr<Receiver> receiver;
  PeerSettings pacs = Pacs();
  pacs.from = {"::1"};
  try {
    receiver = std::make_unique<Receiver>(options, std::vector<PeerSettings>{pacs}, node.sink);
  } catch (const Error& error) {
    GTEST_SKIP() << "no IPv6 here: " << error.what();
  }
  PeerSettings us = node.AsPeer();
  us.host = "::1";
  us.port = receiver->Port();
  const auto object = WriteObject(node.folder.Path() / "o.dcm", "1.2.3");
  const auto results = SendObjects(us, FromPacs(), {object});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].outcome, SendOutcome::kSent) << results[0].text;
  EXPECT_EQ(node.sink.Instances().at(0).peer.address, "::1");
}

TEST(Receiver, APortInUseIsAnErrorThatNamesIt) {
  Node node;
  TempFolder other;
  ReceiverOptions options;
  options.network.bind = "127.0.0.1";
  options.network.port = node.Port();
  options.staging_dir = other.Path();
  try {
    Receiver second(options, {}, node.sink);
    FAIL() << "two receivers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("127.0.0.1 port " + std::to_string(node.Port())));
  }
}

TEST(Receiver, NewPeersCountFromNowOnAndDropNobody) {
  Node node;
  RawCaller running(node.Port());
  ASSERT_TRUE(running.Associate("PACS", "GLIONODE", kMrContexts));
  PeerSettings other = Pacs();
  other.ae_title = "OTHER";
  node.receiver->SetPeers({other});
  EXPECT_EQ(running.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
  EXPECT_FALSE(RawCaller(node.Port()).Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_TRUE(RawCaller(node.Port()).Associate("OTHER", "GLIONODE", kMrContexts));
}

TEST(Receiver, DrainWaitsForTheRunningAndTakesNoNew) {
  Node node;
  auto running = std::make_unique<RawCaller>(node.Port());
  ASSERT_TRUE(running->Associate("PACS", "GLIONODE", kMrContexts));
  node.receiver->StopAccepting();
  EXPECT_THROW(RawCaller(node.Port()).Associate("PACS", "GLIONODE", kMrContexts), std::runtime_error);
  std::thread caller([&] {
    EXPECT_EQ(running->Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
    EXPECT_TRUE(running->Release());
  });
  EXPECT_EQ(node.receiver->Drain(10), 0);
  caller.join();
  EXPECT_EQ(node.sink.Instances().size(), 1U);
}

TEST(Receiver, DrainCutsWhatDoesNotEnd) {
  Node node;
  RawCaller first(node.Port()), second(node.Port());
  ASSERT_TRUE(first.Associate("PACS", "GLIONODE", kMrContexts));
  ASSERT_TRUE(second.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(node.receiver->Drain(0), 2);
  EXPECT_EQ(first.ReadPdu(), "");
  for (const auto& end : node.sink.WaitForEnds(2)) EXPECT_FALSE(end.released);
}

TEST(Receiver, ADestructorInMidTransferLeavesNothing) {
  TempFolder folder;
  std::optional<Node> node(std::in_place);
  RawCaller caller(node->Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  caller.Send(RawCaller::Data(1, true, true, RawCaller::StoreCommand(kMrImage, "1.2.3", 1)) +
              RawCaller::Data(1, false, false, std::string(1000, 'x')));
  ASSERT_TRUE(Eventually([&] { return node->Staged() == 1; }));
  node->receiver.reset();
  EXPECT_EQ(node->Staged(), 0U);
  EXPECT_TRUE(node->sink.Instances().empty());
}

std::size_t CountEntries(const char* folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(Receiver, ThreeHundredAssociationsLeaveNoThreadAndNoDescriptor) {
  Node node;
  const auto one = [&] {
    RawCaller caller(node.Port());
    ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
    ASSERT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
    ASSERT_TRUE(caller.Release());
  };
  const auto quiet = [&] { return node.receiver->Counters().open_connections == 0; };
  const std::size_t threads = CountEntries("/proc/self/task");
  one();
  ASSERT_TRUE(Eventually(quiet));
  const std::size_t descriptors = CountEntries("/proc/self/fd");
  for (int i = 0; i < 300; ++i) one();
  ASSERT_TRUE(Eventually(quiet));
  EXPECT_TRUE(Eventually([&] { return CountEntries("/proc/self/task") <= threads; }))
      << CountEntries("/proc/self/task");
  EXPECT_EQ(CountEntries("/proc/self/fd"), descriptors);
  EXPECT_EQ(node.receiver->Counters().associations, 301U);
  EXPECT_EQ(node.receiver->Counters().open_associations, 0U);
  EXPECT_EQ(node.sink.WaitForEnds(301).size(), 301U);
}

TEST(Receiver, ManyAtOnceAreServedTogether) {
  Node node;
  constexpr int kCallers = 16, kObjects = 8;
  std::latch together(kCallers);
  // Returns only when all callers are inside: proof that none waits for another.
  node.sink.on_store = [&](const ReceivedInstance& instance) {
    if (instance.sop_instance_uid.ends_with(".1")) together.arrive_and_wait();
  };
  std::vector<std::thread> threads;
  std::atomic<int> stored{0};
  for (int c = 0; c < kCallers; ++c)
    threads.emplace_back([&, c] {
      RawCaller caller(node.Port());
      if (!caller.Associate("PACS", "GLIONODE", kMrContexts)) return;
      for (int i = 1; i <= kObjects; ++i) {
        const std::string uid = "1.2." + std::to_string(c) + "." + std::to_string(i);
        if (caller.Store(kMrImage, uid, SmallDataset(uid)) == 0) ++stored;
      }
      caller.Release();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, kCallers * kObjects);
  EXPECT_EQ(node.sink.Instances().size(), static_cast<std::size_t>(kCallers * kObjects));
}

}  // namespace
}  // namespace glionode::dicom::testing
