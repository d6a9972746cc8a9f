#include "config/machine_network.h"

#include <gtest/gtest.h>

namespace glionode {
namespace {

TEST(MachineNetwork, RangesHoldTheirAddresses) {
  EXPECT_TRUE(Holds("10.20.0.0/24", "10.20.0.255"));
  EXPECT_FALSE(Holds("10.20.0.0/24", "10.20.1.0"));
  EXPECT_TRUE(Holds("10.20.0.5", "10.20.0.5"));
  EXPECT_TRUE(Holds("10.20.0.5", "::ffff:10.20.0.5"));
  EXPECT_TRUE(Holds("fd00::/8", "fdff::1"));
  EXPECT_FALSE(Holds("fd00::/8", "fe00::1"));
  EXPECT_TRUE(Holds("0.0.0.0/0", "1.2.3.4"));
  EXPECT_FALSE(Holds("pacs.example.org", "1.2.3.4"));
  EXPECT_EQ(FixedBits("10.0.0.0/8"), 8);
  EXPECT_EQ(FixedBits("10.0.0.1"), 32);
  EXPECT_EQ(FixedBits("::1"), 128);
  EXPECT_EQ(FixedBits("host"), -1);
}

TEST(MachineNetwork, PrivateAndPublicAddresses) {
  for (const char* own : {"127.0.0.1", "10.1.2.3", "172.31.255.255", "192.168.1.1", "169.254.1.1", "100.64.0.1", "::1",
                          "fd12::1", "fe80::1"})
    EXPECT_TRUE(IsPrivate(own)) << own;
  for (const char* open : {"8.8.8.8", "172.32.0.1", "192.169.0.1", "2001:db8::1"})
    EXPECT_FALSE(IsPrivate(open)) << open;
}

TEST(MachineNetwork, ReadsThisMachine) {
  const MachineNetwork network = ReadMachineNetwork();
  for (const auto& list : {network.gateways, network.bridges, network.own})
    for (const std::string& address : list) EXPECT_GE(FixedBits(address), 0) << address;
}

}  // namespace
}  // namespace glionode
