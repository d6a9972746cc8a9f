#include "storage/inventory.h"

#include "config/error.h"
#include "storage/file_sync.h"
#include "storage/rows.h"

#include <soci/sqlite3/soci-sqlite3.h>

#include <chrono>

namespace glionode::storage {
namespace {

namespace fs = std::filesystem;

/// When a check is to end.
struct Patience {
  std::chrono::steady_clock::time_point deadline;
  const std::atomic<bool>* stop;
};

struct StoredFileRow {
  void Bind(soci::statement& statement) {
    statement.exchange(soci::into(id_));
    for (std::string* text : {&file_.file, &file_.sha256, &file_.study_uid}) statement.exchange(soci::into(*text));
  }
  StoredFile Take() {
    StoredFile file = file_;
    file.id = id_;
    return file;
  }

 private:
  StoredFile file_;
  long long id_ = 0;
};

std::string Connection(const fs::path& file) { return "dbname=\"" + file.string() + "\" timeout=10"; }

int IsOver(void* patience) {
  const auto* limits = static_cast<const Patience*>(patience);
  return std::chrono::steady_clock::now() >= limits->deadline || (limits->stop && *limits->stop) ? 1 : 0;
}

}  // namespace

Inventory::Inventory(Database& database) : database_(database) {}

std::vector<StoredFile> Inventory::Instances(std::int64_t after, int limit) const {
  std::vector<StoredFile> files;
  database_.Read([&](soci::session& session) {
    files = SelectAll<StoredFileRow>(session,
                                     "SELECT id, file, sha256, study_uid FROM instances WHERE id > :after AND "
                                     "removed_at = 0 ORDER BY id" +
                                         LimitOffset(limit, 0),
                                     {Text(after)});
  });
  return files;
}

std::vector<StoredFile> Inventory::Objects(std::int64_t after, int limit) const {
  std::vector<StoredFile> files;
  database_.Read([&](soci::session& session) {
    files =
        SelectAll<StoredFileRow>(session,
                                 "SELECT o.id, o.file, o.sha256, r.study_uid FROM objects o JOIN results r ON r.id = "
                                 "o.result_id WHERE o.id > :after ORDER BY o.id" +
                                     LimitOffset(limit, 0),
                                 {Text(after)});
  });
  return files;
}

std::int64_t Inventory::Count() const {
  std::int64_t count = 0;
  database_.Read([&](soci::session& session) {
    for (const char* sql : {"SELECT count(*) FROM instances WHERE removed_at = 0", "SELECT count(*) FROM objects"})
      count += SelectAll<CountRow>(session, sql).front();
  });
  return count;
}

void CopyIndex(const fs::path& file, const fs::path& to) {
  const fs::path partial = to.string() + ".partial";
  std::error_code ignored;
  fs::remove(partial, ignored);
  try {
    soci::session session(soci::sqlite3, Connection(file));
    const std::string name = partial.string();
    session << "VACUUM INTO :file", soci::use(name);
  } catch (const soci::soci_error& error) {
    fs::remove(partial, ignored);
    throw Error(ErrorCode::kInternal, "copying the index to " + to.string() + ": " + error.get_error_message());
  }
  SyncPath(partial);
  if (!RenameWithoutReplacing(partial, to)) {
    fs::remove(partial, ignored);
    throw Error(ErrorCode::kUsage, to.string() + " exists already");
  }
  SyncPath(to.parent_path());
}

IndexHealth CheckIndex(const fs::path& file, int milliseconds, const std::atomic<bool>* stop) {
  std::error_code ignored;
  if (!fs::exists(file, ignored) || fs::file_size(file, ignored) == 0) return IndexHealth::kGood;
  try {
    soci::session session(soci::sqlite3, Connection(file));
    int tables = 0;
    session << "SELECT count(*) FROM sqlite_schema", soci::into(tables);
    auto* backend = static_cast<soci::sqlite3_session_backend*>(session.get_backend());
    Patience patience{std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds), stop};
    sqlite_api::sqlite3_progress_handler(backend->conn_, 1000, IsOver, &patience);
    std::string answer;
    try {
      session << "PRAGMA quick_check(1)", soci::into(answer);
    } catch (const soci::soci_error& error) {
      const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
      if (sqlite && (sqlite->result() & 0xff) == SQLITE_INTERRUPT) return IndexHealth::kUnfinished;
      throw;
    }
    return answer == "ok" ? IndexHealth::kGood : IndexHealth::kDamaged;
  } catch (const soci::soci_error& error) {
    // Busy, no rights, no memory: whoever opens it next says so in words.
    return SaysDamage(error) ? IndexHealth::kDamaged : IndexHealth::kUnfinished;
  }
}

fs::path SetIndexAside(const fs::path& file) {
  fs::path target;
  for (int n = 1; target.empty() || fs::exists(target); ++n) target = file.string() + ".damaged-" + std::to_string(n);
  for (const char* part : {"-wal", "-shm", ""}) {
    const fs::path from = file.string() + part;
    if (fs::exists(from)) RenameWithoutReplacing(from, target.string() + part);
  }
  SyncPath(file.parent_path());
  return target;
}

}  // namespace glionode::storage
