// What the receiver refuses (design promise 7): each costs its sender the request and nobody else anything.
#include "network_support.h"

#include <chrono>
#include <random>
#include <thread>

namespace glionode::dicom::testing {
namespace {

using ::testing::HasSubstr;

const std::vector<RawCaller::Context> kMrContexts = {{kMrImage, {kExplicit}}};

// The answer to a request, as (result, source, reason) of an A-ASSOCIATE-RJ (PS3.8 9.3.4); zeros for anything else.
std::vector<int> Rejection(int port, const std::string& calling, const std::string& called) {
  RawCaller caller(port);
  caller.Send(RawCaller::AssociateRequest(calling, called, kMrContexts));
  const std::string pdu = caller.ReadPdu();
  if (pdu.size() != 10 || pdu[0] != 3) return {0, 0, 0};
  return {pdu[7], pdu[8], pdu[9]};
}

bool StillServes(const Node& node) { return Echo(node.AsPeer(), FromPacs()).ok; }

TEST(Refusals, UnknownAeTitle) {
  Node node;
  EXPECT_EQ(Rejection(node.Port(), "STRANGER", "GLIONODE"), (std::vector<int>{1, 1, 3}));
  EXPECT_EQ(node.Refusals("unknown_ae"), 1U);
  std::string output;
  EXPECT_NE(RunTool("echoscu" + node.ToolArguments("STRANGER"), &output), 0);
  EXPECT_THAT(output, HasSubstr("Calling AE Title Not Recognized"));
  EXPECT_TRUE(node.sink.WaitForEnds(0).empty()) << "a refused association is none";
  EXPECT_TRUE(StillServes(node));
}

TEST(Refusals, WrongCalledAeTitle) {
  Node node;
  EXPECT_EQ(Rejection(node.Port(), "PACS", "OTHERNODE"), (std::vector<int>{1, 1, 7}));
  EXPECT_EQ(node.Refusals("wrong_called_ae"), 1U);
  EXPECT_TRUE(StillServes(node));
}

TEST(Refusals, RightTitleFromTheWrongAddress) {
  Node node;
  PeerSettings pacs = Pacs();
  pacs.from = {"10.20.0.0/24"};
  node.receiver->SetPeers({pacs});
  EXPECT_EQ(Rejection(node.Port(), "PACS", "GLIONODE"), (std::vector<int>{1, 1, 3}));
  EXPECT_EQ(node.Refusals("wrong_address"), 1U);
  pacs.from = {"127.0.0.0/8"};
  node.receiver->SetPeers({pacs});
  EXPECT_TRUE(StillServes(node));
}

TEST(Refusals, NoPeersNobody) {
  Node node;
  node.receiver->SetPeers({});
  EXPECT_EQ(Rejection(node.Port(), "PACS", "GLIONODE"), (std::vector<int>{1, 1, 3}));
}

TEST(Refusals, MoreThanMaxAssociationsForNow) {
  Node node([](ReceiverOptions& options) { options.network.max_associations = 2; });
  RawCaller first(node.Port()), second(node.Port());
  ASSERT_TRUE(first.Associate("PACS", "GLIONODE", kMrContexts));
  ASSERT_TRUE(second.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(Rejection(node.Port(), "PACS", "GLIONODE"), (std::vector<int>{2, 3, 2}));
  EXPECT_EQ(node.Refusals("busy"), 1U);
  EXPECT_TRUE(first.Release());
  EXPECT_TRUE(Eventually([&] { return node.receiver->Counters().open_associations == 1; }));
  EXPECT_TRUE(StillServes(node)) << "a place that was left is free at once";
  EXPECT_EQ(second.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
}

TEST(Refusals, MoreThanMaxConnections) {
  Node node([](ReceiverOptions& options) { options.network.max_connections = 3; });
  RawCaller a(node.Port()), b(node.Port()), c(node.Port()), d(node.Port());
  EXPECT_EQ(d.ReadPdu(), "");
  EXPECT_EQ(node.Refusals("connections"), 1U);
  a.Close();
  EXPECT_TRUE(Eventually([&] { return node.receiver->Counters().open_connections < 3; }));
  EXPECT_TRUE(Eventually([&] { return StillServes(node); }));
}

TEST(Refusals, StrangersCannotTakeAllConnections) {
  Node node([](ReceiverOptions& options) { options.network.max_connections = 8; });
  // All of 127.0.0.0/8 is this machine: connections to 127.0.0.2 come from 127.0.0.1, so the peer is moved instead.
  PeerSettings pacs = Pacs();
  pacs.from = {"10.0.0.1"};
  node.receiver->SetPeers({pacs});
  RawCaller a(node.Port()), b(node.Port());
  RawCaller c(node.Port());
  EXPECT_EQ(c.ReadPdu(), "") << "a quarter of 8 is for unknown addresses";
  node.receiver->SetPeers({Pacs()});
  EXPECT_TRUE(StillServes(node)) << "the other places are kept for peers";
}

TEST(Refusals, DiskBelowTheReserve) {
  Node node([](ReceiverOptions& options) { options.min_free_bytes = std::int64_t{1} << 60; });
  EXPECT_EQ(Rejection(node.Port(), "PACS", "GLIONODE"), (std::vector<int>{2, 3, 1}));
  EXPECT_EQ(node.Refusals("disk"), 1U);
}

TEST(Refusals, NotDicomWhileOthersAreServed) {
  Node node;
  std::mt19937 random(7);
  for (int i = 0; i < 40; ++i) {
    RawCaller caller(node.Port());
    std::string bytes;
    if (i % 4 == 0) bytes = "GET / HTTP/1.1\r\nHost: glionode\r\n\r\n";
    if (i % 4 == 1) bytes = RawCaller::AssociateRequest("PACS", "GLIONODE", kMrContexts).substr(0, 40);
    // A request whose length says 4 GiB, and one of the right type filled with noise.
    if (i % 4 == 2) bytes = std::string("\x01\x00\xff\xff\xff\xff", 6) + std::string(100, 'x');
    if (i % 4 == 3) {
      bytes = std::string("\x01\x00\x00\x00\x02\x00", 6);
      for (int k = 0; k < 512; ++k) bytes += static_cast<char>(random());
    }
    caller.Send(bytes);
    if (i % 8 == 0) {
      EXPECT_TRUE(StillServes(node));
    }
    if (i % 2 == 0) caller.ReadPdu();
  }
  EXPECT_TRUE(StillServes(node));
  EXPECT_TRUE(Eventually([&] { return node.Refusals("not_dicom") >= 30; })) << node.Refusals("not_dicom");
  EXPECT_EQ(node.Staged(), 0U);
}

TEST(Refusals, SilentCallersHoldNobodyUpAndAreCut) {
  Node node([](ReceiverOptions& options) { options.network.connect_seconds = 2; });
  std::vector<std::unique_ptr<RawCaller>> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(std::make_unique<RawCaller>(node.Port()));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(StillServes(node));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1800));
  for (auto& caller : silent) EXPECT_EQ(caller->ReadPdu(), "") << "cut after connect_seconds";
  EXPECT_TRUE(Eventually([&] { return node.Refusals("timeout") == 50; }));
  EXPECT_TRUE(Eventually([&] { return node.receiver->Counters().open_connections == 0; }));
}

// Sends one byte at a time, 20 a second, until the other side ends it. Seconds that it took.
double Drip(RawCaller& caller, const std::string& bytes) {
  const auto start = std::chrono::steady_clock::now();
  for (const char byte : bytes) {
    if (!caller.Send(std::string(1, byte))) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (std::chrono::steady_clock::now() - start > std::chrono::seconds(6)) break;
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(Refusals, DrippingARequestDoesNotMoveTheDeadline) {
  Node node([](ReceiverOptions& options) { options.network.connect_seconds = 1; });
  RawCaller caller(node.Port());
  EXPECT_LT(Drip(caller, RawCaller::AssociateRequest("PACS", "GLIONODE", kMrContexts)), 3);
  EXPECT_TRUE(Eventually([&] { return node.Refusals("timeout") == 1; }));
}

TEST(Refusals, DrippingAMessageDoesNotMoveTheDeadline) {
  Node node([](ReceiverOptions& options) { options.network.message_seconds = 1; });
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  caller.Send(RawCaller::Data(1, true, true, RawCaller::StoreCommand(kMrImage, "1.2.3", 1)));
  EXPECT_LT(Drip(caller, RawCaller::Data(1, false, true, SmallDataset("1.2.3"))), 3);
  const auto ends = node.sink.WaitForEnds(1);
  ASSERT_EQ(ends.size(), 1U);
  EXPECT_FALSE(ends[0].released);
  EXPECT_EQ(node.Refusals("timeout"), 1U);
  EXPECT_EQ(node.Staged(), 0U);
  const std::string pdu = caller.ReadPdu();
  EXPECT_TRUE(pdu.empty() || pdu[0] == 7) << "an A-ABORT tells the caller";
}

TEST(Refusals, AnIdleAssociationIsAborted) {
  Node node([](ReceiverOptions& options) { options.network.idle_seconds = 1; });
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  const std::string pdu = caller.ReadPdu();
  ASSERT_FALSE(pdu.empty());
  EXPECT_EQ(pdu[0], 7) << "A-ABORT";
  EXPECT_FALSE(node.sink.WaitForEnds(1).at(0).released);
}

TEST(Refusals, AbortAndLossInMidTransferLeaveNothing) {
  Node node;
  for (const bool abort : {true, false}) {
    RawCaller caller(node.Port());
    ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
    caller.Send(RawCaller::Data(1, true, true, RawCaller::StoreCommand(kMrImage, "1.2.3", 1)) +
                RawCaller::Data(1, false, false, SmallDataset("1.2.3")));
    ASSERT_TRUE(Eventually([&] { return node.Staged() == 1; }));
    if (abort) caller.Send(std::string("\x07\0\0\0\0\x04\0\0\0\0", 10));
    caller.Close();
    ASSERT_TRUE(Eventually([&] { return node.Staged() == 0; }));
  }
  const auto ends = node.sink.WaitForEnds(2);
  ASSERT_EQ(ends.size(), 2U);
  EXPECT_FALSE(ends[0].released || ends[1].released);
  EXPECT_TRUE(node.sink.Instances().empty());
  EXPECT_EQ(node.receiver->Counters().failures, 2U);
  EXPECT_TRUE(StillServes(node));
}

TEST(Refusals, UidsThatAreNone) {
  Node node;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  for (const char* uid : {"../../../etc/cron.d/x", "1.2/../3", "1.2..3", "evil"})
    EXPECT_EQ(caller.Store(kMrImage, uid, SmallDataset("1.2.3")), 0x0117) << uid;
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3 ", SmallDataset("1.2.3")), 0) << "a blank as padding is forgiven";
  EXPECT_EQ(node.sink.Instances().at(0).sop_instance_uid, "1.2.3");
  EXPECT_TRUE(caller.Release());
  EXPECT_EQ(node.Staged(), 0U);
}

TEST(Refusals, ASopClassOtherThanTheContexts) {
  Node node;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(caller.Store("1.2.840.10008.5.1.4.1.1.2", "1.2.3", SmallDataset("1.2.3")), 0xA900);
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
}

TEST(Refusals, ObjectsPastTheLimit) {
  Node node([](ReceiverOptions& options) { options.network.max_instance_bytes = 100000; });
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3", 500000)), 0xC002);
  // Refused by its last fragment: DCMTK's own way would wait for another one.
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3", 100002)), 0xC002);
  EXPECT_EQ(node.Staged(), 0U);
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3", 99000)), 0) << "the association is usable";
  EXPECT_EQ(node.sink.Instances().size(), 1U);
}

TEST(Refusals, NewLimitsCountForNewAssociationsAndDropNobody) {
  Node node([](ReceiverOptions& options) {
    options.network.max_associations = 1;
    options.network.max_instance_bytes = 100000;
    options.network.idle_seconds = 600;
  });
  RawCaller before(node.Port());
  ASSERT_TRUE(before.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(Rejection(node.Port(), "PACS", "GLIONODE"), (std::vector<int>{2, 3, 2}));
  DicomSettings limits;
  limits.max_associations = 2;
  limits.max_instance_bytes = 2000000;
  limits.idle_seconds = 1;
  node.receiver->SetLimits(limits, 0);
  RawCaller after(node.Port());
  ASSERT_TRUE(after.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(after.Store(kMrImage, "1.2.3", SmallDataset("1.2.3", 500000)), 0);
  EXPECT_NE(after.ReadPdu(), "") << "an A-ABORT after a second of silence";
  EXPECT_TRUE(Eventually([&] { return node.receiver->Counters().open_associations == 1; }));
  EXPECT_EQ(before.Store(kMrImage, "1.2.4", SmallDataset("1.2.4", 500000)), 0xC002) << "it keeps what it began with";
  EXPECT_EQ(before.Store(kMrImage, "1.2.4", SmallDataset("1.2.4", 5000)), 0);
  node.receiver->SetLimits(limits, std::int64_t{1} << 60);
  EXPECT_EQ(Rejection(node.Port(), "PACS", "GLIONODE"), (std::vector<int>{2, 3, 1}));
  EXPECT_EQ(before.Store(kMrImage, "1.2.5", SmallDataset("1.2.5", 5000)), 0);
}

TEST(Refusals, MaxConnectionsMayGrowWhileItRuns) {
  Node node([](ReceiverOptions& options) { options.network.max_connections = 1; });
  RawCaller a(node.Port()), b(node.Port());
  EXPECT_EQ(b.ReadPdu(), "");
  DicomSettings limits;
  limits.max_connections = 2;
  node.receiver->SetLimits(limits, 0);
  EXPECT_TRUE(StillServes(node)) << "the second connection";
}

TEST(Refusals, EmptyDataSets) {
  Node node;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", ""), 0xC000);
  EXPECT_EQ(caller.Store(kMrImage, "1.2.3", SmallDataset("1.2.3")), 0);
}

TEST(Refusals, CommandsThatAreNoneAreAborted) {
  Node node;
  // A C-STORE without a data set, one without an instance UID, a data set without a command.
  for (const std::string& message :
       {RawCaller::Data(1, true, true, RawCaller::StoreCommand(kMrImage, "1.2.3", 2, false)),
        RawCaller::Data(1, true, true, RawCaller::StoreCommand(kMrImage, "", 2)),
        RawCaller::Data(1, false, true, SmallDataset("1.2.3"))}) {
    RawCaller caller(node.Port());
    ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
    caller.Send(message);
    const std::string pdu = caller.ReadPdu();
    ASSERT_FALSE(pdu.empty());
    EXPECT_EQ(pdu[0], 7) << "A-ABORT";
  }
  EXPECT_EQ(node.sink.WaitForEnds(3).size(), 3U);
  EXPECT_EQ(node.Refusals("timeout"), 0U);
  EXPECT_TRUE(StillServes(node));
}

TEST(Refusals, ACommandThatDoesNotEnd) {
  Node node;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  const std::string command = RawCaller::StoreCommand(kMrImage, "1.2.3", 1);
  // Group 0000, an element of 512 MiB: it would be collected in memory.
  std::string endless("\0\0\x01\x50\0\0\0\x20", 8);
  bool open = caller.Send(RawCaller::Data(1, true, false, command + endless));
  for (int i = 0; open && i < 2000; ++i) open = caller.Send(RawCaller::Data(1, true, false, std::string(60000, 'x')));
  EXPECT_FALSE(open);
  EXPECT_FALSE(node.sink.WaitForEnds(1).at(0).released);
  EXPECT_TRUE(StillServes(node));
}

TEST(Refusals, ACommandOfNestedSequencesCostsItsSenderAlone) {
  Node node;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  // Implicit VR: an unknown element of undefined length is a sequence; 16 bytes a level, as many as may come.
  std::string nested = RawCaller::StoreCommand(kMrImage, "1.2.3", 1);
  const std::string level("\x09\0\x10\x10\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff", 16);
  for (int i = 0; i < 6000; ++i) nested += level;
  caller.Send(RawCaller::Data(1, true, false, nested));
  caller.Send(RawCaller::Data(1, true, true, nested));
  EXPECT_FALSE(node.sink.WaitForEnds(1).at(0).released);
  EXPECT_TRUE(StillServes(node));
}

TEST(Refusals, UnknownCommandsAndProposals) {
  Node node;
  RawCaller nothing(node.Port());
  EXPECT_TRUE(nothing.Associate("PACS", "GLIONODE", {{"1.2.3.4.5", {kExplicit}}}));
  EXPECT_EQ(node.Refusals("no_context"), 1U);
  EXPECT_TRUE(nothing.Release());

  std::string output;
  EXPECT_NE(RunTool("findscu -P -k 0008,0052=PATIENT" + node.ToolArguments(), &output), 0) << output;
  RawCaller caller(node.Port());
  ASSERT_TRUE(caller.Associate("PACS", "GLIONODE", kMrContexts));
  std::string noise = RawCaller::StoreCommand(kMrImage, "1.2.3", 1);
  const auto field = noise.find(std::string("\0\0\0\x01\x02\0\0\0\x01\0", 10));
  ASSERT_NE(field, std::string::npos);
  noise[field + 8] = '\x20';  // a C-FIND-RQ on a storage context
  caller.Send(RawCaller::Data(1, true, true, noise));
  EXPECT_FALSE(node.sink.WaitForEnds(3).back().released);
  EXPECT_TRUE(StillServes(node));
}

}  // namespace
}  // namespace glionode::dicom::testing
