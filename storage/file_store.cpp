#include "storage/file_store.h"

#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "storage/file_names.h"
#include "storage/file_sync.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

namespace glionode::storage {
namespace {

namespace fs = std::filesystem;

/// More than anybody sends under one UID; a sender that floods meets this instead of a full folder.
constexpr int kMaxVersions = 1000;
/// Study folders that are remembered as synced.
constexpr std::size_t kMaxRemembered = 10000;

/// PS3.5 9.1 allows digits and dots, 64 characters. The receiver checks the syntax; this keeps paths inside the folder
/// whatever the caller did.
void RequireUid(const std::string& uid, const char* what) {
  const bool good = !uid.empty() && uid.size() <= 64 && uid.find_first_not_of("0123456789.") == std::string::npos &&
                    uid.front() != '.' && uid.back() != '.' && uid.find("..") == std::string::npos;
  if (!good)
    throw Error(ErrorCode::kBadDataset, std::string("the ") + what + " is no UID of digits and dots (PS3.5 9.1)");
}

void RequireKey(const std::string& key) {
  const bool good = !key.empty() && key.size() <= 128 && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return c < 128 && (std::isalnum(c) || c == '-' || c == '_');
  });
  if (!good) throw Error(ErrorCode::kInternal, "an input key that cannot be a folder's name: " + key);
}

/// Where an instance belongs, relative to the root: 256 folders, so that none holds more than some hundred studies of a
/// hundred thousand. Checks both UIDs.
fs::path ImageFolder(const std::string& study_uid, const std::string& sop_instance_uid) {
  RequireUid(study_uid, "Study Instance UID");
  RequireUid(sop_instance_uid, "SOP Instance UID");
  return fs::path("images") / Sha256Hex(study_uid).substr(0, 2) / study_uid;
}

bool IsUuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return false;
    if (!dash && std::string_view("0123456789abcdef").find(text[i]) == std::string_view::npos) return false;
  }
  return true;
}

/// Files first, then the folder that names them; folders inside come before the one that holds them.
void SyncTree(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !entry.is_symlink())
      SyncTree(entry.path());
    else if (entry.is_regular_file())
      SyncPath(entry.path());
  }
  SyncPath(folder);
}

/// Like MakeFolder, for all missing folders above too (the data folder itself).
void MakeFolders(const fs::path& path) {
  if (path.has_parent_path() && path != path.parent_path() && !fs::exists(path)) {
    MakeFolders(path.parent_path());
    MakeFolder(path);
    SyncPath(path.parent_path());
  }
}

std::string LoadOrMakeNodeId(const fs::path& root, const fs::path& staging) {
  const fs::path file = root / "node-id";
  if (!fs::exists(file)) {
    // Written aside and renamed: a crash leaves no empty identity.
    const fs::path made = staging / "node-id";
    {
      std::ofstream out(made, std::ios::trunc);
      out << RandomUuid() << "\n";
      if (!out.flush()) throw FileError(errno, "write", made);
    }
    SyncPath(made);
    RenameWithoutReplacing(made, file);
    SyncPath(root);
  }
  std::ifstream in(file);
  std::string id;
  in >> id;
  // A new one would make our earlier reports look like somebody else's.
  if (!IsUuid(id))
    throw Error(ErrorCode::kUsage, file.string() + " does not hold a UUID: put the right one back from a copy");
  return id;
}

}  // namespace

FileStore::FileStore(fs::path data_dir) {
  try {
    root_ = fs::absolute(std::move(data_dir)).lexically_normal();
    if (!root_.has_filename()) root_ = root_.parent_path();
    MakeFolders(root_);
    lock_ = open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ < 0) throw FileError(errno, "open", root_);
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK)
        throw Error(ErrorCode::kUsage, "another glionode uses the data folder " + root_.string() + " already");
      throw FileError(errno, "flock", root_);
    }
    for (const char* name : {"staging", "images", "results"}) MakeFolder(root_ / name);
    SyncPath(root_);
    node_id_ = LoadOrMakeNodeId(root_, StagingDir());
  } catch (const fs::filesystem_error& error) {
    Release();
    throw FileError(error.code().value(), "preparing the data folder", root_);
  } catch (...) {
    Release();
    throw;
  }
}

FileStore::~FileStore() { Release(); }

void FileStore::Release() {
  if (lock_ >= 0) close(lock_);  // gives the lock back
  lock_ = -1;
}

