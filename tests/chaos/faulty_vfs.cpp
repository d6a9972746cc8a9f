// A SQLite VFS that fails on demand, registered as the default one before main: SOCI 4.0 cannot name a VFS. What it
// does stands in the file that GLIONODE_VFS_FAULTS names, and is looked up at every operation:
//   busy    locks are answered SQLITE_BUSY        ioerr   writes and syncs fail with SQLITE_IOERR
//   full    writes fail with SQLITE_FULL
// Linked into the stand-in program of the tests only.
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sqlite3.h>
#include <string_view>
#include <unistd.h>

namespace {

sqlite3_vfs* Real() {
  static sqlite3_vfs* const real = sqlite3_vfs_find("unix");
  return real;
}

enum class Fault { kNone, kBusy, kIoError, kFull };

Fault Now() {
  static const char* const file = std::getenv("GLIONODE_VFS_FAULTS");
  if (file == nullptr) return Fault::kNone;
  const int descriptor = open(file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return Fault::kNone;
  char text[8] = {};
  const ssize_t size = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  const std::string_view word(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  if (word.rfind("busy", 0) == 0) return Fault::kBusy;
  if (word.rfind("ioerr", 0) == 0) return Fault::kIoError;
  if (word.rfind("full", 0) == 0) return Fault::kFull;
  return Fault::kNone;
}

/// What SQLite holds for an open file: ours, with the real one's bytes behind it.
struct FaultyFile {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_file* RealOf(sqlite3_file* file) { return reinterpret_cast<FaultyFile*>(file)->real(); }
const sqlite3_io_methods* MethodsOf(sqlite3_file* file) { return RealOf(file)->pMethods; }

int Close(sqlite3_file* file) { return MethodsOf(file)->xClose(RealOf(file)); }
int Read(sqlite3_file* file, void* into, int size, sqlite3_int64 at) {
  return MethodsOf(file)->xRead(RealOf(file), into, size, at);
}
int Write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  const Fault fault = Now();
  if (fault == Fault::kIoError) return SQLITE_IOERR_WRITE;
  if (fault == Fault::kFull) return SQLITE_FULL;
  return MethodsOf(file)->xWrite(RealOf(file), from, size, at);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) { return MethodsOf(file)->xTruncate(RealOf(file), size); }
int Sync(sqlite3_file* file, int flags) {
  return Now() == Fault::kIoError ? SQLITE_IOERR_FSYNC : MethodsOf(file)->xSync(RealOf(file), flags);
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) { return MethodsOf(file)->xFileSize(RealOf(file), size); }
int Lock(sqlite3_file* file, int level) {
  return Now() == Fault::kBusy ? SQLITE_BUSY : MethodsOf(file)->xLock(RealOf(file), level);
}
int Unlock(sqlite3_file* file, int level) { return MethodsOf(file)->xUnlock(RealOf(file), level); }
int CheckReservedLock(sqlite3_file* file, int* out) { return MethodsOf(file)->xCheckReservedLock(RealOf(file), out); }
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return MethodsOf(file)->xFileControl(RealOf(file), operation, argument);
}
int SectorSize(sqlite3_file* file) { return MethodsOf(file)->xSectorSize(RealOf(file)); }
int DeviceCharacteristics(sqlite3_file* file) { return MethodsOf(file)->xDeviceCharacteristics(RealOf(file)); }
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return MethodsOf(file)->xShmMap(RealOf(file), page, size, extend, out);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  if ((flags & SQLITE_SHM_LOCK) != 0 && Now() == Fault::kBusy) return SQLITE_BUSY;
  return MethodsOf(file)->xShmLock(RealOf(file), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) { MethodsOf(file)->xShmBarrier(RealOf(file)); }
int ShmUnmap(sqlite3_file* file, int remove) { return MethodsOf(file)->xShmUnmap(RealOf(file), remove); }
int Fetch(sqlite3_file* file, sqlite3_int64 at, int size, void** out) {
  return MethodsOf(file)->xFetch(RealOf(file), at, size, out);
}
int Unfetch(sqlite3_file* file, sqlite3_int64 at, void* page) {
  return MethodsOf(file)->xUnfetch(RealOf(file), at, page);
}

const sqlite3_io_methods kMethods = {3,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Unlock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     DeviceCharacteristics,
                                     ShmMap,
                                     ShmLock,
                                     ShmBarrier,
                                     ShmUnmap,
                                     Fetch,
                                     Unfetch};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* faulty = new (file) FaultyFile{};
  const int result = Real()->xOpen(Real(), name, faulty->real(), flags, out_flags);
  faulty->base.pMethods = faulty->real()->pMethods ? &kMethods : nullptr;
  return result;
}

/// Everything but opening is the real one's.
struct Registration {
  Registration() {
    static sqlite3_vfs vfs = *Real();
    vfs.zName = "glionode-faulty";
    vfs.pNext = nullptr;
    vfs.szOsFile = static_cast<int>(sizeof(FaultyFile)) + Real()->szOsFile;
    vfs.xOpen = Open;
    sqlite3_vfs_register(&vfs, 1);
  }
};
const Registration kRegistration;

}  // namespace
