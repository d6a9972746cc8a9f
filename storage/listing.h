#pragma once
#include "storage/database.h"
#include "storage/records.h"

#include <string>
#include <vector>

namespace glionode::storage {

/// Conditions of a list; an empty text is none.
struct StudyFilter {
  std::string state, decision, from_ae, uid_part;
};
struct OutboxFilter {
  std::string state, peer_ae, study_uid;
};

/// What the index knows of the dealings with one AE title.
struct PeerContact {
  std::string ae_title;
  WallMs last_received = 0;  ///< newest image of a study that it sent last; 0: never
  WallMs last_sent = 0;      ///< newest object that it took; 0: never
  std::int64_t pending = 0, dead = 0, parked = 0;
  WallMs oldest_waiting = 0;  ///< when the oldest unsent object was made; 0: none waits
};

/// The questions that people ask the index: lists with conditions. Reads only. Threads: any. Errors: as Database.
class Listing {
 public:
  explicit Listing(const Database& database) : database_(database) {}
  /// Newest arrival first.
  std::vector<StudyRecord> Studies(const StudyFilter& filter, int limit, int offset) const;
  std::int64_t CountStudies(const StudyFilter& filter) const;
  /// Newest row first.
  std::vector<OutboxRecord> Outbox(const OutboxFilter& filter, int limit, int offset) const;
  std::int64_t CountOutbox(const OutboxFilter& filter) const;
  /// By AE title; only those that the index has ever met.
  std::vector<PeerContact> Contacts() const;
  /// When the oldest job that waits was made; 0: none waits.
  WallMs OldestReadyJob() const;
  /// The newest result of each of these studies that has one: one question for a whole page.
  std::vector<ResultRecord> NewestResults(const std::vector<StudyRecord>& studies) const;

 private:
  const Database& database_;
};

}  // namespace glionode::storage
