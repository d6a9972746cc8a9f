// From every earlier schema to the newest, on an index that is in use.
#include "storage/migrations.h"

#include "config/error.h"
#include "tests/storage/storage_fixture.h"

#include <gmock/gmock.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <filesystem>
#include <fstream>
#include <vector>

namespace glionode::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

int Newest() { return BuiltInMigrations().back().version; }

class MigrationTest : public ::testing::Test {
 protected:
  std::unique_ptr<soci::session> Open() const {
    return std::make_unique<soci::session>(soci::sqlite3, "dbname=" + file_.string());
  }
  std::string Ask(const std::string& sql, const fs::path& file) const {
    soci::session session(soci::sqlite3, "dbname=" + file.string());
    std::string answer;
    session << sql, soci::into(answer);
    return answer;
  }
  int Version(const fs::path& file) const { return std::stoi(Ask("PRAGMA user_version", file)); }
  /// Brings the index to `version`, as the program of that time did.
  void MakeVersion(int version) {
    auto session = Open();
    EXPECT_EQ(Migrate(*session, file_, BuiltInMigrations().first(static_cast<std::size_t>(version))), version);
  }
  /// Everything that schema 1 could hold, in words of schema 1: a study that is reported with sent and pending rows,
  /// one that runs, one that waits.
  void Fill() {
    auto session = Open();
    const auto run = [&](const std::string& sql) { *session << sql; };
    for (const char* study : {"1.2", "1.3", "1.4"}) {
      const std::string uid(study), state = uid == "1.2" ? "reported" : uid == "1.3" ? "running" : "receiving";
      run("INSERT INTO studies (study_uid, state, from_ae, first_arrival, last_arrival, accepted, why, revision, "
          "changes, "
          "judged_changes) VALUES ('" +
          uid + "', '" + state + "', 'PACS', 1763740000000, 1763740000001, 1, 'rule 1', " +
          (uid == "1.2"   ? "1, 3, 3)"
           : uid == "1.3" ? "0, 3, 3)"
                          : "0, 3, -1)"));
      for (int i = 1; i <= 3; ++i)
        run("INSERT INTO instances (sop_instance_uid, version, current, kind, study_uid, series_uid, sop_class_uid, "
            "transfer_syntax_uid, file, sha256, bytes, from_ae, received_at, identity, header_json) VALUES ('" +
            uid + "." + std::to_string(i) + "', 1, 1, 'candidate', '" + uid + "', '" + uid +
            ".9', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.1.2.1', 'images/00/" + uid + "/" + uid + "." +
            std::to_string(i) + ".dcm', 'sha', 5, 'PACS', 1763740000000, 'ID', '{}')");
    }
    run("INSERT INTO jobs (study_uid, input_key, revision, state, attempt, owner, lease_until, last_error, created_at, "
        "inputs_json) VALUES ('1.2', 'key', 1, 'done', 1, '', 0, '', 1763740000002, '{}')");
    run("INSERT INTO jobs (study_uid, input_key, revision, state, attempt, owner, lease_until, last_error, created_at, "
        "inputs_json) VALUES ('1.3', 'other', 1, 'running', 1, 'pid 1', 1763740099999, '', 1763740000003, '{}')");
    run("INSERT INTO results (job_id, study_uid, input_key, revision, decision, created_at, result_json) VALUES (1, "
        "'1.2', "
        "'key', 1, 'necrosis', 1763740000004, '{}')");
    for (int i = 1; i <= 2; ++i) {
      run("INSERT INTO objects (result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind) VALUES (1, "
          "'1.2.840.10008.5.1.4.1.1.88.34', '2.25." +
          std::to_string(i) + "', '2.25.9', 'results/1.2/key/" + std::to_string(i) + ".dcm', 'sha', '" +
          (i == 1 ? "sr" : "sc") + "')");
      run("INSERT INTO outbox (object_id, study_uid, peer_ae, state, attempts, next_try, created_at, changed_at, "
          "last_status) VALUES (" +
          std::to_string(i) + ", '1.2', 'PACS', '" + (i == 1 ? "sent" : "pending") +
          "', 1, 1763740000005, 1763740000004, 1763740000005, '')");
    }
  }

  TempFolder folder_;
  const fs::path file_ = folder_.Path() / "index.sqlite";
};

class FromEveryVersion : public MigrationTest, public ::testing::WithParamInterface<int> {};

