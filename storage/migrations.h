#pragma once
#include <filesystem>
#include <span>
#include <string_view>

namespace soci {
class session;
}

namespace glionode::storage {

/// Internal to storage/: brings an index to the newest schema.

/// One file schema/NNN_name.sql.
struct Migration {
  int version;  ///< NNN
  std::string_view sql;
};

/// All of this program, in order, embedded at build time.
std::span<const Migration> BuiltInMigrations();

/// Applies what the index in `file` has not seen, all in one transaction: an index is never left between two schemas.
/// Before an index that is in use is changed, a copy of it is made beside it (FILE.before-schema-N). Returns the
/// resulting version. Throws Error{kUsage} for an index of a newer program and for a file that is no index of ours.
/// Errors of SQLite pass through.
int Migrate(soci::session& session, const std::filesystem::path& file, std::span<const Migration> migrations);

}  // namespace glionode::storage
