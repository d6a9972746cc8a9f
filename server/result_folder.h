#pragma once
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/outbox.h"
#include "storage/peers.h"
#include "storage/restore.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glionode::server {

/// What a folder under results/ holds beside the encoded objects and job.json (the job and what it rests on), so that
/// an index can be made anew from it: delivery.json (to whom its objects go, and in which class the report),
/// delivered.txt (a line for each object that a peer has taken: PEER<tab>SOP Instance UID), held.txt (a line for each
/// object that does not leave by itself any more: PEER<tab>SOP Instance UID<tab>dead, parked or withdrawn) and
/// taken-back.json (this report and all before it were withdrawn by hand).

/// Writes delivery.json into a folder that is not committed yet.
void WriteDelivery(const std::filesystem::path& folder, const std::vector<std::string>& receivers, std::size_t report);

/// `folder`: relative to the data folder. The objects that belong to the result: one of its reports, and the captures.
std::vector<storage::NewObject> ObjectsOf(const std::filesystem::path& root, const std::string& folder,
                                          const std::vector<std::string>& receivers, std::size_t report);

/// Appends to delivered.txt beside the object's file. What a crash cuts off is sent once more, under the same UID.
void NoteDelivered(const std::filesystem::path& object_file, const std::string& peer_ae, const std::string& sop_uid);

/// Appends to held.txt beside the row's object: in an index that is made anew, the row is in this state, not pending.
/// To be called before the index is told. Never throws: what cannot be written is said in the log.
void NoteHeld(const std::filesystem::path& root, const storage::OutboxRecord& row, storage::OutboxState state);

/// The same, withdrawn, for those of a study's rows that have not left.
void NoteWithdrawn(const std::filesystem::path& root, const std::vector<storage::OutboxRecord>& rows);

/// Writes taken-back.json into the folder of the newest result, durably. Throws Error{kOutOfSpace}.
void NoteTakenBack(const std::filesystem::path& folder, const storage::WithdrawalRecord& withdrawal);

/// paused-peers.json of a data folder: who was paused when the index was lost. Writing throws Error{kOutOfSpace}; a
/// file that is not there or cannot be read is nobody, the latter said in the log.
void WritePauses(const std::filesystem::path& root, const std::map<std::string, storage::PausedPeer>& paused);
std::map<std::string, storage::PausedPeer> ReadPauses(const std::filesystem::path& root);

/// Are results to be read back: is the index new, or did a start before this one not come to the end of reading them?
/// Where they are, a file index.restoring says so, durably, until EndRestore. Throws Error{kOutOfSpace}.
bool BeginRestore(const std::filesystem::path& root, bool index_is_new);
void EndRestore(const std::filesystem::path& root);

/// Reads all results and rejection notes of a data folder back into an index; what it has already stays as it is.
/// Results without these files and unreadable ones are said in the log and stay files. Returns how many came back.
int RestoreResults(const storage::FileStore& files, storage::Database& database, WallMs now);

}  // namespace glionode::server
