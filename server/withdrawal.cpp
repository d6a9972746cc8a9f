#include "server/withdrawal.h"

#include "config/error.h"
#include "config/log.h"
#include "config/sha256.h"
#include "dicom/uid.h"
#include "server/result_folder.h"
#include "server/study_result.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace glionode::server {
namespace {

namespace fs = std::filesystem;

/// The peer has the object, or may have it although its answer was lost: also when the row was withdrawn after a try.
bool MayBeThere(const storage::OutboxRecord& row) {
  return row.state == storage::OutboxState::kSent || row.state == storage::OutboxState::kConfirmed ||
         row.attempts > 0;
}

/// Any object of the study under the patient's present identity: the newest image, else the report itself (images may
/// have been removed by housekeeping).
fs::path SourceFile(const WithdrawalParts& parts, const std::string& study_uid, const storage::ObjectRecord& report) {
  storage::InstanceRecord newest;
  for (const auto& image : parts.index.Candidates(study_uid))
    if (image.received_at >= newest.received_at) newest = image;
  std::error_code ignored;
  const fs::path file = parts.files.Root() / newest.file;
  return !newest.file.empty() && fs::exists(file, ignored) ? file : parts.files.Root() / report.file;
}

void WriteText(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  if (!out.flush()) throw Error(ErrorCode::kOutOfSpace, file.string() + ": cannot be written");
}

std::string ReadText(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw Error(ErrorCode::kInternal, file.string() + ": cannot be read");
  return text.str();
}

/// Objects of all results since the last withdrawal, by the peer that may hold them.
std::map<std::string, std::vector<dicom::RejectedObject>> ObjectsByPeer(const std::vector<storage::OutboxRecord>& rows,
                                                                        const std::set<std::int64_t>& results) {
  std::map<std::string, std::vector<dicom::RejectedObject>> by_peer;
  for (const storage::OutboxRecord& row : rows)
    if (row.object.kind != "ko" && results.count(row.object.result_id) && MayBeThere(row))
      by_peer[row.peer_ae].push_back({row.object.series_uid, row.object.sop_class_uid, row.object.sop_instance_uid});
  return by_peer;
}

storage::NewObject MakeNote(const WithdrawalParts& parts, const WithdrawalOrder& order,
                            const storage::ResultRecord& result, const std::string& peer,
                            std::vector<dicom::RejectedObject> objects, const fs::path& source) {
  dicom::RejectionNote note;
  note.reason = order.reason;
  note.text = order.text;
  note.study_uid = order.study_uid;
  note.objects = std::move(objects);
  Sha256 listed;
  for (const auto& object : note.objects) listed.Update(object.sop_instance_uid + "\n");
  note.name = result.input_key + "|withdrawal|" + peer + "|" + listed.HexDigest();
  note.software = parts.software;
  note.device_uid = dicom::DeviceUid(parts.files.NodeId());
  note.content_date = LocalTimeText(parts.now, "%Y%m%d");
  note.content_time = LocalTimeText(parts.now, "%H%M%S");
  note.timezone = LocalTimeText(parts.now, "%z");
  const fs::path staging = parts.files.NewResultStaging();
  const dicom::EncodedObject made = dicom::WriteRejectionNote(note, source, staging / "ko.dcm");
  // For an index that is rebuilt from files: which revisions are taken back.
  WriteText(staging / "withdrawal.json", nlohmann::json({{"format", 1},
                                                         {"study_uid", order.study_uid},
                                                         {"revision", result.revision},
                                                         {"reason", dicom::ToText(order.reason)},
                                                         {"text", order.text},
                                                         {"peer", peer},
                                                         {"at", parts.now},
                                                         {"sop_instance_uid", made.sop_instance_uid},
                                                         {"series_uid", made.series_uid}})
                                                 .dump(2) +
                                             "\n");
  const std::string folder = parts.files.CommitResults(staging, order.study_uid, Sha256Hex(note.name));
  storage::NewObject object;
  object.object.sop_class_uid = made.sop_class_uid;
  object.object.sop_instance_uid = made.sop_instance_uid;
  object.object.series_uid = made.series_uid;
  object.object.file = folder + "/ko.dcm";
  object.object.sha256 = Sha256Hex(ReadText(parts.files.Root() / object.object.file));
  object.object.kind = "ko";
  object.object.result_id = result.id;
  object.peers = {peer};
  return object;
}

}  // namespace

WithdrawalDone Withdraw(const WithdrawalParts& parts, const WithdrawalOrder& order) {
  const auto results = parts.jobs.Results(order.study_uid);
  if (results.empty())
    throw Error(ErrorCode::kNotFound, "study " + order.study_uid + " has no report that could be withdrawn");
  const storage::ResultRecord& newest = results.front();
  int withdrawn_up_to = 0;
  for (const auto& earlier : parts.outbox.Withdrawals(order.study_uid))
    withdrawn_up_to = std::max(withdrawn_up_to, earlier.revision);
  if (newest.revision <= withdrawn_up_to)
    throw Error(ErrorCode::kNotAllowed, "the report of study " + order.study_uid + " is withdrawn already");
  std::set<std::int64_t> since;
  for (const auto& result : results)
    if (result.revision > withdrawn_up_to) since.insert(result.id);

  const auto report = parts.jobs.Objects(newest.id);
  if (report.empty()) throw Error(ErrorCode::kInternal, "the newest report of " + order.study_uid + " has no objects");
  WithdrawalDone done;
  std::vector<storage::NewObject> notes;
  for (auto& [peer, objects] : ObjectsByPeer(parts.outbox.OfStudy(order.study_uid), since)) {
    notes.push_back(
        MakeNote(parts, order, newest, peer, std::move(objects), SourceFile(parts, order.study_uid, report.front())));
    done.peers.push_back(peer);
  }
  storage::WithdrawalRecord record;
  record.study_uid = order.study_uid;
  record.revision = newest.revision;
  record.reason = std::string(dicom::ToText(order.reason));
  record.text = order.text;
  record.at = parts.now;
  // First where an index that is made anew looks: a report that never left must not leave from there.
  NoteTakenBack((parts.files.Root() / report.front().file).parent_path(), record);
  done.unsent = parts.outbox.Withdraw(record, notes);
  LogInfo("withdrawal", "the report of study " + order.study_uid + " is withdrawn (" + record.reason +
                            "): " + std::to_string(done.unsent) + " objects will not be sent, " +
                            std::to_string(done.peers.size()) + " peers get a rejection note");
  return done;
}

}  // namespace glionode::server
