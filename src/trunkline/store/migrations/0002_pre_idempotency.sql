-- Idempotency-Key of send requests.

CREATE TABLE IF NOT EXISTS idempotency (
    plan_id       integer NOT NULL,
    key           text COLLATE "C" NOT NULL,
    request_hash  bytea NOT NULL,
    msg_id        uuid NOT NULL,
    parts         smallint NOT NULL,
    at            timestamptz NOT NULL,
    PRIMARY KEY (plan_id, key)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX IF NOT EXISTS idempotency_at ON idempotency (at);
