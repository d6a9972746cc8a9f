#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace glionode::storage {

/// The files of a data folder:
///   node-id            a UUID, made once
///   index.sqlite       Database
///   staging/           objects being received
///   images/AB/STUDY/SERIES-or-hash/<uid>.dcm, <uid>.<n>.dcm for other bytes under the same UID
///   results/STUDY/<input key>/...
/// Every file that these functions return is synced, and so is its folder. Threads: any.
class FileStore {
 public:
  /// Makes the folders. Locks the folder: a second process on it gets Error{kUsage}. Throws Error with the path when
  /// that fails.
  explicit FileStore(std::filesystem::path data_dir);
  ~FileStore();
  FileStore(const FileStore&) = delete;
  FileStore& operator=(const FileStore&) = delete;

  const std::filesystem::path& Root() const;
  std::filesystem::path StagingDir() const;
  std::filesystem::path IndexFile() const;
  std::string NodeId() const;

  /// fsync, rename, fsync folder; never overwrites. Returns the path relative to the root. UIDs must have been checked
  /// by the caller; anything else than [0-9.] is refused with Error{kBadDataset}.
  std::string CommitInstance(const std::filesystem::path& staged, const std::string& study_uid,
                             const std::string& sop_instance_uid);

  /// A new, empty staging folder for results (same file system).
  std::filesystem::path NewResultStaging();
  /// Syncs and moves a finished folder of results to its place; the same input key again returns the existing one
  /// untouched. Path relative to the root.
  std::string CommitResults(const std::filesystem::path& staged_folder, const std::string& study_uid,
                            const std::string& input_key);

  /// Calls `visit` with every instance file (relative path), in no order: the start-up sweep.
  void ForEachInstance(const std::function<void(const std::string&)>& visit) const;
  /// Removes what a crash left in staging. Returns how many files went.
  int CleanStaging();
  std::int64_t FreeBytes() const;

 private:
  std::filesystem::path root_;
  int lock_ = -1;
};

}  // namespace glionode::storage
