#pragma once
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/restore.h"

#include <filesystem>
#include <string>
#include <vector>

namespace glionode::server {

/// What a folder under results/ holds beside the encoded objects and job.json (the job and what it rests on), so that
/// an index can be made anew from it: delivery.json (to whom its objects go, and in which class the report) and
/// delivered.txt (a line for each object that a peer has taken: PEER<tab>SOP Instance UID).

/// Writes delivery.json into a folder that is not committed yet.
void WriteDelivery(const std::filesystem::path& folder, const std::vector<std::string>& receivers, std::size_t report);

/// `folder`: relative to the data folder. The objects that belong to the result: one of its reports, and the captures.
std::vector<storage::NewObject> ObjectsOf(const std::filesystem::path& root, const std::string& folder,
                                          const std::vector<std::string>& receivers, std::size_t report);

/// Appends to delivered.txt beside the object's file. What a crash cuts off is sent once more, under the same UID.
void NoteDelivered(const std::filesystem::path& object_file, const std::string& peer_ae, const std::string& sop_uid);

/// Reads all results of a data folder back into an index without studies. Results without these files and unreadable
/// ones are said in the log and stay files. Returns how many came back.
int RestoreResults(const storage::FileStore& files, storage::Database& database, WallMs now);

}  // namespace glionode::server
