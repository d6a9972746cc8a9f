-- The index of a data folder, schema 1. Files under schema/ are numbered and never changed once released: a change of
-- the schema is a new file, and every index goes through all that it has not seen. PRAGMA user_version holds the number.
-- All times are milliseconds since 1970 (UTC). BIGINT, not INTEGER: SOCI would read INTEGER as 32 bits.
-- The words in the CHECKs are those of storage/records.cpp.

CREATE TABLE instances (
  id                  INTEGER PRIMARY KEY,
  sop_instance_uid    TEXT    NOT NULL,
  version             BIGINT  NOT NULL,              -- 1, 2, ...: other bytes under the same UID
  current             BIGINT  NOT NULL CHECK (current IN (0, 1)),
  kind                TEXT    NOT NULL CHECK (kind IN ('candidate', 'other', 'own')),
  study_uid           TEXT    NOT NULL,
  series_uid          TEXT    NOT NULL,
  sop_class_uid       TEXT    NOT NULL,
  transfer_syntax_uid TEXT    NOT NULL,
  file                TEXT    NOT NULL,              -- relative to the data folder
  sha256              TEXT    NOT NULL,              -- of the data set's bytes
  bytes               BIGINT  NOT NULL,
  from_ae             TEXT    NOT NULL,
  received_at         BIGINT  NOT NULL,
  identity            TEXT    NOT NULL,
  header_json         TEXT    NOT NULL               -- last: long, and most readers of a row do not want it
);
CREATE UNIQUE INDEX instances_version ON instances (sop_instance_uid, version);
-- Few entries a study, in the order that Candidates() and Instances() read; other versions take no room in it.
CREATE INDEX instances_study ON instances (study_uid, kind) WHERE current = 1;

CREATE TABLE studies (
  study_uid      TEXT   NOT NULL PRIMARY KEY,
  state          TEXT   NOT NULL
                 CHECK (state IN ('receiving', 'ready', 'running', 'reported', 'failed', 'parked', 'ignored')),
  from_ae        TEXT   NOT NULL,
  first_arrival  BIGINT NOT NULL,
  last_arrival   BIGINT NOT NULL,
  accepted       BIGINT NOT NULL CHECK (accepted IN (0, 1)),
  why            TEXT   NOT NULL,
  revision       BIGINT NOT NULL,
  changes        BIGINT NOT NULL,
  judged_changes BIGINT NOT NULL
);
CREATE INDEX studies_state ON studies (state, last_arrival);
CREATE INDEX studies_arrival ON studies (last_arrival);

CREATE TABLE series_role (
  study_uid   TEXT   NOT NULL REFERENCES studies (study_uid) ON DELETE CASCADE,
  series_uid  TEXT   NOT NULL,
  role        TEXT   NOT NULL,
  score       DOUBLE NOT NULL,
  chosen      BIGINT NOT NULL CHECK (chosen IN (0, 1)),
  rule        TEXT   NOT NULL,
  why         TEXT   NOT NULL,
  description TEXT   NOT NULL,
  PRIMARY KEY (study_uid, series_uid)
);

-- AUTOINCREMENT: the number of a job that was dropped never comes back for another one.
CREATE TABLE jobs (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  study_uid   TEXT   NOT NULL REFERENCES studies (study_uid),
  input_key   TEXT   NOT NULL,
  revision    BIGINT NOT NULL,
  state       TEXT   NOT NULL CHECK (state IN ('ready', 'running', 'done', 'failed')),
  attempt     BIGINT NOT NULL,
  owner       TEXT   NOT NULL,
  lease_until BIGINT NOT NULL,
  last_error  TEXT   NOT NULL,
  created_at  BIGINT NOT NULL,
  inputs_json TEXT   NOT NULL
);
-- The same input never makes a second job.
CREATE UNIQUE INDEX jobs_key ON jobs (study_uid, input_key);
-- One job at a time for a study.
CREATE UNIQUE INDEX jobs_active ON jobs (study_uid) WHERE state IN ('ready', 'running');
CREATE INDEX jobs_waiting ON jobs (created_at, id) WHERE state IN ('ready', 'running');

CREATE TABLE results (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id      BIGINT NOT NULL UNIQUE REFERENCES jobs (id),
  study_uid   TEXT   NOT NULL REFERENCES studies (study_uid),
  input_key   TEXT   NOT NULL,
  revision    BIGINT NOT NULL,
  decision    TEXT   NOT NULL,
  created_at  BIGINT NOT NULL,
  result_json TEXT   NOT NULL
);
-- A study is reported once per revision.
CREATE UNIQUE INDEX results_revision ON results (study_uid, revision);
CREATE INDEX results_key ON results (input_key);

CREATE TABLE objects (
  id               INTEGER PRIMARY KEY AUTOINCREMENT,
  result_id        BIGINT NOT NULL REFERENCES results (id),
  sop_class_uid    TEXT   NOT NULL,
  sop_instance_uid TEXT   NOT NULL UNIQUE,
  series_uid       TEXT   NOT NULL,
  file             TEXT   NOT NULL,
  sha256           TEXT   NOT NULL,
  kind             TEXT   NOT NULL CHECK (kind IN ('sr', 'sc'))
);
CREATE INDEX objects_result ON objects (result_id);

CREATE TABLE outbox (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  object_id   BIGINT NOT NULL REFERENCES objects (id),
  study_uid   TEXT   NOT NULL,
  peer_ae     TEXT   NOT NULL,
  state       TEXT   NOT NULL CHECK (state IN ('pending', 'sent', 'confirmed', 'dead', 'withdrawn', 'parked')),
  attempts    BIGINT NOT NULL,
  next_try    BIGINT NOT NULL,
  created_at  BIGINT NOT NULL,
  changed_at  BIGINT NOT NULL,
  last_status TEXT   NOT NULL,
  UNIQUE (object_id, peer_ae)                        -- nothing goes to a peer twice
);
CREATE INDEX outbox_due ON outbox (peer_ae, next_try) WHERE state = 'pending';
CREATE INDEX outbox_state ON outbox (state, next_try);
CREATE INDEX outbox_study ON outbox (study_uid);
