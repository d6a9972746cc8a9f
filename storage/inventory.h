#pragma once
#include "storage/database.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace glionode::storage {

/// A file that the index names, with the hash that it must have.
struct StoredFile {
  std::int64_t id = 0;  ///< of its row, for going on
  std::string file;     ///< relative to the data folder
  std::string sha256;   ///< instances: of the data set; objects: of the file
  std::string study_uid;
};

/// Reads the whole index in pages, for `glionode verify` and backups. Threads: any. Errors: as Database.
class Inventory {
 public:
  explicit Inventory(Database& database);  ///< must outlive this object
  /// Instances whose files are to be there, by id, beyond `after`.
  std::vector<StoredFile> Instances(std::int64_t after, int limit) const;
  /// Encoded results, likewise.
  std::vector<StoredFile> Objects(std::int64_t after, int limit) const;
  std::int64_t Count() const;  ///< of both

 private:
  Database& database_;
};

/// A copy of an index in one state, whatever is written meanwhile: complete and synced under `to`, which must not
/// exist, or not there. Errors: as Database.
void CopyIndex(const std::filesystem::path& file, const std::filesystem::path& to);

enum class IndexHealth {
  kGood,
  kDamaged,     ///< SQLite says so
  kUnfinished,  ///< no damage was found in the time
};

/// Is the index readable and its structure whole (PRAGMA quick_check)? Looks for at most `milliseconds`. Nothing is
/// changed. A file that is not there is good: it will be made. Errors are answers here. `stop` ends it early.
IndexHealth CheckIndex(const std::filesystem::path& file, int milliseconds, const std::atomic<bool>* stop = nullptr);

/// Renames a damaged index (and its log) to FILE.damaged-N, so that a new one can be made. Returns the new name.
std::filesystem::path SetIndexAside(const std::filesystem::path& file);

}  // namespace glionode::storage
