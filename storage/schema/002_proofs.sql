-- Proof of storage at the PACS (confirm = "commitment" or "find").
-- One row for each outbox row that was sent and is not proven yet.
CREATE TABLE proofs (
  outbox_id  BIGINT NOT NULL PRIMARY KEY REFERENCES outbox (id) ON DELETE CASCADE,
  peer_ae    TEXT   NOT NULL,
  ask_at     BIGINT NOT NULL,                        -- when the PACS is asked (again)
  confirm_by BIGINT NOT NULL,                        -- without proof until then, the object is sent again
  asked      BIGINT NOT NULL                         -- how often since it was sent
);
CREATE INDEX proofs_due ON proofs (peer_ae, ask_at);

-- Storage commitment transactions that were asked for. A report may come hours and restarts later, also for a
-- transaction that is not the newest one of an object.
CREATE TABLE commitments (
  transaction_uid TEXT   NOT NULL,
  outbox_id       BIGINT NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
  asked_at        BIGINT NOT NULL,
  PRIMARY KEY (transaction_uid, outbox_id)
);
CREATE INDEX commitments_outbox ON commitments (outbox_id);
