#include "server/result_folder.h"

#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "dicom/header_reader.h"
#include "server/study_result.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// What was not delivered waits so long after the index was made anew: until the images are judged again, so that
/// nothing goes out for a study that turns out to be of two patients.
constexpr WallMs kRestoredWaitMs = 15 * 60 * 1000;
/// There while results are read back: each comes back by itself, and a kill in between must not lose the rest.
const char kRestoring[] = "index.restoring";

std::string ReadText(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw Error(ErrorCode::kInternal, file.string() + ": cannot be read");
  return text.str();
}

void SyncFolder(const fs::path& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

/// Synced before it returns. Throws Error{kOutOfSpace}.
void WriteSynced(const fs::path& file, int flags, const std::string& text) {
  const int descriptor = open(file.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
  const bool good = descriptor >= 0 &&
                    write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                    fsync(descriptor) == 0;
  const int problem = errno;
  if (descriptor >= 0) close(descriptor);
  SyncFolder(file.parent_path());
  if (!good) throw Error(ErrorCode::kOutOfSpace, file.string() + " cannot be written: " + std::strerror(problem));
}

std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; std::getline(in, word, '\t');) words.push_back(word);
  return words;
}

std::set<std::pair<std::string, std::string>> ReadDelivered(const fs::path& folder) {
  std::set<std::pair<std::string, std::string>> delivered;
  std::ifstream in(folder / "delivered.txt");
  for (std::string line; std::getline(in, line);)
    if (const auto words = Words(line); words.size() == 2) delivered.insert({words[0], words[1]});
  return delivered;
}

std::map<std::pair<std::string, std::string>, storage::OutboxState> ReadHeld(const fs::path& folder) {
  std::map<std::pair<std::string, std::string>, storage::OutboxState> held;
  std::ifstream in(folder / "held.txt");
  for (std::string line; std::getline(in, line);)
    if (const auto words = Words(line); words.size() == 3)
      // A word that a crash cut off still holds the row back.
      held[{words[0], words[1]}] = storage::OutboxStateFromText(words[2]).value_or(storage::OutboxState::kDead);
  return held;
}

storage::RememberedNote RememberNote(const fs::path& root, const std::string& folder) {
  const json note = json::parse(ReadText(root / folder / "withdrawal.json"));
  storage::RememberedNote remembered;
  remembered.study_uid = note.at("study_uid");
  remembered.revision = note.at("revision");
  remembered.at = note.at("at");
  remembered.object.sop_class_uid = dicom::kKeyObjectClass;
  remembered.object.sop_instance_uid = note.at("sop_instance_uid");
  remembered.object.series_uid = note.value("series_uid", "");
  remembered.object.file = folder + "/ko.dcm";
  remembered.object.sha256 = Sha256Hex(ReadText(root / remembered.object.file));
  remembered.object.kind = "ko";
  remembered.peer = note.at("peer");
  const auto row = std::pair(remembered.peer, remembered.object.sop_instance_uid);
  const auto held = ReadHeld(root / folder);
  if (ReadDelivered(root / folder).count(row))
    remembered.state = storage::OutboxState::kSent;
  else if (const auto found = held.find(row); found != held.end())
    remembered.state = found->second;
  return remembered;
}

storage::RememberedResult Remember(const fs::path& root, const std::string& folder) {
  const json job = json::parse(ReadText(root / folder / "job.json"));
  const json delivery = json::parse(ReadText(root / folder / "delivery.json"));
  storage::RememberedResult remembered;
  remembered.job.study_uid = job.at("study_uid");
  remembered.job.input_key = job.at("input_key");
  remembered.job.revision = job.at("revision");
  remembered.job.created_at = job.at("created_at");
  remembered.job.inputs_json = job.at("inputs").dump();
  remembered.result.result_json = ReadText(root / folder / "result.json");
  remembered.result.decision = json::parse(remembered.result.result_json).at("decision");
  remembered.result.created_at = job.at("reported_at");
  remembered.objects = ObjectsOf(root, folder, delivery.at("receivers"), delivery.at("report"));
  remembered.delivered = ReadDelivered(root / folder);
  remembered.held = ReadHeld(root / folder);
  if (fs::exists(root / folder / "taken-back.json")) {
    const json taken_back = json::parse(ReadText(root / folder / "taken-back.json"));
    remembered.withdrawal =
        storage::WithdrawalRecord{remembered.job.study_uid, taken_back.at("revision"), taken_back.at("reason"),
                                  taken_back.at("text"), taken_back.at("at")};
  }
  // A report that went out in another class than the first choice: that class is what the peer has.
  for (const dicom::EncodedObject& report : ReadObjects(root / folder).reports)
    for (const auto& [peer, uid] : remembered.delivered)
      if (uid == report.sop_instance_uid)
        for (storage::NewObject& object : remembered.objects)
          if (object.object.kind == "sr") remembered.delivered.insert({peer, object.object.sop_instance_uid});
  return remembered;
}

}  // namespace

void WriteDelivery(const fs::path& folder, const std::vector<std::string>& receivers, std::size_t report) {
  const json delivery = {{"receivers", receivers}, {"report", report}};
  std::ofstream out(folder / "delivery.json");
  out << delivery.dump(1) << "\n";
  if (!out.flush()) throw Error(ErrorCode::kOutOfSpace, (folder / "delivery.json").string() + " cannot be written");
}