TEST_P(FromEveryVersion, AFilledIndexKeepsEverythingAndWorksOn) {
  MakeVersion(GetParam());
  Fill();
  {
    Database database(file_);
    EXPECT_EQ(database.SchemaVersion(), Newest());
    StudyIndex index(database);
    Jobs jobs(database);
    Outbox outbox(database);
    EXPECT_EQ(index.Counts().instances, 9);
    EXPECT_EQ(index.Find("1.2")->state, StudyState::kReported);
    EXPECT_EQ(index.Find("1.2")->first_arrival, 1763740000000);
    EXPECT_EQ(index.Candidates("1.4").size(), 3u);
    EXPECT_EQ(jobs.NewestResult("1.2")->decision, "necrosis");
    EXPECT_TRUE(jobs.IsOwnObject("2.25.1"));
    EXPECT_EQ(outbox.Due("PACS", 1763740000006, 10).size(), 1u) << "what was sent is not sent again";
    EXPECT_EQ(jobs.ReleaseAbandoned(), 1);
    EXPECT_EQ(jobs.Claim("me", 1763740000007, 1763740000008)->study_uid, "1.3");
  }
  EXPECT_EQ(Ask("PRAGMA integrity_check", file_), "ok");
  EXPECT_EQ(Version(file_), Newest());
  const fs::path copy = file_.string() + ".before-schema-" + std::to_string(Newest());
  if (GetParam() == Newest()) {
    EXPECT_FALSE(fs::exists(copy));
    return;
  }
  ASSERT_TRUE(fs::exists(copy));
  EXPECT_EQ(Version(copy), GetParam());
  EXPECT_EQ(Ask("SELECT count(*) || '' FROM instances", copy), "9");
}

INSTANTIATE_TEST_SUITE_P(Schema, FromEveryVersion, ::testing::Range(1, Newest() + 1));

TEST_F(MigrationTest, SendersOfTheFirstSchemaAreKnown) {
  MakeVersion(1);
  Fill();
  Database database(file_);
  EXPECT_THAT(Peers(database).Senders("1.2"), ::testing::ElementsAre("PACS"));
  EXPECT_TRUE(Peers(database).LateSenders().empty()) << "its results are sent already";
}

TEST_F(MigrationTest, AFailedMigrationLeavesTheIndexAsItWas) {
  MakeVersion(Newest());
  Fill();
  auto migrations = std::vector<Migration>(BuiltInMigrations().begin(), BuiltInMigrations().end());
  migrations.push_back({Newest() + 1, "CREATE TABLE t (a TEXT); ALTER TABLE nonsense ADD COLUMN b TEXT;"});
  for (int time = 0; time < 2; ++time) EXPECT_ANY_THROW(Migrate(*Open(), file_, migrations));
  EXPECT_EQ(Version(file_), Newest());
  EXPECT_EQ(StudyIndex(*std::make_unique<Database>(file_)).Counts().instances, 9);
  const std::string copy = file_.string() + ".before-schema-" + std::to_string(Newest() + 1);
  EXPECT_TRUE(fs::exists(copy));
  EXPECT_TRUE(fs::exists(copy + ".1")) << "copies are not overwritten";
  EXPECT_FALSE(fs::exists(copy + ".partial"));
}

TEST_F(MigrationTest, ObjectsAndOutboxOfSchema1KeepTheirPlaces) {
  const fs::path old = folder_.Path() / "old.sqlite";
  {
    soci::session session(soci::sqlite3, "dbname=" + old.string());
    Migrate(session, old, BuiltInMigrations().first(1));
    for (const char* sql :
         {"INSERT INTO studies VALUES ('1.2', 'reported', 'P', 0, 0, 1, '', 1, 1, 1)",
          "INSERT INTO jobs (study_uid, input_key, revision, state, attempt, owner, lease_until, last_error, "
          "created_at, "
          "inputs_json) VALUES ('1.2', 'k', 1, 'done', 1, '', 0, '', 0, '{}')",
          "INSERT INTO results (job_id, study_uid, input_key, revision, decision, created_at, result_json) VALUES "
          "(1, '1.2', 'k', 1, 'necrosis', 0, '{}')",
          "INSERT INTO objects VALUES (7, 1, '1.9', '1.9.7', '1.8', 'results/a', 'h', 'sr')",
          "INSERT INTO outbox VALUES (3, 7, '1.2', 'P', 'pending', 0, 0, 0, 0, '')"})
      session << sql;
  }
  Database database(old);
  const auto rows = Outbox(database).OfStudy("1.2");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].id, 3);
  EXPECT_EQ(rows[0].object.id, 7);
  EXPECT_EQ(rows[0].object.sop_instance_uid, "1.9.7");
  int broken = 0;
  soci::session session(soci::sqlite3, "dbname=" + old.string());
  session << "SELECT count(*) FROM pragma_foreign_key_check", soci::into(broken);
  EXPECT_EQ(broken, 0);
}

TEST_F(MigrationTest, ANewIndexNeedsNoCopy) {
  Database database(file_);
  for (const auto& entry : fs::directory_iterator(folder_.Path()))
    EXPECT_THAT(entry.path().string(), Not(HasSubstr("before-schema")));
}

TEST_F(MigrationTest, AnOlderProgramRefusesANewerIndexInWords) {
  MakeVersion(Newest());
  *Open() << "PRAGMA user_version = " + std::to_string(Newest() + 7);
  try {
    Database database(file_);
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.Code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("newer glionode"));
    EXPECT_THAT(error.what(), HasSubstr("start the newer program"));
  }
}

TEST_F(MigrationTest, NumbersRiseByOne) {
  int expected = 1;
  for (const Migration& migration : BuiltInMigrations()) EXPECT_EQ(migration.version, expected++);
}

}  // namespace
}  // namespace glionode::storage