const fs::path& FileStore::Root() const { return root_; }
fs::path FileStore::StagingDir() const { return root_ / "staging"; }
fs::path FileStore::IndexFile() const { return root_ / "index.sqlite"; }
std::string FileStore::NodeId() const { return node_id_; }

void FileStore::EnsureDurableFolder(const fs::path& relative, bool known_missing) {
  // Held while syncing: another thread must not answer Success for a file in a folder whose own name is not durable
  // yet. That is once a study and start of the program.
  const std::lock_guard lock(mutex_);
  if (known_missing) durable_.erase(relative.string());
  if (durable_.count(relative.string())) return;
  fs::path above = root_;
  for (const fs::path& part : relative) {
    MakeFolder(above / part);
    SyncPath(above);
    above /= part;
  }
  if (durable_.size() >= kMaxRemembered) durable_.clear();
  durable_.insert(relative.string());
}

std::string FileStore::Move(const fs::path& staged, const std::string& study_uid, const std::string& sop_instance_uid,
                            int most_versions, Mover mover) {
  const fs::path folder = ImageFolder(study_uid, sop_instance_uid);
  EnsureDurableFolder(folder, false);
  bool folder_made_again = false;
  for (int number = 0; number < most_versions; ++number) {
    const fs::path relative = folder / InstanceFileName(sop_instance_uid, number);
    try {
      if (mover(staged, root_ / relative)) return relative.string();
    } catch (const Error&) {
      // Housekeeping may have removed the folder since it was remembered.
      if (folder_made_again || fs::exists(root_ / folder)) throw;
      folder_made_again = true;
      EnsureDurableFolder(folder, true);
      --number;
    }
  }
  throw Error(ErrorCode::kNotAllowed, "SOP instance " + sop_instance_uid + " has come with " +
                                          std::to_string(most_versions) + " contents already");
}

void FileStore::SealInstance(const fs::path& staged, const std::string& study_uid, const std::string& sop_instance_uid,
                             const std::string& dataset_sha256) {
  // A place that cannot be made is told the sender, not found out afterwards.
  EnsureDurableFolder(ImageFolder(study_uid, sop_instance_uid), false);
  SealFile(staged, dataset_sha256);
}

std::string FileStore::PlaceInstance(const fs::path& staged, const std::string& study_uid,
                                     const std::string& sop_instance_uid) {
  // A second name, not a move: without a journal, a file system may write the loss of the old name before the new one.
  // No limit: the object is acknowledged.
  return Move(staged, study_uid, sop_instance_uid, std::numeric_limits<int>::max(), LinkWithoutReplacing);
}

void FileStore::FinishPlaces(const std::vector<Placed>& group) {
  if (group.empty()) return;
  std::set<fs::path> folders;
  for (const Placed& placed : group) folders.insert((root_ / placed.file).parent_path());
  for (const fs::path& folder : folders) SyncPath(folder);
  for (const Placed& placed : group)
    if (unlink(placed.staged.c_str()) != 0 && errno != ENOENT) throw FileError(errno, "unlink", placed.staged);
  // Else a loss of power could bring back, from here, what an administrator has deleted since.
  SyncPath(StagingDir());
}

std::vector<std::pair<fs::path, Seal>> FileStore::SealedFiles() const {
  std::vector<std::pair<fs::path, Seal>> found;
  try {
    for (const auto& entry : fs::directory_iterator(StagingDir()))
      if (entry.is_regular_file() && !entry.is_symlink())
        if (auto seal = ReadSeal(entry.path())) found.emplace_back(entry.path(), std::move(*seal));
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return fs::last_write_time(a.first) < fs::last_write_time(b.first); });
  } catch (const fs::filesystem_error& error) {
    throw FileError(error.code().value(), "reading", StagingDir());
  }
  return found;
}

std::vector<std::string> FileStore::InstanceFiles(const std::string& study_uid,
                                                  const std::string& sop_instance_uid) const {
  const fs::path folder = ImageFolder(study_uid, sop_instance_uid);
  std::vector<std::string> files;
  for (int number = 0;; ++number) {
    const fs::path relative = folder / InstanceFileName(sop_instance_uid, number);
    if (!fs::exists(root_ / relative)) return files;
    files.push_back(relative.string());
  }
}

std::string FileStore::CommitInstance(const fs::path& staged, const std::string& study_uid,
                                      const std::string& sop_instance_uid) {
  ImageFolder(study_uid, sop_instance_uid);  // bad UIDs first
  SyncPath(staged);
  const std::string file = Move(staged, study_uid, sop_instance_uid, kMaxVersions, RenameWithoutReplacing);
  try {
    SyncPath((root_ / file).parent_path());
  } catch (...) {
    // The sender hears of a failure: nothing of this attempt stays.
    std::error_code ignored;
    fs::remove(root_ / file, ignored);
    throw;
  }
  return file;
}

