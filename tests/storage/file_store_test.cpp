#include "storage/file_store.h"

#include "config/error.h"
#include "storage/file_names.h"
#include "storage/file_sync.h"
#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace glionode::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class FileStoreTest : public ::testing::Test {
 protected:
  fs::path Stage(const std::string& name, const std::string& content) {
    const fs::path file = store_->StagingDir() / name;
    std::ofstream(file) << content;
    return file;
  }
  std::string Read(const std::string& relative) const {
    std::ifstream in(store_->Root() / relative);
    std::ostringstream content;
    content << in.rdbuf();
    return content.str();
  }
  std::vector<std::string> Swept() const {
    std::vector<std::string> files;
    store_->ForEachInstance([&](const std::string& file) { files.push_back(file); });
    return files;
  }

  TempFolder folder_;
  const fs::path root_ = folder_.Path() / "var" / "data";
  std::unique_ptr<FileStore> store_ = std::make_unique<FileStore>(root_);
};

TEST_F(FileStoreTest, MakesItsFolders) {
  EXPECT_EQ(store_->Root(), root_);
  for (const char* name : {"staging", "images", "results"}) EXPECT_TRUE(fs::is_directory(root_ / name)) << name;
  EXPECT_EQ(store_->IndexFile(), root_ / "index.sqlite");
  EXPECT_GT(store_->FreeBytes(), 0);
}

TEST_F(FileStoreTest, NodeIdIsAUuidThatStays) {
  const std::string id = store_->NodeId();
  EXPECT_THAT(id, ::testing::MatchesRegex("[0-9a-f]+-[0-9a-f]+-4[0-9a-f]+-[89ab][0-9a-f]+-[0-9a-f]+"));
  EXPECT_EQ(id.size(), 36u);
  store_.reset();
  store_ = std::make_unique<FileStore>(root_);
  EXPECT_EQ(store_->NodeId(), id);
  TempFolder other;
  EXPECT_NE(FileStore(other.Path()).NodeId(), id);
}

TEST_F(FileStoreTest, ADamagedNodeIdIsRefusedNotReplaced) {
  store_.reset();
  std::ofstream(root_ / "node-id") << "nonsense";
  EXPECT_THROW(FileStore{root_}, Error);
  std::ifstream in(root_ / "node-id");
  std::string content;
  in >> content;
  EXPECT_EQ(content, "nonsense");
}

TEST_F(FileStoreTest, ASecondProcessIsRefusedAndLetInAfterwards) {
  const auto try_open = [this] {
    const pid_t child = fork();
    if (child == 0) {
      int code = 1;
      try {
        const FileStore second(root_);
        code = 0;
      } catch (const Error& error) {
        code = error.Code() == ErrorCode::kUsage ? 2 : 3;
      } catch (...) {
        code = 4;
      }
      _exit(code);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(try_open(), 2);
  EXPECT_THROW(FileStore{root_}, Error) << "the same process neither";
  store_.reset();
  EXPECT_EQ(try_open(), 0);
}

TEST_F(FileStoreTest, AProcessThatWeStartDoesNotHoldTheLock) {
  // A worker that outlives its parent must not keep the next parent out.
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ready[0], 0);
    close(ready[1]);
    execl("/bin/sh", "sh", "-c", "read line", nullptr);
    _exit(1);
  }
  // exec has happened when the descriptors marked close-on-exec are gone from the child.
  const fs::path descriptors = "/proc/" + std::to_string(child) + "/exe";
  while (fs::read_symlink(descriptors).filename() == fs::read_symlink("/proc/self/exe").filename())
    std::this_thread::yield();
  store_.reset();
  EXPECT_NO_THROW(store_ = std::make_unique<FileStore>(root_));
  close(ready[1]);
  close(ready[0]);
  waitpid(child, nullptr, 0);
}

TEST_F(FileStoreTest, AFileInTheWayIsAnErrorWithThePath) {
  std::ofstream(folder_.Path() / "file") << "x";
  try {
    FileStore store(folder_.Path() / "file");
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr((folder_.Path() / "file").string()));
  }
  EXPECT_THROW(FileStore{folder_.Path() / "file" / "below"}, Error);
}

TEST_F(FileStoreTest, CommitMovesTheFileToItsPlace) {
  const auto staged = Stage("a", "content");
  const std::string file = store_->CommitInstance(staged, "1.2", "1.2.3");
  EXPECT_THAT(file, ::testing::MatchesRegex("images/[0-9a-f][0-9a-f]/1\\.2/1\\.2\\.3\\.dcm"));
  EXPECT_EQ(Read(file), "content");
  EXPECT_FALSE(fs::exists(staged));
}

