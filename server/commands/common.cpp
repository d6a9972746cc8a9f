#include "config/error.h"
#include "server/commands/commands.h"

#include <filesystem>
#include <iostream>
#include <pwd.h>
#include <unistd.h>

namespace glionode::server {

int Guarded(const std::function<int()>& work) {
  try {
    return work();
  } catch (const Error& e) {
    std::cerr << "glionode: " << e.what() << "\n";
    return e.Code() == ErrorCode::kUsage ? 2 : e.Code() == ErrorCode::kMissingPart ? 3 : 1;
  } catch (const std::exception& e) {
    std::cerr << "glionode: " << e.what() << "\n";
  } catch (...) {
    std::cerr << "glionode: an exception of an unknown kind\n";
  }
  return 1;
}

std::string LocalUser() {
  const passwd* entry = getpwuid(getuid());
  return entry ? entry->pw_name : "user " + std::to_string(getuid());
}

std::string DefaultBundle() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  // PREFIX/bin/glionode, wherever `cmake --install` was told to put it.
  const fs::path installed = program.parent_path().parent_path() / "share/glionode/models/phantom-resnet10";
  if (fs::exists(installed / "bundle.json", ignored)) return installed;
  // build/release/bin/glionode: the checkout is three folders up.
  for (fs::path folder = program.parent_path(); folder != folder.root_path();
       folder = folder.parent_path())
    if (fs::exists(folder / "models/phantom-resnet10/bundle.json", ignored)) return folder / "models/phantom-resnet10";
  return "models/phantom-resnet10";
}

}  // namespace glionode::server
