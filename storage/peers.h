#pragma once
#include "storage/database.h"
#include "storage/records.h"

#include <map>
#include <string>
#include <vector>

namespace glionode::storage {

/// A peer that sent a study after its result was made.
struct LateSender {
  std::string study_uid, peer_ae;
  int revision = 0;  ///< the study's newest
};

struct PausedPeer {
  WallMs paused_at = 0;
  std::string why;
};

/// Which peers sent which study, and which of them an administrator has paused. Threads: any. Errors: as Database.
class Peers {
 public:
  explicit Peers(Database& database);  ///< must outlive this object

  /// `peer_ae` sent a candidate image of the study, known before or not. True if that is news.
  bool NoteSender(const std::string& study_uid, const std::string& peer_ae, WallMs now);
  /// All that sent a study, the first one first.
  std::vector<std::string> Senders(const std::string& study_uid) const;
  /// Senders of reported studies whose newest result was never addressed to them. Reads all senders: ask when
  /// NoteSender had news, when a study became or went back to reported, and at start.
  std::vector<LateSender> LateSenders() const;
  void MarkServed(const std::string& study_uid, const std::string& peer_ae, int revision);

  /// Nothing is sent to a paused peer, until Resume. Kept over restarts. Pausing a paused one changes the reason.
  void Pause(const std::string& peer_ae, const std::string& why, WallMs now);
  /// False if it was not paused.
  bool Resume(const std::string& peer_ae);
  std::map<std::string, PausedPeer> Paused() const;

 private:
  Database& database_;
};

}  // namespace glionode::storage
