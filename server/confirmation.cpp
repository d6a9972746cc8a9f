#include "server/confirmation.h"

#include "config/log.h"
#include "dicom/uid.h"
#include "storage/outbox.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

namespace glionode::server {
namespace {

constexpr std::string_view kArea = "confirm";
constexpr int kRowsAtOnce = 64;
constexpr int kLongestDoublings = 5;
// "It does not have it" (PS3.3 C.14.1.1): sending it again can help. Nothing else that an archive may say is helped by
// it.
constexpr std::uint16_t kNoSuchInstance = 0x0112;

double Random01() {
  thread_local std::mt19937_64 generator(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

WallMs Later(WallMs now, int asked) { return now + storage::RetryDelayMs(asked, Random01()); }

std::vector<std::int64_t> Ids(const std::vector<storage::ProofRecord>& records) {
  std::vector<std::int64_t> ids;
  for (const auto& record : records) ids.push_back(record.row.id);
  return ids;
}

int MostAsked(const std::vector<storage::ProofRecord>& records) {
  int most = 0;
  for (const auto& record : records) most = std::max(most, record.asked);
  return most;
}

}  // namespace

WallMs Confirmation::ConfirmBy(const PeerSettings& peer, int attempts, WallMs now) {
  return now + (WallMs{peer.confirm_seconds} * 1000 << std::clamp(attempts - 1, 0, kLongestDoublings));
}

int Confirmation::Step(const PeerSettings& peer) {
  if (peer.confirm == "none") return 0;
  const WallMs now = parts_.clock.Wall();
  const int late = GiveUpWaiting(peer, now);
  const auto due = parts_.proofs.Due(peer.ae_title, now, kRowsAtOnce);
  if (due.empty()) return late;
  if (peer.confirm == "commitment")
    AskForCommitment(peer, due, now);
  else
    Find(peer, due, now);
  return late + static_cast<int>(due.size());
}

int Confirmation::GiveUpWaiting(const PeerSettings& peer, WallMs now) {
  const auto overdue = parts_.proofs.Overdue(peer.ae_title, now, kRowsAtOnce);
  if (overdue.empty()) return 0;
  const int again = parts_.proofs.SendAgain(Ids(overdue), "no proof of storage in time; sent again", now, now);
  timed_out_ += static_cast<std::uint64_t>(again);
  LogWarning(kArea, peer.ae_title + " has not proven in time that it keeps " + std::to_string(again) +
                        " objects; they are sent again");
  return again;
}

void Confirmation::AskForCommitment(const PeerSettings& peer, const std::vector<storage::ProofRecord>& due,
                                    WallMs now) {
  const std::string transaction = dicom::NewTransactionUid();
  std::vector<dicom::KeptObject> objects;
  WallMs wait = due.front().confirm_by;
  for (const auto& record : due) {
    objects.push_back({record.row.object.sop_class_uid, record.row.object.sop_instance_uid});
    wait = std::max(wait, record.confirm_by);
  }
  // Once the archive has taken the request there is nothing to ask again: the report comes, or the time runs out.
  parts_.proofs.Asking(Ids(due), transaction, now, wait);
  const dicom::CommitmentAnswer answer = parts_.ask(peer, transaction, objects);
  if (!answer.taken) {
    parts_.proofs.AskAgain(Ids(due), answer.text, Later(now, MostAsked(due) + 1));
    LogWarning(kArea, answer.text + "; asked again later");
    return;
  }
  LogInfo(kArea, answer.text + ", transaction " + transaction + " about " + std::to_string(due.size()) + " objects");
  if (answer.report) Take(*answer.report, peer.ae_title);
}

bool Confirmation::Take(const dicom::CommitmentReport& report, const std::string& calling_ae) {
  const auto rows = parts_.proofs.OfTransaction(report.transaction_uid);
  if (rows.empty()) return false;
  const WallMs now = parts_.clock.Wall();
  std::vector<std::int64_t> kept, missing, refused;
  std::string why;
  for (const auto& row : rows) {
    const std::string& uid = row.object.sop_instance_uid;
    const auto failure = std::find_if(report.failed.begin(), report.failed.end(),
                                      [&](const auto& failed) { return failed.sop_instance_uid == uid; });
    if (failure != report.failed.end()) {
      why = dicom::DescribeCommitmentFailure(failure->reason);
      LogWarning(kArea, calling_ae + " does not answer for object " + uid + ": " + why);
      (failure->reason == kNoSuchInstance ? missing : refused).push_back(row.id);
    } else if (std::find(report.kept.begin(), report.kept.end(), uid) != report.kept.end()) {
      kept.push_back(row.id);
    }
  }
  confirmed_ +=
      static_cast<std::uint64_t>(parts_.proofs.Confirm(kept, calling_ae + " answers for it (storage commitment)", now));
  denied_ += missing.size() + refused.size();
  const std::string said = calling_ae + " does not answer for it: " + why;
  parts_.proofs.SendAgain(missing, said, now, Later(now, 1));
  if (!refused.empty()) parts_.proofs.AskAgain(refused, said, Later(now, kLongestDoublings));
  LogInfo(kArea, calling_ae + " reports on transaction " + report.transaction_uid + ": answers for " +
                     std::to_string(kept.size()) + " of " + std::to_string(rows.size()) + " objects");
  return true;
}

void Confirmation::Find(const PeerSettings& peer, const std::vector<storage::ProofRecord>& due, WallMs now) {
  std::map<std::pair<std::string, std::string>, std::vector<storage::ProofRecord>> by_series;
  for (const auto& record : due) by_series[{record.row.study_uid, record.row.object.series_uid}].push_back(record);
  for (const auto& [series, records] : by_series) {
    parts_.proofs.Asking(Ids(records), "", now, Later(now, MostAsked(records) + 1));
    const dicom::FindAnswer answer = parts_.find(peer, series.first, series.second);
    std::vector<std::int64_t> kept, missing;
    for (const auto& record : records) {
      const bool is_there = answer.answered && std::find(answer.found.begin(), answer.found.end(),
                                                         record.row.object.sop_instance_uid) != answer.found.end();
      (is_there ? kept : missing).push_back(record.row.id);
    }
    confirmed_ += static_cast<std::uint64_t>(parts_.proofs.Confirm(kept, peer.ae_title + " lists it (C-FIND)", now));
    if (!kept.empty())
      LogInfo(kArea, peer.ae_title + " lists " + std::to_string(kept.size()) + " of " + std::to_string(records.size()) +
                         " objects of series " + series.second);
    if (missing.empty()) continue;
    // An archive may list an object some time after it took it: asked again, and sent again when the time is over.
    const std::string said = answer.answered ? peer.ae_title + " does not list it (yet)" : answer.text;
    parts_.proofs.AskAgain(missing, said, Later(now, MostAsked(records) + 1));
    LogWarning(kArea, said + "; asked again later (" + std::to_string(missing.size()) + " objects)");
  }
}

}  // namespace glionode::server