std::vector<storage::NewObject> ObjectsOf(const fs::path& root, const std::string& folder,
                                          const std::vector<std::string>& receivers, std::size_t report) {
  const WrittenObjects written = ReadObjects(root / folder);
  std::vector<storage::NewObject> objects;
  const auto add = [&](const dicom::EncodedObject& object, const char* kind) {
    storage::ObjectRecord record;
    record.sop_class_uid = object.sop_class_uid;
    record.sop_instance_uid = object.sop_instance_uid;
    record.series_uid = object.series_uid;
    record.file = folder + "/" + object.file.filename().string();
    record.sha256 = Sha256Hex(ReadText(object.file));
    record.kind = kind;
    objects.push_back({record, receivers});
  };
  add(written.reports.at(report), "sr");
  for (const auto& capture : written.captures) add(capture, "sc");
  return objects;
}

void NoteDelivered(const fs::path& object_file, const std::string& peer_ae, const std::string& sop_uid) {
  std::ofstream out(object_file.parent_path() / "delivered.txt", std::ios::app);
  out << peer_ae << '\t' << sop_uid << '\n';
}

void NoteHeld(const fs::path& root, const storage::OutboxRecord& row, storage::OutboxState state) {
  const fs::path file = (root / row.object.file).parent_path() / "held.txt";
  try {
    WriteSynced(file, O_APPEND,
                row.peer_ae + '\t' + row.object.sop_instance_uid + '\t' + std::string(storage::ToText(state)) + '\n');
  } catch (const std::exception& e) {
    LogError("outbox", std::string(e.what()) + "; an index that is made anew would send " +
                           row.object.sop_instance_uid + " to " + row.peer_ae);
  }
}

void NoteWithdrawn(const fs::path& root, const std::vector<storage::OutboxRecord>& rows) {
  for (const storage::OutboxRecord& row : rows)
    if (row.state == storage::OutboxState::kPending || row.state == storage::OutboxState::kDead ||
        row.state == storage::OutboxState::kParked)
      NoteHeld(root, row, storage::OutboxState::kWithdrawn);
}

void NoteTakenBack(const fs::path& folder, const storage::WithdrawalRecord& withdrawal) {
  const json text = {{"format", 1},
                     {"revision", withdrawal.revision},
                     {"reason", withdrawal.reason},
                     {"text", withdrawal.text},
                     {"at", withdrawal.at}};
  WriteSynced(folder / "taken-back.json", O_TRUNC, text.dump(2) + "\n");
}

void WritePauses(const fs::path& root, const std::map<std::string, storage::PausedPeer>& paused) {
  json peers = json::array();
  for (const auto& [peer, pause] : paused)
    peers.push_back({{"peer", peer}, {"at", pause.paused_at}, {"why", pause.why}});
  const fs::path file = root / "paused-peers.json", fresh = root / "paused-peers.json.new";
  WriteSynced(fresh, O_TRUNC, peers.dump(2) + "\n");
  fs::rename(fresh, file);
}

std::map<std::string, storage::PausedPeer> ReadPauses(const fs::path& root) {
  std::map<std::string, storage::PausedPeer> paused;
  const fs::path file = root / "paused-peers.json";
  if (!fs::exists(file)) return paused;
  try {
    const json peers = json::parse(ReadText(file));
    for (const auto& pause : peers) paused[pause.at("peer")] = {pause.at("at"), pause.at("why")};
  } catch (const std::exception& e) {
    LogError("restore", file.string() + ": " + e.what() + "; look whether a peer was paused before the index was lost");
  }
  return paused;
}

bool BeginRestore(const fs::path& root, bool index_is_new) {
  const fs::path note = root / kRestoring;
  if (fs::exists(note)) return true;
  if (index_is_new) WriteSynced(note, O_TRUNC, "results are being read back into a new index\n");
  return index_is_new;
}

void EndRestore(const fs::path& root) {
  fs::remove(root / kRestoring);
  SyncFolder(root);
}

int RestoreResults(const storage::FileStore& files, storage::Database& database, WallMs now) {
  std::vector<storage::RememberedResult> all;
  std::vector<storage::RememberedNote> notes;
  for (const auto& study : fs::directory_iterator(files.Root() / "results")) {
    if (!study.is_directory()) continue;
    for (const auto& result : fs::directory_iterator(study.path())) {
      const std::string folder = fs::relative(result.path(), files.Root()).string();
      try {
        if (fs::exists(result.path() / "withdrawal.json"))
          notes.push_back(RememberNote(files.Root(), folder));
        else
          all.push_back(Remember(files.Root(), folder));
      } catch (const std::exception& e) {
        LogError("restore", folder + " cannot be read back into the index: " + e.what());
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.job.revision < b.job.revision; });
  int restored = 0;
  for (const storage::RememberedResult& remembered : all)
    restored += storage::RestoreResult(database, remembered, now + kRestoredWaitMs);
  for (const storage::RememberedNote& note : notes) storage::RestoreNote(database, note, now + kRestoredWaitMs);
  return restored;
}

}  // namespace glionode::server
