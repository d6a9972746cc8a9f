#pragma once
#include "config/clock.h"
#include "dicom/key_object.h"
#include "storage/file_store.h"
#include "storage/jobs.h"
#include "storage/outbox.h"
#include "storage/study_index.h"

#include <string>
#include <vector>

namespace glionode::server {

struct WithdrawalOrder {
  std::string study_uid;
  dicom::RejectionReason reason = dicom::RejectionReason::kQuality;
  std::string text;  ///< why; goes into the note, so it must name no patient
};

struct WithdrawalDone {
  int unsent = 0;                  ///< outbox rows that will never be sent
  std::vector<std::string> peers;  ///< that get a rejection note
};

struct WithdrawalParts {
  storage::FileStore& files;
  storage::StudyIndex& index;
  storage::Jobs& jobs;
  storage::Outbox& outbox;
  WallMs now;
  std::string software;
};

/// Takes a study's report back: what has not left never will, and every peer that may hold objects of it gets a Key
/// Object rejection note through the outbox, with the promises of a report (encoded once, stored before it is sent).
/// The caller sees to it that nothing of the study is being sent meanwhile. Throws Error{kNotFound} when there is no
/// report, {kNotAllowed} when it is withdrawn already.
WithdrawalDone Withdraw(const WithdrawalParts& parts, const WithdrawalOrder& order);

}  // namespace glionode::server
