#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

namespace soci {
class session;
}

namespace glionode::storage {

/// One SQLite index in WAL mode with synchronous=FULL. One writing session behind a mutex; numbered migrations run at
/// opening. Threads: any. Errors: Error{kInternal}, Error{kBusy}, Error{kOutOfSpace} by SQLite's result code; an index
/// of a newer program: Error{kUsage} that says so.
class Database {
 public:
  explicit Database(const std::filesystem::path& file);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs `work` inside BEGIN IMMEDIATE .. COMMIT; rolled back if it throws. Durable when it returns. One at a time:
  /// `work` must not call Write again (it would wait for itself), and what it reads through Read is the state before.
  void Write(const std::function<void(soci::session&)>& work);
  /// The same without waiting for the disk: after a power loss the newest of these writes may be missing, as a whole
  /// and never a part of one. A later Write makes them durable with itself. For rows that can be made again from files.
  void WriteSoon(const std::function<void(soci::session&)>& work);
  /// Runs `work` on a reading session: it sees one state of the index, whatever is written meanwhile.
  void Read(const std::function<void(soci::session&)>& work) const;
  int SchemaVersion() const;
  /// How often Write has committed since the start: tells whether what was read may have changed.
  std::uint64_t Writes() const;
  /// Has SQLite said, since the opening, that the file is damaged or no database?
  bool SawDamage() const;
  /// Bytes that SQLite holds in this process, for all its databases: above all its caches, which grow with the index
  /// up to a bound (32 MiB, and 2 MiB for each idle reading session).
  static std::int64_t MemoryBytes();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glionode::storage
