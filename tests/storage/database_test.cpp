#include "storage/database.h"

#include "config/error.h"
#include "storage/migrations.h"
#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <fstream>
#include <thread>

namespace glionode::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

using DatabaseTest = IndexTest;

std::string Pragma(soci::session& session, const std::string& name) {
  std::string value;
  session << "PRAGMA " + name, soci::into(value);
  return value;
}

template <typename Work>
ErrorCode CodeOf(const Work& work, std::string* text = nullptr) {
  try {
    work();
  } catch (const Error& error) {
    if (text) *text = error.what();
    return error.Code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST_F(DatabaseTest, EverySessionIsDurableAndChecksReferences) {
  const auto check = [](soci::session& session) {
    EXPECT_EQ(Pragma(session, "journal_mode"), "wal");
    EXPECT_EQ(Pragma(session, "synchronous"), "2");  // FULL
    EXPECT_EQ(Pragma(session, "foreign_keys"), "1");
    EXPECT_EQ(Pragma(session, "busy_timeout"), "10000");
  };
  database_->Write(check);
  database_->Read(check);
  EXPECT_EQ(database_->SchemaVersion(), BuiltInMigrations().back().version);
}

TEST_F(DatabaseTest, WritesThatNeedNotBeDurableChangeNothingForTheOthers) {
  database_->WriteSoon([](soci::session& session) { EXPECT_EQ(Pragma(session, "synchronous"), "1"); });  // NORMAL
  EXPECT_THROW(database_->WriteSoon([](soci::session&) { throw std::runtime_error("in the middle"); }),
               std::runtime_error);
  database_->Write([](soci::session& session) { EXPECT_EQ(Pragma(session, "synchronous"), "2"); });
}

TEST_F(DatabaseTest, TheMemoryOfTheCachesIsCounted) {
  const std::int64_t before = Database::MemoryBytes();
  constexpr std::int64_t kRows = 4 << 20;  // bytes that the writing session keeps in its cache
  database_->Write([](soci::session& session) {
    session << "CREATE TABLE large (content BLOB)";
    session << "INSERT INTO large VALUES (zeroblob(" + std::to_string(kRows) + "))";
  });
  EXPECT_GT(Database::MemoryBytes(), before + kRows);
  database_.reset();
  EXPECT_LT(Database::MemoryBytes(), before);
}

TEST_F(DatabaseTest, AWriteThatThrowsLeavesNothing) {
  index_->Add(Image("1.1"));
  EXPECT_THROW(database_->Write([](soci::session& session) {
    session << "UPDATE studies SET why = 'half'";
    throw std::runtime_error("in the middle");
  }),
               std::runtime_error);
  EXPECT_EQ(Study().why, "");
  EXPECT_NO_THROW(index_->Add(Image("1.2")));
}

TEST_F(DatabaseTest, ReadersCannotWriteAndAreUsableAfterAnError) {
  for (int i = 0; i < 3; ++i)
    EXPECT_THROW(database_->Read([](soci::session& session) { session << "DELETE FROM studies"; }), Error);
  EXPECT_EQ(index_->Counts().studies, 0);
}

TEST_F(DatabaseTest, ReadersSeeOneStateWhileSomebodyWrites) {
  index_->Add(Image("1.1"));
  database_->Read([&](soci::session& session) {
    int before = 0, after = 0;
    session << "SELECT count(*) FROM instances", soci::into(before);
    std::thread([&] { index_->Add(Image("1.2")); }).join();
    session << "SELECT count(*) FROM instances", soci::into(after);
    EXPECT_EQ(before, 1);
    EXPECT_EQ(after, 1);
  });
  EXPECT_EQ(index_->Counts().instances, 2);
}

TEST_F(DatabaseTest, ErrorsTellTheCodeButNoValues) {
  std::string text;
  EXPECT_EQ(CodeOf(
                [&] {
                  const std::string secret = "SECRET^NAME";
                  database_->Write([&](soci::session& session) {
                    session << "INSERT INTO studies (study_uid, why) VALUES ('1', :why)", soci::use(secret);
                  });
                },
                &text),
            ErrorCode::kInternal);
  EXPECT_THAT(text, HasSubstr("index.sqlite"));
  EXPECT_THAT(text, HasSubstr("NOT NULL"));
  EXPECT_THAT(text, Not(HasSubstr("SECRET")));
}

TEST_F(DatabaseTest, AFullDiskIsOutOfSpaceAndTheIndexGoesOn) {
  index_->Add(Image("1.1"));
  database_->Write([](soci::session& session) {
    int pages = 0;
    session << "PRAGMA page_count", soci::into(pages);
    session << "PRAGMA max_page_count = " + std::to_string(pages), soci::into(pages);
  });
  auto large = Image("1.2");
  large.header_json = std::string(1000000, 'x');
  EXPECT_EQ(CodeOf([&] { index_->Add(large); }), ErrorCode::kOutOfSpace);
  EXPECT_EQ(index_->Counts().instances, 1) << "rolled back whole";
  EXPECT_EQ(Study().changes, 1);
  database_->Write([](soci::session& session) {
    int pages = 0;
    session << "PRAGMA max_page_count = 1000000", soci::into(pages);
  });
  EXPECT_EQ(index_->Add(large), AddResult::kNew);
}

TEST_F(DatabaseTest, AnIndexOfANewerProgramIsRefusedUntouched) {
  index_->Add(Image("1.1"));
  database_->Write([](soci::session& session) { session << "PRAGMA user_version = 999"; });
  database_.reset();
  std::string text;
  EXPECT_EQ(CodeOf([&] { Open(); }, &text), ErrorCode::kUsage);
  EXPECT_THAT(text, HasSubstr("was made by a newer glionode (its schema is 999"));
}

TEST_F(DatabaseTest, ADatabaseOfAnotherProgramIsRefused) {
  const fs::path other = folder_.Path() / "other.sqlite";
  {
    soci::session session(soci::sqlite3, "dbname=" + other.string());
    session << "CREATE TABLE things (a TEXT)";
  }
  std::string text;
  EXPECT_EQ(CodeOf([&] { Database database(other); }, &text), ErrorCode::kUsage);
  EXPECT_THAT(text, HasSubstr("another program"));
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsRefused) {
  const fs::path rubbish = folder_.Path() / "rubbish.sqlite";
  std::ofstream(rubbish) << std::string(8192, 'x');
  std::string text;
  EXPECT_EQ(CodeOf([&] { Database database(rubbish); }, &text), ErrorCode::kInternal);
  EXPECT_THAT(text, HasSubstr("damaged"));
  EXPECT_EQ(CodeOf([&] { Database database(folder_.Path() / "absent" / "index.sqlite"); }), ErrorCode::kInternal);
}

TEST_F(DatabaseTest, PathsWithBlanksAndSignsWork) {
  for (const char* name : {"a folder", "key=value x", "umlaut \u00e4 ' % ? #"}) {
    const fs::path folder = folder_.Path() / name;
    fs::create_directories(folder);
    Database database(folder / "index.sqlite");
    StudyIndex(database).Add(Image("1.1"));
    EXPECT_TRUE(fs::exists(folder / "index.sqlite")) << name;
  }
  EXPECT_EQ(CodeOf([&] { Database database(folder_.Path() / "quo\"te"); }), ErrorCode::kUsage);
}

TEST_F(DatabaseTest, EverythingIsThereAfterReopening) {
  index_->Add(Image("1.1", "a", 1763740000000));
  Report("key", {Object("1.9.1", {"PACS"})}, 1763740000001);
  Reopen();
  EXPECT_EQ(State(), StudyState::kReported);
  EXPECT_EQ(Study().first_arrival, 1763740000000) << "64 bits";
  EXPECT_EQ(index_->FindCurrent("1.1")->bytes, std::int64_t{5} << 32);
  EXPECT_EQ(outbox_->Due("PACS", 1763740000001, 10).size(), 1u);
  EXPECT_TRUE(jobs_->ResultByKey("key"));
}

TEST_F(DatabaseTest, DamageThatAnAccessMeetsIsRemembered) {
  index_->Add(Image("1.1"));
  int page = 0;
  database_->Read([&](soci::session& session) {
    session << "SELECT rootpage FROM sqlite_schema WHERE name = 'instances'", soci::into(page);
  });
  database_.reset();
  {
    std::fstream damage(folder_.Path() / "index.sqlite", std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp((page - 1) * 4096);
    damage << std::string(4096, '\x5a');
  }
  Database database(folder_.Path() / "index.sqlite");
  EXPECT_FALSE(database.SawDamage()) << "the schema is whole";
  EXPECT_EQ(CodeOf([&] {
              database.Read([](soci::session& session) {
                std::string file;
                session << "SELECT file FROM instances WHERE id = 1", soci::into(file);
              });
            }),
            ErrorCode::kInternal);
  EXPECT_TRUE(database.SawDamage());
}

/// The questions that are asked all the time must be answered by an index, not by reading a table.
TEST_F(DatabaseTest, FrequentQuestionsDoNotReadWholeTables) {
  const char* questions[] = {
      "SELECT version FROM instances WHERE sop_instance_uid = 'x'",
      "SELECT sha256 FROM instances WHERE study_uid = 'x' AND current = 1 ORDER BY sop_instance_uid",
      "SELECT sha256 FROM instances WHERE study_uid = 'x' AND kind = 'candidate' AND current = 1",
      "SELECT why FROM studies WHERE state IN ('receiving', 'ready')",
      "SELECT why FROM studies ORDER BY last_arrival DESC LIMIT 5",
      "SELECT id FROM jobs WHERE study_uid = 'x' AND input_key = 'y'",
      "SELECT id FROM objects WHERE sop_instance_uid = 'x'",
      "SELECT id FROM outbox WHERE peer_ae = 'x' AND state = 'pending' AND next_try <= 5",
      "SELECT id FROM outbox WHERE peer_ae = 'x' AND state = 'pending' AND next_try > 5 ORDER BY id LIMIT 5",
      "SELECT next_try FROM outbox WHERE state = 'pending' ORDER BY next_try LIMIT 1",
      "SELECT id FROM outbox WHERE study_uid = 'x'",
      "SELECT id FROM results WHERE input_key = 'x'",
      "SELECT peer_ae FROM study_peers WHERE study_uid = 'x'",
      "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running') AND state = 'ready'",
      "SELECT j.id FROM jobs j JOIN studies s ON s.study_uid = j.study_uid WHERE j.state IN ('ready', 'running') AND "
      "s.state IN ('ready', 'running') ORDER BY j.created_at DESC, j.id DESC LIMIT 1",
  };
  for (const char* question : questions) {
    database_->Read([&](soci::session& session) {
      const soci::rowset<soci::row> plan = (session.prepare << std::string("EXPLAIN QUERY PLAN ") + question);
      for (const soci::row& step : plan) {
        const auto detail = step.get<std::string>(3);
        // "SCAN t USING INDEX i" reads an index in order, which is fine for a partial index or with a LIMIT.
        if (detail.rfind("SCAN", 0) == 0) {
          EXPECT_THAT(detail, HasSubstr("INDEX")) << question;
        }
      }
    });
  }
}

}  // namespace
}  // namespace glionode::storage
