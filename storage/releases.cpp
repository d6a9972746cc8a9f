#include "storage/releases.h"

#include "storage/rows.h"

namespace glionode::storage {

bool Releases::Release(const StudyRecord& study, const std::string& by, const std::string& reason, WallMs now) {
  bool released = false;
  database_.Write([&](soci::session& session) {
    released = Execute(session,
                       "UPDATE studies SET state = 'receiving', accepted = 1, why = :why WHERE study_uid = :study AND "
                       "state = 'parked' AND changes = :changes",
                       {"released by " + by, study.study_uid, Text(study.changes)}) > 0;
    if (!released) return;
    Execute(session,
            "INSERT INTO releases (study_uid, changes, released_at, released_by, reason) VALUES (:study, :changes, "
            ":now, :by, :reason) ON CONFLICT (study_uid, changes) DO UPDATE SET released_at = excluded.released_at, "
            "released_by = excluded.released_by, reason = excluded.reason",
            {study.study_uid, Text(study.changes), Text(now), by, reason});
  });
  return released;
}

bool Releases::IsReleased(const std::string& study_uid, std::int64_t changes) const {
  bool is_released = false;
  database_.Read([&](soci::session& session) {
    is_released =
        !SelectAll<CountRow>(session, "SELECT changes FROM releases WHERE study_uid = :study AND changes = :changes",
                             {study_uid, Text(changes)})
             .empty();
  });
  return is_released;
}

}  // namespace glionode::storage
