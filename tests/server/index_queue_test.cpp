#include "server/index_queue.h"

#include "config/error.h"
#include "node_fixture.h"

#include <atomic>
#include <fstream>
#include <thread>

namespace glionode::server {
namespace {

using namespace std::chrono_literals;

class IndexQueueTest : public NodeTest {
 protected:
  static storage::InstanceRecord Row(const std::string& uid, const std::string& sha256 = "a") {
    storage::InstanceRecord record;
    record.sop_instance_uid = uid;
    record.study_uid = "1.2";
    record.series_uid = "1.2.1";
    record.sha256 = sha256;
    record.file = "images/00/1.2/" + uid + "." + sha256 + ".dcm";
    record.from_ae = "PACS";
    record.kind = storage::InstanceKind::kCandidate;
    return record;
  }
  IndexQueue::WriteRows Writer() {
    return [this](const auto& rows) {
      if (broken) throw Error(ErrorCode::kOutOfSpace, "the index is full");
      ++groups;
      return index_->AddReceived(rows);
    };
  }
  std::atomic<bool> broken{false};
  std::atomic<int> groups{0}, told{0};
};

TEST_F(IndexQueueTest, WritesInGroupsInTheOrderOfComing) {
  broken = true;
  IndexQueue queue(*files_, *index_, Writer(), [this] { ++told; });
  for (int i = 0; i < 600; ++i) queue.Push(Row("1.2.3." + std::to_string(i % 200), std::to_string(i / 200)));
  EXPECT_EQ(queue.Newest("1.2.3.7")->sha256, "2") << "what waits is known";
  broken = false;
  ASSERT_TRUE(queue.Flush(30s));
  EXPECT_LE(groups, 4) << "rows wait while the index is busy, and go together then";
  EXPECT_GT(told, 0);
  EXPECT_EQ(index_->Counts().instances, 600);
  EXPECT_EQ(index_->FindCurrent("1.2.3.7")->sha256, "2");
  EXPECT_EQ(queue.Newest("1.2.3.7")->sha256, "2");
}

TEST_F(IndexQueueTest, TakesNoMoreWhileTheIndexCannotBeWrittenAndLosesNothing) {
  IndexQueue queue(*files_, *index_, Writer(), [] {});
  EXPECT_NO_THROW(queue.RequireWritable());
  broken = true;
  queue.Push(Row("1.2.3"));
  EXPECT_FALSE(queue.Flush(200ms));
  const auto refused = [&] {
    try {
      queue.RequireWritable();
    } catch (const Error& e) {
      return e.Code() == ErrorCode::kOutOfSpace;
    }
    return false;
  };
  for (int i = 0; i < 200 && !refused(); ++i) std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(refused()) << "a sender is told to come again: A700";
  broken = false;
  EXPECT_TRUE(queue.Flush(30s)) << "it tries again by itself";
  EXPECT_NO_THROW(queue.RequireWritable());
  EXPECT_EQ(index_->Counts().instances, 1);
}

TEST_F(IndexQueueTest, WhatWaitsIsWrittenAtTheEnd) {
  {
    IndexQueue queue(*files_, *index_, Writer(), [] {});
    for (int i = 0; i < 50; ++i) queue.Push(Row("1.2.3." + std::to_string(i)));
  }
  EXPECT_EQ(index_->Counts().instances, 50);
}

TEST_F(IndexQueueTest, AnEndDoesNotWaitForABrokenIndex) {
  broken = true;
  IndexQueue queue(*files_, *index_, Writer(), [] {});
  queue.Push(Row("1.2.3"));
}

TEST_F(IndexQueueTest, GivesSealedFilesTheirPlacesOnceAndBeforeTheirRows) {
  const auto staged = [&](const std::string& name) {
    const auto file = files_->StagingDir() / name;
    std::ofstream(file) << std::string(200, 'x');
    files_->SealInstance(file, "1.2", "1.2." + name, "a");
    return file;
  };
  const auto row = [](const std::string& name) {
    auto record = Row("1.2." + name);
    record.file.clear();
    return record;
  };
  std::atomic<int> missing{0};
  const auto write = [&](const auto& rows) {
    for (const auto& record : rows) missing += std::filesystem::exists(files_->Root() / record.file) ? 0 : 1;
    return Writer()(rows);
  };
  IndexQueue queue(*files_, *index_, write, [] {});
  broken = true;
  for (const char* name : {"3", "4"}) queue.Push(row(name), staged(name));
  EXPECT_FALSE(queue.Flush(200ms));
  broken = false;
  ASSERT_TRUE(queue.Flush(30s));
  EXPECT_EQ(missing, 0);
  for (const char* name : {"3", "4"}) {
    EXPECT_EQ(files_->InstanceFiles("1.2", std::string("1.2.") + name).size(), 1u) << "tried again, placed once";
    EXPECT_TRUE(std::filesystem::exists(files_->Root() / index_->FindCurrent(std::string("1.2.") + name)->file));
  }
  EXPECT_TRUE(std::filesystem::is_empty(files_->StagingDir()));
}

}  // namespace
}  // namespace glionode::server
