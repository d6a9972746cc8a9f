#include "storage/database.h"

#include "config/error.h"
#include "storage/migrations.h"
#include "storage/rows.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace glionode::storage {
namespace {

/// Reading sessions that are kept open when nobody reads.
constexpr std::size_t kIdleReaders = 8;
/// SQLite waits so long for a lock of another connection. Writers queue on our own mutex, so this is met only when
/// something outside the program holds the file.
constexpr int kBusySeconds = 10;

Error Translated(const std::filesystem::path& file, const soci::soci_error& error) {
  // get_error_message() only: what() of SOCI adds the statement and its values, which may hold a patient's data.
  const std::string text = "the index " + file.string() + ": " + error.get_error_message();
  const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  switch (sqlite ? sqlite->result() & 0xff : SQLITE_ERROR) {
    case SQLITE_FULL:
      return Error(ErrorCode::kOutOfSpace, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:  // nothing was written; the disk may be well again the next time
      return Error(ErrorCode::kBusy, text);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return Error(ErrorCode::kInternal, text +
                                             " (the file is damaged or no index: put back a copy, or move it away and "
                                             "let the start-up sweep index the images anew)");
    default:
      return Error(ErrorCode::kInternal, text);
  }
}

/// Runs `work` between `begin` and COMMIT; ROLLBACK if anything throws.
void Transaction(soci::session& session, const char* begin, const std::function<void(soci::session&)>& work) {
  session << begin;
  try {
    work(session);
    session << "COMMIT";
  } catch (...) {
    try {
      session << "ROLLBACK";
    } catch (const soci::soci_error&) {
      // SQLite has rolled back on its own already (after a full disk, say).
    }
    throw;
  }
}

}  // namespace

class Database::Impl {
 public:
  explicit Impl(std::filesystem::path path) : file(std::move(path)) {
    writer = Open();
    // WAL lets readers go on while one writes; FULL syncs the log at each commit (a success sent to a modality is a
    // promise). The mode is kept in the file.
    std::string mode;
    *writer << "PRAGMA journal_mode = WAL", soci::into(mode);
    if (mode != "wal")
      throw Error(ErrorCode::kInternal,
                  "the index " + file.string() + " cannot use a write-ahead log: is it on a network disk?");
    *writer << "PRAGMA cache_size = -32768";  // KiB: holds the inner pages of the indexes at a million instances
    version = Migrate(*writer, file, BuiltInMigrations());
  }

  /// A session with the settings that SQLite does not keep in the file.
  std::unique_ptr<soci::session> Open() const {
    auto session = std::make_unique<soci::session>(
        soci::sqlite3, "dbname=\"" + file.string() + "\" timeout=" + std::to_string(kBusySeconds));
    *session << "PRAGMA foreign_keys = ON";
    *session << "PRAGMA synchronous = FULL";
    int busy = 0;
    *session << "PRAGMA busy_timeout = " + std::to_string(kBusySeconds * 1000), soci::into(busy);
    *session << "PRAGMA journal_size_limit = 67108864", soci::into(busy);
    return session;
  }

  std::unique_ptr<soci::session> TakeReader() {
    {
      const std::lock_guard lock(readers_mutex);
      if (!readers.empty()) {
        auto reader = std::move(readers.back());
        readers.pop_back();
        return reader;
      }
    }
    auto reader = Open();
    *reader << "PRAGMA query_only = ON";
    return reader;
  }

  void GiveBack(std::unique_ptr<soci::session> reader) {
    const std::lock_guard lock(readers_mutex);
    if (readers.size() < kIdleReaders) readers.push_back(std::move(reader));
  }

  /// As Translated; damage is remembered.
  Error Said(const soci::soci_error& error) {
    if (SaysDamage(error)) damaged = true;
    return Translated(file, error);
  }

  const std::filesystem::path file;
  int version = 0;
  std::atomic<bool> damaged{false};
  std::mutex write_mutex;  ///< guards `writer`
  std::unique_ptr<soci::session> writer;
  std::atomic<std::uint64_t> writes{0};
  std::mutex readers_mutex;                             ///< guards `readers`
  std::vector<std::unique_ptr<soci::session>> readers;  ///< nobody reads on these at the moment
};

Database::Database(const std::filesystem::path& file) {
  // SOCI takes a connection string; these two would end the name in it early.
  if (file.string().find_first_of("\"\n") != std::string::npos)
    throw Error(ErrorCode::kUsage, "the path of the index holds a quotation mark or a line break: " + file.string());
  try {
    impl_ = std::make_unique<Impl>(std::filesystem::absolute(file));
  } catch (const soci::soci_error& error) {
    throw Translated(file, error);
  }
}

Database::~Database() = default;

void Database::Write(const std::function<void(soci::session&)>& work) {
  const std::lock_guard lock(impl_->write_mutex);
  try {
    // IMMEDIATE: a deferred transaction that turns from reading to writing fails at once when another one wrote.
    Transaction(*impl_->writer, "BEGIN IMMEDIATE", work);
    ++impl_->writes;
  } catch (const soci::soci_error& error) {
    throw impl_->Said(error);
  }
}

void Database::WriteSoon(const std::function<void(soci::session&)>& work) {
  const std::lock_guard lock(impl_->write_mutex);
  soci::session& session = *impl_->writer;
  try {
    // Outside of a transaction only. NORMAL syncs the log at checkpoints, FULL at each commit.
    session << "PRAGMA synchronous = NORMAL";
    struct Restore {
      soci::session& session;
      ~Restore() {
        try {
          session << "PRAGMA synchronous = FULL";
        } catch (const soci::soci_error&) {
          // This statement touches no file.
        }
      }
    };
    const Restore restore{session};
    Transaction(session, "BEGIN IMMEDIATE", work);
  } catch (const soci::soci_error& error) {
    throw impl_->Said(error);
  }
}

void Database::Read(const std::function<void(soci::session&)>& work) const {
  try {
    auto reader = impl_->TakeReader();
    Transaction(*reader, "BEGIN", work);
    impl_->GiveBack(std::move(reader));  // after an exception it is closed instead
  } catch (const soci::soci_error& error) {
    throw impl_->Said(error);
  }
}

int Database::SchemaVersion() const { return impl_->version; }

std::uint64_t Database::Writes() const { return impl_->writes; }

bool Database::SawDamage() const { return impl_->damaged; }

std::int64_t Database::MemoryBytes() { return sqlite_api::sqlite3_memory_used(); }

}  // namespace glionode::storage