TEST_F(FileStoreTest, RenameNeverOverwrites) {
  std::vector<std::string> files;
  for (int i = 0; i < 12; ++i)
    files.push_back(store_->CommitInstance(Stage("s", "content " + std::to_string(i)), "1.2", "1.2.3"));
  EXPECT_EQ(std::set<std::string>(files.begin(), files.end()).size(), 12u);
  EXPECT_THAT(files[0], HasSubstr("/1.2.3.dcm"));
  EXPECT_THAT(files[1], HasSubstr("/1.2.3.1.dcm"));
  EXPECT_THAT(files[11], HasSubstr("/1.2.3.11.dcm"));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(Read(files[i]), "content " + std::to_string(i));
  // A UID that looks like another one's later version finds its own place.
  const std::string other = store_->CommitInstance(Stage("s", "other"), "1.2", "1.2.3.1");
  EXPECT_THAT(other, HasSubstr("/1.2.3.1.1.dcm"));
  EXPECT_EQ(Read(files[1]), "content 1");
}

TEST_F(FileStoreTest, RenameWithoutReplacingTellsAndKeeps) {
  const auto a = Stage("a", "a"), b = Stage("b", "b");
  EXPECT_FALSE(RenameWithoutReplacing(a, b));
  EXPECT_TRUE(fs::exists(a));
  EXPECT_EQ(Read("staging/b"), "b");
  EXPECT_TRUE(RenameWithoutReplacing(a, store_->StagingDir() / "c"));
  EXPECT_THROW(RenameWithoutReplacing(a, store_->StagingDir() / "d"), Error);
}

TEST_F(FileStoreTest, PathTricksInUidsAreRefused) {
  for (const char* uid : {"", ".", "..", "../1", "1/2", "1..2", ".1", "1.", "1.2a", "1.2\n", "1 2", "-1",
                          "12345678901234567890123456789012345678901234567890123456789012345"}) {
    const auto staged = Stage("a", "x");
    EXPECT_THROW(store_->CommitInstance(staged, uid, "1.2"), Error) << uid;
    EXPECT_THROW(store_->CommitInstance(staged, "1.2", uid), Error) << uid;
    EXPECT_TRUE(fs::exists(staged)) << "the caller's still";
    EXPECT_THROW(store_->CommitResults(store_->NewResultStaging(), uid, "key"), Error) << uid;
  }
  for (const char* key : {"", "..", "a/b", "a.b"})
    EXPECT_THROW(store_->CommitResults(store_->NewResultStaging(), "1.2", key), Error) << key;
  EXPECT_THAT(Swept(), IsEmpty());
  EXPECT_THROW(store_->RemoveInstance("../outside"), Error);
  EXPECT_THROW(store_->RemoveInstance("images/../node-id"), Error);
  EXPECT_THROW(store_->RemoveInstance("/etc/passwd"), Error);
  EXPECT_THROW(store_->RemoveInstance(""), Error);
}

TEST_F(FileStoreTest, AMissingStagedFileIsAnErrorAndLeavesNothing) {
  EXPECT_THROW(store_->CommitInstance(store_->StagingDir() / "absent", "1.2", "1.2.3"), Error);
  EXPECT_THAT(Swept(), IsEmpty());
}

TEST_F(FileStoreTest, AStudyFolderThatWasRemovedIsMadeAgain) {
  const std::string first = store_->CommitInstance(Stage("a", "1"), "1.2", "1.2.3");
  fs::remove_all((root_ / first).parent_path());
  const std::string second = store_->CommitInstance(Stage("a", "2"), "1.2", "1.2.4");
  EXPECT_EQ(Read(second), "2");
}

