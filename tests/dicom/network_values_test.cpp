#include "dicom/dimse_status.h"
#include "dicom/peer_access.h"
#include "dicom/uid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <set>

namespace glionode::dicom {
namespace {

TEST(Uid, AcceptsDigitsAndSingleDotsUpTo64) {
  for (const char* good : {"1", "1.2", "1.2.840.10008.5.1.4.1.1.4", "1.02.3", "2.25.0"})
    EXPECT_TRUE(IsValidUid(good)) << good;
  EXPECT_TRUE(IsValidUid(std::string(64, '1')));
  for (const char* bad : {"", ".", ".1", "1.", "1..2", "1.2.a", "../etc/passwd", "1.2/3", "1.2 ", "1.-2", "1.2\n"})
    EXPECT_FALSE(IsValidUid(bad)) << bad;
  EXPECT_FALSE(IsValidUid(std::string(65, '1')));
  EXPECT_FALSE(IsValidUid(std::string_view("1.2\0.3", 6)));
}

TEST(Uid, NamedUidIsUuidVersion5ForEver) {
  // Computed with Python's uuid.uuid5 in the same namespace.
  EXPECT_EQ(NamedUid("glionode"), "2.25.94502883025851988587878908847128739003");
  EXPECT_EQ(NamedUid(""), "2.25.213939944615108620509096465373134248538");
  EXPECT_EQ(DeviceUid("abc"), "2.25.136827004262810567024153939187256998091");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uid = NamedUid("name " + std::to_string(i));
    EXPECT_TRUE(IsValidUid(uid) && uid.size() <= 44) << uid;
    EXPECT_TRUE(seen.insert(uid).second);
  }
}

TEST(DimseStatus, EveryErrorHasItsFailure) {
  const std::map<ErrorCode, int> expected = {
      {ErrorCode::kOutOfSpace, 0xA700},    {ErrorCode::kBusy, 0xA700},        {ErrorCode::kBadDataset, 0xC000},
      {ErrorCode::kWrongSopClass, 0xA900}, {ErrorCode::kNotAllowed, 0x0124},  {ErrorCode::kNotFound, 0xC001},
      {ErrorCode::kUsage, 0xC001},         {ErrorCode::kMissingPart, 0xC001}, {ErrorCode::kInternal, 0xC001}};
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const auto error = static_cast<ErrorCode>(code);
    ASSERT_TRUE(expected.contains(error)) << "no expectation for error " << code;
    EXPECT_EQ(StoreStatusFor(error), expected.at(error)) << code;
    EXPECT_NE(JudgeStoreStatus(StoreStatusFor(error)), StoreVerdict::kStored) << code;
  }
}

TEST(DimseStatus, JudgesAll65536) {
  const std::set<int> transient = {0x0110, 0x0210, 0x0213, 0xFE00}, identity = {0xA777, 0xA778, 0xA779},
                      rejected = {0xA771, 0xA77B};
  for (int status = 0; status <= 0xFFFF; ++status) {
    StoreVerdict expected = StoreVerdict::kPermanent;
    if (status == 0 || status == 0x0111 || (status >= 0xB000 && status <= 0xBFFF)) expected = StoreVerdict::kStored;
    if (transient.contains(status) || (status >= 0xA700 && status <= 0xA7FF && !rejected.contains(status)))
      expected = StoreVerdict::kTransient;
    if (identity.contains(status)) expected = StoreVerdict::kIdentity;
    ASSERT_EQ(JudgeStoreStatus(static_cast<std::uint16_t>(status)), expected) << std::hex << status;
    const std::string text = DescribeStatus(static_cast<std::uint16_t>(status));
    ASSERT_EQ(std::stoi(text.substr(0, 4), nullptr, 16), status);
    ASSERT_GT(text.size(), 8U) << text;
  }
  EXPECT_EQ(DescribeStatus(0xA700), "A700 out of resources");
  EXPECT_EQ(DescribeStatus(0xA7FE), "A7FE out of resources");
  EXPECT_EQ(DescribeStatus(0xC123), "C123 cannot understand");
}

PeerSettings Peer(const std::string& title, const std::string& host, std::vector<std::string> from = {}) {
  PeerSettings peer;
  peer.ae_title = title;
  peer.host = host;
  peer.from = std::move(from);
  return peer;
}

