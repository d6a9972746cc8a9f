#pragma once
#include "config/error.h"

#include <filesystem>
#include <string>

namespace glionode::storage {

/// Internal to storage/: the few system calls that make files durable. All throw Error with the path; a full disk or a
/// used-up quota is Error{kOutOfSpace}.

/// The Error for `errno_value` after `what` failed on `path`.
Error FileError(int errno_value, const std::string& what, const std::filesystem::path& path);

/// fsync of a file or folder.
void SyncPath(const std::filesystem::path& path);

/// Renames within one file system and never replaces anything: false if `to` exists (then nothing has changed).
/// Durable only after SyncPath on the folder of `to`.
bool RenameWithoutReplacing(const std::filesystem::path& from, const std::filesystem::path& to);

/// Gives a file a second name and never replaces anything: false if `to` exists. Where a file system has no such links,
/// the file is renamed. Durable only after SyncPath on the folder of `to`.
bool LinkWithoutReplacing(const std::filesystem::path& from, const std::filesystem::path& to);

/// mkdir, mode 0750; an existing folder is fine.
void MakeFolder(const std::filesystem::path& path);

/// A version 4 UUID (RFC 4122) of the system's random numbers, lower case.
std::string RandomUuid();

}  // namespace glionode::storage