TEST_F(FileStoreTest, SweepVisitsVersionsInTheirOrder) {
  for (int i = 0; i < 12; ++i) store_->CommitInstance(Stage("s", std::to_string(i)), "1.2", "1.2.3");
  const std::string other = store_->CommitInstance(Stage("s", "x"), "1.9", "1.9.1");
  std::ofstream(root_ / "images" / "stray.dcm") << "not in a study";
  std::vector<std::string> contents, files = Swept();
  for (const std::string& file : files)
    if (file != other) contents.push_back(Read(file));
  EXPECT_THAT(contents, ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"));
  EXPECT_EQ(files.size(), 13u);
}

TEST_F(FileStoreTest, RemoveInstanceTellsWhetherItWasThere) {
  const std::string file = store_->CommitInstance(Stage("s", "x"), "1.2", "1.2.3");
  EXPECT_TRUE(store_->RemoveInstance(file));
  EXPECT_FALSE(store_->RemoveInstance(file));
  EXPECT_THAT(Swept(), IsEmpty());
}

TEST_F(FileStoreTest, ResultsMoveAsAWholeAndTheFirstOnesStay) {
  const auto stage = [this](const std::string& content) {
    const fs::path folder = store_->NewResultStaging();
    std::ofstream(folder / "sr.dcm") << content;
    fs::create_directory(folder / "slices");
    std::ofstream(folder / "slices" / "1.png") << content;
    return folder;
  };
  const fs::path first = stage("first");
  const std::string place = store_->CommitResults(first, "1.2", "abc-123");
  EXPECT_EQ(place, "results/1.2/abc-123");
  EXPECT_EQ(Read(place + "/sr.dcm"), "first");
  EXPECT_EQ(Read(place + "/slices/1.png"), "first");
  EXPECT_FALSE(fs::exists(first));

  const fs::path again = stage("again");
  EXPECT_EQ(store_->CommitResults(again, "1.2", "abc-123"), place);
  EXPECT_EQ(Read(place + "/sr.dcm"), "first");
  EXPECT_FALSE(fs::exists(again));
  EXPECT_NE(store_->CommitResults(stage("other"), "1.2", "def"), place);
  EXPECT_THROW(store_->CommitResults(store_->StagingDir() / "absent", "1.2", "ghi"), Error);
}

TEST_F(FileStoreTest, CrashLeftoversAreCleaned) {
  Stage("half", "half an object");
  std::ofstream(store_->NewResultStaging() / "sr.dcm") << "half a result";
  store_.reset();
  store_ = std::make_unique<FileStore>(root_);
  EXPECT_EQ(store_->CleanStaging(), 2);
  EXPECT_TRUE(fs::is_empty(store_->StagingDir()));
  EXPECT_EQ(store_->CleanStaging(), 0);
  EXPECT_NO_THROW(store_->CommitInstance(Stage("a", "x"), "1.2", "1.2.3"));
}

TEST_F(FileStoreTest, TwoThreadsUnderOneUidLoseNothing) {
  constexpr int kEach = 40;
  const auto work = [this](const std::string& name) {
    for (int i = 0; i < kEach; ++i)
      store_->CommitInstance(Stage(name, name + std::to_string(i)), "1." + std::to_string(i % 4), "1.2.3");
  };
  std::thread a(work, "a"), b(work, "b");
  a.join();
  b.join();
  std::set<std::string> contents;
  for (const std::string& file : Swept()) contents.insert(Read(file));
  EXPECT_EQ(contents.size(), 2u * kEach);
}

TEST(FileError, AFullDiskIsOutOfSpace) {
  EXPECT_EQ(FileError(ENOSPC, "write", "/x").Code(), ErrorCode::kOutOfSpace);
  EXPECT_EQ(FileError(EDQUOT, "write", "/x").Code(), ErrorCode::kOutOfSpace);
  EXPECT_EQ(FileError(EIO, "write", "/x").Code(), ErrorCode::kInternal);
  EXPECT_THAT(FileError(ENOSPC, "write", "/some/file").what(), HasSubstr("/some/file"));
}

TEST(FileNames, NumbersAndOrder) {
  EXPECT_EQ(InstanceFileName("1.2", 0), "1.2.dcm");
  EXPECT_EQ(InstanceFileName("1.2", 3), "1.2.3.dcm");
  EXPECT_EQ(NumberInFileName("images/ab/1/1.2.dcm", "1.2"), 0);
  EXPECT_EQ(NumberInFileName("images/ab/1/1.2.13.dcm", "1.2"), 13);
  EXPECT_EQ(NumberInFileName("1.2.3.4.dcm", "1.2"), 0);
  EXPECT_EQ(NumberInFileName("", "1.2"), 0);
  EXPECT_TRUE(ByNumbers("1.2.dcm", "1.2.1.dcm"));
  EXPECT_TRUE(ByNumbers("1.2.9.dcm", "1.2.10.dcm"));
  EXPECT_FALSE(ByNumbers("1.2.10.dcm", "1.2.9.dcm"));
  EXPECT_FALSE(ByNumbers("1.2.dcm", "1.2.dcm"));
  EXPECT_FALSE(ByNumbers("1.2.1.dcm", "1.2.dcm"));
}

}  // namespace
}  // namespace glionode::storage
