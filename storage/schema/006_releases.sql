-- A person has looked at a parked study and answers for it: its images, as they were then, are one patient's.

CREATE TABLE releases (
  study_uid   TEXT   NOT NULL REFERENCES studies (study_uid) ON DELETE CASCADE,
  changes     BIGINT NOT NULL,                       -- of the study: a further image is judged anew
  released_at BIGINT NOT NULL,
  released_by TEXT   NOT NULL,                       -- the caller's name: of a token, or "local"
  reason      TEXT   NOT NULL,
  PRIMARY KEY (study_uid, changes)
);