bool FileStore::RemoveInstance(const std::string& file) {
  const fs::path relative = fs::path(file).lexically_normal();
  if (relative.is_absolute() || relative.begin() == relative.end() || *relative.begin() != "images")
    throw Error(ErrorCode::kInternal, "not the file of an instance: " + file);
  if (unlink((root_ / relative).c_str()) != 0) {
    if (errno == ENOENT) return false;
    throw FileError(errno, "unlink", root_ / relative);
  }
  SyncPath((root_ / relative).parent_path());
  return true;
}

void FileStore::RemoveStudyImages(const std::string& study_uid, std::int64_t written_until) {
  RequireUid(study_uid, "Study Instance UID");
  const fs::path folder = root_ / "images" / Sha256Hex(study_uid).substr(0, 2) / study_uid;
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return;
  try {
    std::vector<fs::path> gone;
    for (const auto& entry : fs::directory_iterator(folder)) {
      struct stat info {};
      if (stat(entry.path().c_str(), &info) != 0) continue;
      if (std::int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1000000 <= written_until)
        gone.push_back(entry.path());
    }
    for (const fs::path& file : gone) fs::remove(file);
    SyncPath(folder);
    rmdir(folder.c_str());  // stays when something is in it
    SyncPath(folder.parent_path());
  } catch (const fs::filesystem_error& error) {
    throw FileError(error.code().value(), "removing images", folder);
  }
}

void FileStore::RemoveStudyResults(const std::string& study_uid) {
  RequireUid(study_uid, "Study Instance UID");
  const fs::path folder = root_ / "results" / study_uid;
  try {
    fs::remove_all(folder);
  } catch (const fs::filesystem_error& error) {
    throw FileError(error.code().value(), "removing results", folder);
  }
  SyncPath(root_ / "results");
}

fs::path FileStore::NewResultStaging() {
  std::string pattern = (StagingDir() / "result-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw FileError(errno, "mkdtemp", pattern);
  return pattern;
}

std::string FileStore::CommitResults(const fs::path& staged_folder, const std::string& study_uid,
                                     const std::string& input_key) {
  RequireUid(study_uid, "Study Instance UID");
  RequireKey(input_key);
  const fs::path folder = fs::path("results") / study_uid;
  const fs::path relative = folder / input_key;
  try {
    SyncTree(staged_folder);
    EnsureDurableFolder(folder, !fs::exists(root_ / folder));
    if (!RenameWithoutReplacing(staged_folder, root_ / relative)) {
      // The same key again, after a crash between this and the index: what was made first is what was perhaps seen.
      fs::remove_all(staged_folder);
    }
    SyncPath(root_ / folder);
  } catch (const fs::filesystem_error& error) {
    throw FileError(error.code().value(), "keeping the results in " + relative.string(), staged_folder);
  }
  return relative.string();
}

void FileStore::ForEachInstance(const std::function<void(const std::string&)>& visit) const {
  try {
    for (const auto& group : fs::directory_iterator(root_ / "images")) {
      if (!group.is_directory()) continue;
      for (const auto& study : fs::directory_iterator(group.path())) {
        if (!study.is_directory()) continue;
        std::vector<std::string> names;
        for (const auto& file : fs::directory_iterator(study.path()))
          if (file.is_regular_file() && file.path().extension() == ".dcm") names.push_back(file.path().filename());
        std::sort(names.begin(), names.end(), ByNumbers);
        const fs::path folder = fs::path("images") / group.path().filename() / study.path().filename();
        for (const std::string& name : names) visit((folder / name).string());
      }
    }
  } catch (const fs::filesystem_error& error) {
    throw FileError(error.code().value(), "reading the images", error.path1());
  }
}

int FileStore::CleanStaging() {
  int files = 0;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(StagingDir()))
      if (!entry.is_directory() || entry.is_symlink()) ++files;
    for (const auto& entry : fs::directory_iterator(StagingDir())) fs::remove_all(entry.path());
  } catch (const fs::filesystem_error& error) {
    throw FileError(error.code().value(), "clearing", StagingDir());
  }
  return files;
}

std::int64_t FileStore::FreeBytes() const {
  struct statvfs status {};
  if (statvfs(root_.c_str(), &status) != 0) throw FileError(errno, "statvfs", root_);
  return static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
}

}  // namespace glionode::storage
