#include "server/housekeeping.h"

#include "config/error.h"
#include "config/log.h"

#include <limits>

namespace glionode::server {
namespace {

constexpr WallMs kDayMs = WallMs{86400} * 1000;
constexpr int kStudiesARound = 100;

}  // namespace

Housekeeping::Housekeeping(Parts parts, HousekeepingSettings settings, std::vector<PeerSettings> peers)
    : parts_(std::move(parts)) {
  SetSettings(settings, std::move(peers));
}

void Housekeeping::SetSettings(HousekeepingSettings settings, std::vector<PeerSettings> peers) {
  const std::lock_guard lock(mutex_);
  settings_ = settings;
  confirming_.clear();
  for (const PeerSettings& peer : peers)
    if (peer.confirm != "none") confirming_.push_back(peer.ae_title);
}

int Housekeeping::FinishUnfinished() {
  const auto unfinished = parts_.removals.Unfinished();
  for (const storage::Removal& removal : unfinished) RemoveFiles(removal);
  return static_cast<int>(unfinished.size());
}

int Housekeeping::RunOnce() {
  HousekeepingSettings settings;
  std::vector<std::string> confirming;
  {
    const std::lock_guard lock(mutex_);
    settings = settings_;
    confirming = confirming_;
  }
  const WallMs now = parts_.clock.Wall();
  int removed = 0;
  if (settings.keep_images_days > 0)
    for (const auto& study :
         parts_.removals.Removable(now - kDayMs * settings.keep_images_days, confirming, kStudiesARound))
      removed += RemoveImages(study, "older than " + std::to_string(settings.keep_images_days) + " days");
  if (settings.free_gib > 0 && parts_.free_bytes() < settings.FreeBytes()) {
    // A study that came within the last hour stays: it may be looked at, or be sent again.
    for (const auto& study : parts_.removals.Removable(now - 3600000, confirming, kStudiesARound)) {
      if (parts_.free_bytes() >= settings.FreeBytes()) break;
      removed += RemoveImages(study, "little free disk");
    }
  }
  if (settings.keep_records_years > 0) {
    const WallMs before = now - kDayMs * 3653 * settings.keep_records_years / 10;
    for (const std::string& study : parts_.removals.OldRecords(before, kStudiesARound)) {
      RemoveFiles(parts_.removals.RemoveStudy(study, "records", "older than housekeeping.keep_records_years", now));
      ++removed;
    }
  }
  return removed;
}

int Housekeeping::RemoveImages(const storage::RemovableStudy& study, const std::string& why) {
  if (parts_.may_still_arrive(study.study_uid)) return 0;
  const storage::Removal removal = parts_.removals.RemoveImages(study, why, parts_.clock.Wall());
  if (removal.paths.empty()) return 0;
  RemoveFiles(removal);
  LogInfo("housekeeping",
          "study " + study.study_uid + ": " + std::to_string(removal.files) + " images removed, " + why);
  return 1;
}

std::int64_t Housekeeping::DeleteStudy(const std::string& study_uid, const std::string& why, const std::string& who) {
  if (parts_.may_still_arrive(study_uid))
    throw Error(ErrorCode::kBusy, "images of study " + study_uid + " are arriving: try again later");
  const storage::Removal removal = parts_.removals.RemoveStudy(study_uid, "study", why, parts_.clock.Wall());
  AuditEvent event;
  event.kind = AuditKind::kStudyDeleted;
  event.user = who;
  event.text = why.empty() ? "deleted by an administrator" : why;
  event.study_uid = study_uid;
  parts_.audit.Write(event);
  RemoveFiles(removal);
  LogInfo("housekeeping",
          "study " + study_uid + " was deleted by " + who + ": " + std::to_string(removal.files) + " images");
  return removal.files;
}

void Housekeeping::RemoveFiles(const storage::Removal& removal) {
  for (const std::string& file : removal.paths) parts_.files.RemoveInstance(file);
  // Without a list (after a crash the rows are gone) the whole folder goes, but not what came after the removal.
  if (removal.what == "images")
    parts_.files.RemoveStudyImages(removal.study_uid, 0);
  else
    parts_.files.RemoveStudyImages(removal.study_uid, removal.at), parts_.files.RemoveStudyResults(removal.study_uid);
  parts_.removals.Finished(removal.id);
}

}  // namespace glionode::server
