-- Taking back: Key Object rejection notes are objects of a result like report and captures. And: which class of report a
-- peer took last.

PRAGMA defer_foreign_keys = ON;                      -- the outbox refers to the table that is rebuilt
CREATE TABLE objects_before AS SELECT * FROM objects;
DROP TABLE objects;
CREATE TABLE objects (
  id               INTEGER PRIMARY KEY AUTOINCREMENT,
  result_id        BIGINT NOT NULL REFERENCES results (id),
  sop_class_uid    TEXT   NOT NULL,
  sop_instance_uid TEXT   NOT NULL UNIQUE,
  series_uid       TEXT   NOT NULL,
  file             TEXT   NOT NULL,
  sha256           TEXT   NOT NULL,
  kind             TEXT   NOT NULL CHECK (kind IN ('sr', 'sc', 'ko'))
);
INSERT INTO objects (id, result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind)
  SELECT id, result_id, sop_class_uid, sop_instance_uid, series_uid, file, sha256, kind FROM objects_before ORDER BY id;
DROP TABLE objects_before;
CREATE INDEX objects_result ON objects (result_id);

CREATE TABLE withdrawals (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  study_uid TEXT   NOT NULL REFERENCES studies (study_uid) ON DELETE CASCADE,
  revision  BIGINT NOT NULL,                         -- this report and all before it
  reason    TEXT   NOT NULL,
  text      TEXT   NOT NULL,
  at        BIGINT NOT NULL
);
CREATE INDEX withdrawals_study ON withdrawals (study_uid);

CREATE TABLE accepted_sr_class (
  peer_ae       TEXT   NOT NULL PRIMARY KEY,
  sop_class_uid TEXT   NOT NULL,
  at            BIGINT NOT NULL
) WITHOUT ROWID;
