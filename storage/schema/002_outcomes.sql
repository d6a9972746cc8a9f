-- What became known later about a reported study: pathology or follow-up. Every statement stays; the newest of a study
-- counts, so that a correction does not hide what was believed before.
CREATE TABLE outcomes (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  study_uid   TEXT   NOT NULL REFERENCES studies (study_uid) ON DELETE CASCADE,
  label       TEXT   NOT NULL CHECK (label IN ('recurrence', 'necrosis', 'mixed', 'neither', 'unknown')),
  standard    TEXT   NOT NULL CHECK (standard IN ('pathology', 'follow-up')),
  date        TEXT   NOT NULL,                       -- of the specimen or the follow-up, YYYY-MM-DD
  recorded_by TEXT   NOT NULL,
  recorded_at BIGINT NOT NULL
);
CREATE INDEX outcomes_study ON outcomes (study_uid, id);
