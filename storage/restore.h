#pragma once
#include "storage/database.h"
#include "storage/jobs.h"
#include "storage/records.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace glionode::storage {

/// One result as its folder under results/ remembers it.
struct RememberedResult {
  JobRecord job;        ///< study_uid, input_key, revision, inputs_json, created_at
  ResultRecord result;  ///< decision, result_json, created_at
  std::vector<NewObject> objects;
  std::set<std::pair<std::string, std::string>> delivered;          ///< peer, SOP Instance UID: it has it
  std::map<std::pair<std::string, std::string>, OutboxState> held;  ///< the same: what must not leave by itself
  std::optional<WithdrawalRecord> withdrawal;  ///< this revision and those before it were taken back by hand
};

/// A rejection note of ours as its folder remembers it.
struct RememberedNote {
  std::string study_uid, peer;
  int revision = 0;  ///< of the newest report that it takes back
  ObjectRecord object;
  OutboxState state = OutboxState::kPending;
  WallMs at = 0;
};

/// Puts a result back into an index that was made anew: study (reported), job (done), result, objects, and outbox rows:
/// `sent` where it was delivered, held back where it was, else pending from `not_before` on with the same bytes. With a
/// withdrawal, nothing of the study leaves that has not left. False, and nothing changed, if
/// the index has this study's revision or input key already. Results of a study go in the order of their revisions.
bool RestoreResult(Database& database, const RememberedResult& remembered, WallMs not_before);

/// Puts a rejection note back, after the results of its study; pending from `not_before` on. False, and nothing
/// changed, if it is there already or its report is not.
bool RestoreNote(Database& database, const RememberedNote& note, WallMs not_before);

}  // namespace glionode::storage
