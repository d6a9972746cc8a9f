#include "storage/seal.h"

#include "config/error.h"
#include "storage/file_store.h"
#include "storage/staging_pool.h"
#include "tests/storage/storage_fixture.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace glionode::storage {
namespace {

namespace fs = std::filesystem;

const std::string kHash(64, 'a');

class SealTest : public ::testing::Test {
 protected:
  fs::path Write(const std::string& name, const std::string& content) {
    const fs::path file = store_.StagingDir() / name;
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  static std::string Read(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t InStaging() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(store_.StagingDir()), {}));
  }

  TempFolder folder_;
  FileStore store_{folder_.Path() / "data"};
};

TEST_F(SealTest, StandsInThePreambleAndLeavesTheRestAsItIs) {
  const std::string rest = "DICM and what follows";
  const fs::path file = Write("a", std::string(128, '\0') + rest);
  EXPECT_FALSE(ReadSeal(file));
  SealFile(file, kHash);
  EXPECT_EQ(Read(file).substr(128), rest);
  const auto seal = ReadSeal(file);
  ASSERT_TRUE(seal);
  EXPECT_EQ(seal->file_bytes, 149);
  EXPECT_EQ(seal->dataset_sha256, kHash);
}

TEST_F(SealTest, WhatIsNoSealIsNone) {
  const fs::path file = Write("a", std::string(200, '\0'));
  SealFile(file, kHash);
  const std::string sealed = Read(file);
  EXPECT_FALSE(ReadSeal(Write("short", sealed.substr(0, 100))));
  EXPECT_FALSE(ReadSeal(Write("half", sealed.substr(0, 40) + std::string(160, '\0'))));
  EXPECT_FALSE(ReadSeal(Write("other", std::string(200, 'x'))));
  EXPECT_THROW(ReadSeal(store_.StagingDir() / "absent"), Error);  // unknown is not none
  EXPECT_THROW(SealFile(store_.StagingDir() / "absent", kHash), Error);
  EXPECT_EQ(store_.SealedFiles().size(), 1u);
}

TEST_F(SealTest, ASealedFileGetsAPlaceLaterAndIsSafeByTwoNamesUntilThen) {
  const fs::path first = Write("a", std::string(130, 'a')), second = Write("b", std::string(130, 'b'));
  store_.SealInstance(first, "1.2", "1.2.3", kHash);
  store_.SealInstance(second, "1.2", "1.2.3", kHash);
  std::vector<FileStore::Placed> group;
  for (const fs::path& file : {first, second}) group.push_back({file, store_.PlaceInstance(file, "1.2", "1.2.3")});
  EXPECT_TRUE(fs::exists(first)) << "its name in staging goes when its place is durable, not before";
  EXPECT_EQ(group[1].file, group[0].file.substr(0, group[0].file.size() - 4) + ".1.dcm") << "nothing is replaced";
  store_.FinishPlaces(group);
  EXPECT_NO_THROW(store_.FinishPlaces(group)) << "after an error it is called again";
  EXPECT_EQ(InStaging(), 0u);
  EXPECT_EQ(Read(store_.Root() / group[1].file).substr(128), "bb");
  EXPECT_EQ(store_.InstanceFiles("1.2", "1.2.3").size(), 2u);
}

TEST_F(SealTest, AUidThatIsNoneIsRefusedBeforeItIsAcknowledged) {
  const fs::path file = Write("a", std::string(130, 'a'));
  EXPECT_THROW(store_.SealInstance(file, "1.2", "../1", kHash), Error);
  EXPECT_THROW(store_.SealInstance(file, "..", "1.2", kHash), Error);
  EXPECT_FALSE(ReadSeal(file));
}

TEST_F(SealTest, AFolderThatWasRemovedMeanwhileIsMadeAgain) {
  const fs::path file = Write("a", std::string(130, 'a'));
  store_.SealInstance(file, "1.2", "1.2.3", kHash);
  store_.RemoveStudyImages("1.2", 0);
  const std::string place = store_.PlaceInstance(file, "1.2", "1.2.3");
  EXPECT_TRUE(fs::exists(store_.Root() / place));
}

TEST_F(SealTest, ThePoolGivesEmptyFilesEachOnce) {
  std::set<fs::path> taken;
  {
    StagingPool pool(store_.StagingDir(), 16);
    std::mutex mutex;
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
      callers.emplace_back([&] {
        for (int n = 0; n < 50; ++n) {
          const fs::path file = pool.Take();
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(taken.insert(file).second) << file << " was given twice";
          EXPECT_EQ(fs::file_size(file), 0u);
        }
      });
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_EQ(taken.size(), 200u);
  EXPECT_EQ(InStaging(), 200u) << "those that nobody took are gone with the pool";
}

TEST_F(SealTest, APoolWithoutAFolderSaysSo) {
  StagingPool pool(store_.StagingDir() / "absent");
  EXPECT_THROW(pool.Take(), Error);
}

}  // namespace
}  // namespace glionode::storage
