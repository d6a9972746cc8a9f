#pragma once
#include "storage/database.h"
#include "storage/jobs.h"
#include "storage/records.h"

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
  std::set<std::pair<std::string, std::string>> delivered;  ///< peer, SOP Instance UID: it has it
};

/// Puts a result back into an index that was made anew: study (reported), job (done), result, objects, and outbox rows:
/// `sent` where it was delivered, else pending from `not_before` on with the same bytes. False, and nothing changed, if
/// the index has this study's revision or input key already. Results of a study go in the order of their revisions.
bool RestoreResult(Database& database, const RememberedResult& remembered, WallMs not_before);

}  // namespace glionode::storage
