#pragma once
#include "storage/seal.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace glionode::storage {

/// The files of a data folder:
///   node-id            a UUID, made once
///   index.sqlite       Database
///   staging/           objects being received
///   images/AB/STUDY/<uid>.dcm, <uid>.1.dcm ... for other bytes under the same UID (AB: of the study UID's hash)
///   results/STUDY/<input key>/...
/// Every file that these functions return is synced, and so are its folder and the new ones above it. Threads: any.
/// Errors: Error with the path; a full disk is Error{kOutOfSpace}.
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

  /// For what need not have its place at once: writes the seal (storage/seal.h) of a staged file whose name is durable,
  /// and syncs its content; makes the folder of its place. When this returns, the object is safe: PlaceInstance is
  /// called later, or by the next start. UIDs and errors as in CommitInstance.
  void SealInstance(const std::filesystem::path& staged, const std::string& study_uid,
                    const std::string& sop_instance_uid, const std::string& dataset_sha256);
  /// Gives a sealed file its name under images/, never an existing one. Its name in staging stays until FinishPlaces.
  /// Returns the path relative to the root.
  std::string PlaceInstance(const std::filesystem::path& staged, const std::string& study_uid,
                            const std::string& sop_instance_uid);
  struct Placed {
    std::filesystem::path staged;
    std::string file;
  };
  /// Makes the places of a group durable, each folder with one sync; then their names in staging go, durably as well.
  /// May be called again after an error.
  void FinishPlaces(const std::vector<Placed>& group);
  /// The sealed files in staging, the oldest first, with what their seals say: at start.
  std::vector<std::pair<std::filesystem::path, Seal>> SealedFiles() const;
  /// The stored files of an instance (relative paths): its versions.
  std::vector<std::string> InstanceFiles(const std::string& study_uid, const std::string& sop_instance_uid) const;

  /// fsync, rename, fsync folder; never overwrites. Returns the path relative to the root. UIDs must have been checked
  /// by the caller; anything else than numbers with dots between them is refused with Error{kBadDataset}. `staged` must
  /// be closed and on the same file system (StagingDir). When this throws, nothing of it is under images/, and what is
  /// left in staging is the caller's to remove. Error{kNotAllowed} for the thousandth content under one UID.
  std::string CommitInstance(const std::filesystem::path& staged, const std::string& study_uid,
                             const std::string& sop_instance_uid);

  /// Removes one file (relative path), durably: a second copy of what is stored already, or by housekeeping. False if
  /// it was not there. The caller sees to the index.
  bool RemoveInstance(const std::string& file);

  /// Removes the image files of a study that were written up to `written_until` (ms since 1970; 0: none), and the
  /// study's folder if it is empty then.
  void RemoveStudyImages(const std::string& study_uid, std::int64_t written_until);
  /// Removes all results of a study.
  void RemoveStudyResults(const std::string& study_uid);

  /// A new, empty staging folder for results (same file system).
  std::filesystem::path NewResultStaging();
  /// Syncs and moves a finished folder of results to its place; the same input key again returns the existing one
  /// untouched and removes the staged one. Path relative to the root.
  std::string CommitResults(const std::filesystem::path& staged_folder, const std::string& study_uid,
                            const std::string& input_key);

  /// Calls `visit` with every instance file (relative path): the start-up sweep. Those of one SOP
  /// Instance UID in one study come in the order in which they were received, otherwise in no order.
  void ForEachInstance(const std::function<void(const std::string&)>& visit) const;
  /// Removes what a crash left in staging. Returns how many files went. At start, before anything is received.
  int CleanStaging();
  std::int64_t FreeBytes() const;

 private:
  void Release();
  /// Makes a folder (relative path) and syncs the names of all folders down to it, once.
  void EnsureDurableFolder(const std::filesystem::path& relative, bool known_missing);
  using Mover = bool (*)(const std::filesystem::path& from, const std::filesystem::path& to);
  std::string Move(const std::filesystem::path& staged, const std::string& study_uid,
                   const std::string& sop_instance_uid, int most_versions, Mover mover);

  std::filesystem::path root_;
  std::string node_id_;
  int lock_ = -1;  ///< the root folder itself, under flock; closed on exec, so that workers do not hold it
  std::mutex mutex_;
  std::set<std::string> durable_;  ///< folders whose names are synced; guarded by mutex_
};

}  // namespace glionode::storage
