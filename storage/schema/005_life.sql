-- Who sent a study, what an administrator said of a peer, and what was removed.

-- Every peer that sent a candidate image of a study, also one whose images were known already: each may have its results.
CREATE TABLE study_peers (
  study_uid       TEXT   NOT NULL,
  peer_ae         TEXT   NOT NULL,
  first_at        BIGINT NOT NULL,
  served_revision BIGINT NOT NULL,                   -- results up to this one were (or were not) addressed to it
  PRIMARY KEY (study_uid, peer_ae)
) WITHOUT ROWID;
INSERT INTO study_peers (study_uid, peer_ae, first_at, served_revision)
  SELECT study_uid, from_ae, first_arrival, revision FROM studies;

CREATE TABLE paused_peers (
  peer_ae   TEXT   NOT NULL PRIMARY KEY,
  paused_at BIGINT NOT NULL,
  why       TEXT   NOT NULL
);

-- 0: the file is there. Else when housekeeping removed it: UIDs, hash and header stay.
ALTER TABLE instances ADD COLUMN removed_at BIGINT NOT NULL DEFAULT 0;

-- When it was taken last: how many a peer has had within an hour.
ALTER TABLE jobs ADD COLUMN started_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_started ON jobs (started_at);

-- Kept for ever: what is not there any more, since when and why.
CREATE TABLE removals (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  at        BIGINT NOT NULL,
  study_uid TEXT   NOT NULL,
  what      TEXT   NOT NULL CHECK (what IN ('images', 'records', 'study')),
  why       TEXT   NOT NULL,
  files     BIGINT NOT NULL,
  bytes     BIGINT NOT NULL,
  revision  BIGINT NOT NULL,                         -- of the study at that time: a later one of the same UID goes on from it
  done      BIGINT NOT NULL                          -- 1: the files are gone too
);
CREATE INDEX removals_study ON removals (study_uid);
