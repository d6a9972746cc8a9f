#include "storage/migrations.h"

#include "config/error.h"
#include "config/log.h"
#include "storage/file_sync.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <string>

namespace glionode::storage {
namespace {

/// "glio": marks a file as an index of ours (PRAGMA application_id), so that no other program's database is changed.
constexpr int kApplicationId = 0x676c696f;

int ReadPragma(soci::session& session, const std::string& name) {
  int value = 0;
  session << "PRAGMA " + name, soci::into(value);
  return value;
}

/// SOCI prepares one statement at a time, a schema file holds many.
void RunScript(soci::session& session, std::string_view sql) {
  auto* backend = static_cast<soci::sqlite3_session_backend*>(session.get_backend());
  char* message = nullptr;
  const int result = sqlite_api::sqlite3_exec(backend->conn_, std::string(sql).c_str(), nullptr, nullptr, &message);
  if (result == SQLITE_OK) return;
  const std::string text = message ? message : "unknown error";
  sqlite_api::sqlite3_free(message);
  throw soci::sqlite3_soci_error(text, result);
}

/// A copy that is complete and synced under its final name, or not there. VACUUM INTO reads one consistent state.
void BackUp(soci::session& session, const std::filesystem::path& file, int to_version) {
  const std::string base = file.string() + ".before-schema-" + std::to_string(to_version);
  const std::string partial = base + ".partial";
  std::error_code ignored;
  std::filesystem::remove(partial, ignored);
  session << "VACUUM INTO :file", soci::use(partial);
  SyncPath(partial);
  std::string target = base;
  for (int n = 1; !RenameWithoutReplacing(partial, target); ++n) target = base + "." + std::to_string(n);
  SyncPath(file.parent_path());
  LogInfo("storage", "the index was copied to " + target + " before its schema changes");
}

}  // namespace

int Migrate(soci::session& session, const std::filesystem::path& file, std::span<const Migration> migrations) {
  const int newest = migrations.empty() ? 0 : migrations.back().version;
  const int found = ReadPragma(session, "user_version");
  const int owner = ReadPragma(session, "application_id");
  int tables = 0;
  session << "SELECT count(*) FROM sqlite_schema", soci::into(tables);
  if (tables > 0 && owner != kApplicationId)
    throw Error(ErrorCode::kUsage, file.string() + " is a database of another program, not an index of glionode");
  if (found > newest)
    throw Error(ErrorCode::kUsage, "the index " + file.string() + " was made by a newer glionode (its schema is " +
                                       std::to_string(found) + ", this program knows up to " + std::to_string(newest) +
                                       "): start the newer program, or go back to a copy of the data folder");
  if (found == newest) return found;
  if (found > 0) BackUp(session, file, newest);

  session << "BEGIN IMMEDIATE";
  try {
    for (const Migration& migration : migrations)
      if (migration.version > found) RunScript(session, migration.sql);
    session << "PRAGMA application_id = " + std::to_string(kApplicationId);
    session << "PRAGMA user_version = " + std::to_string(newest);
    session << "COMMIT";
  } catch (...) {
    try {
      session << "ROLLBACK";
    } catch (const soci::soci_error&) {
      // SQLite has rolled back on its own already.
    }
    throw;
  }
  return newest;
}

}  // namespace glionode::storage