TEST(PeerAccess, DeniesByDefaultAndChecksTitleAndAddress) {
  const PeerAccess access({Peer("PACS", "10.20.0.5"), Peer("CT", "1.1.1.1", {"10.1.0.0/20", "192.168.7.9"}),
                           Peer("V6", "2001:db8::5", {"2001:db8:7::/48", "2001:db8::1"}), Peer("PACS", "10.20.0.6")});
  EXPECT_EQ(access.Check("PACS", "10.20.0.5"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check(" PACS   ", "10.20.0.6"), AccessVerdict::kAllowed) << "the second peer of this title";
  EXPECT_EQ(access.Check("PACS", "::ffff:10.20.0.5"), AccessVerdict::kAllowed) << "IPv4-mapped";
  EXPECT_EQ(access.Check("PACS", "10.20.0.7"), AccessVerdict::kWrongAddress);
  EXPECT_EQ(access.Check("pacs", "10.20.0.5"), AccessVerdict::kUnknownAe) << "case counts";
  EXPECT_EQ(access.Check("", "10.20.0.5"), AccessVerdict::kUnknownAe);
  EXPECT_EQ(access.Check("CT", "10.1.15.255"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check("CT", "10.1.16.0"), AccessVerdict::kWrongAddress);
  EXPECT_EQ(access.Check("CT", "192.168.7.9"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check("CT", "1.1.1.1"), AccessVerdict::kWrongAddress) << "`from` replaces host";
  EXPECT_EQ(access.Check("V6", "2001:db8:7:1::2"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check("V6", "2001:db8:8::2"), AccessVerdict::kWrongAddress);
  EXPECT_EQ(access.Check("PACS", "no address"), AccessVerdict::kWrongAddress);
  EXPECT_EQ(PeerAccess({}).Check("PACS", "10.20.0.5"), AccessVerdict::kUnknownAe);
  EXPECT_TRUE(access.KnowsAddress("10.20.0.6"));
  EXPECT_FALSE(access.KnowsAddress("10.20.0.7"));
}

TEST(PeerAccess, AnyAddressIsARangeOfZeroBits) {
  const PeerAccess access({Peer("A", "h", {"0.0.0.0/0"}), Peer("B", "h", {"::/0"}), Peer("C", "h", {"10.0.0.0/33"})},
                          [](const std::string&) { return std::vector<std::string>{}; });
  EXPECT_EQ(access.Check("A", "203.0.113.9"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check("A", "2001:db8::1"), AccessVerdict::kWrongAddress);
  EXPECT_EQ(access.Check("B", "2001:db8::1"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check("C", "10.0.0.1"), AccessVerdict::kWrongAddress) << "a range that is none lets nobody in";
}

TEST(PeerAccess, NamesAreLookedUpAndAFailureKeepsTheLastAnswer) {
  int asked = 0;
  const PeerAccess access({Peer("PACS", "pacs.hospital")}, [&](const std::string& name) {
    EXPECT_EQ(name, "pacs.hospital");
    return ++asked == 1 ? std::vector<std::string>{"10.0.0.1", "2001:db8::9"} : std::vector<std::string>{};
  });
  EXPECT_FALSE(access.KnowsAddress("10.0.0.1"));
  EXPECT_EQ(access.Check("OTHER", "10.0.0.1"), AccessVerdict::kUnknownAe);
  EXPECT_EQ(asked, 0) << "an unknown title costs no look-up";
  EXPECT_EQ(access.Check("PACS", "10.0.0.1"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check("PACS", "2001:db8::9"), AccessVerdict::kAllowed);
  EXPECT_EQ(access.Check("PACS", "10.0.0.2"), AccessVerdict::kWrongAddress);
  EXPECT_EQ(asked, 1) << "a caller cannot make us ask DNS again and again";
  EXPECT_TRUE(access.KnowsAddress("10.0.0.1"));
}

TEST(PeerAccess, WhoComesDuringALookUpWaitsForItsAnswer) {
  std::promise<void> asked, answer;
  const PeerAccess access({Peer("PACS", "pacs.hospital")}, [&](const std::string&) {
    asked.set_value();
    answer.get_future().wait();
    return std::vector<std::string>{"10.0.0.1"};
  });
  const auto check = [&] { return access.Check("PACS", "10.0.0.1"); };
  auto first = std::async(std::launch::async, check);
  asked.get_future().wait();
  auto second = std::async(std::launch::async, check);
  // Nothing to wait for: it must not have an answer of its own.
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  answer.set_value();
  EXPECT_EQ(first.get(), AccessVerdict::kAllowed);
  EXPECT_EQ(second.get(), AccessVerdict::kAllowed);
}

TEST(PeerAccess, AReloadWhileDnsIsAwayLocksNobodyOut) {
  const PeerAccess before({Peer("PACS", "pacs.hospital")},
                          [](const std::string&) { return std::vector<std::string>{"10.0.0.1"}; });
  EXPECT_EQ(before.Check("PACS", "10.0.0.1"), AccessVerdict::kAllowed);
  const auto away = [](const std::string&) { return std::vector<std::string>{}; };
  const PeerAccess after({Peer("PACS", "pacs.hospital")}, away, &before);
  EXPECT_EQ(after.Check("PACS", "10.0.0.1"), AccessVerdict::kAllowed);
  const PeerAccess other({Peer("PACS", "other.hospital")}, away, &before);
  EXPECT_EQ(other.Check("PACS", "10.0.0.1"), AccessVerdict::kWrongAddress);
}

TEST(PeerAccess, WhatStrangersSendIsFitForALogLine) {
  EXPECT_EQ(Printable("A\nB\x1b[0m\xff"), "A?B?[0m?");
  EXPECT_EQ(TrimAeTitle("   "), "");
  EXPECT_EQ(TrimAeTitle(" A B "), "A B");
}

}  // namespace
}  // namespace glionode::dicom
