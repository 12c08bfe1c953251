-- Rate limits of accounts and plans: how many requests a second, and the buckets that they are counted in.
ALTER TABLE account ADD COLUMN rate_per_s integer CHECK (rate_per_s >= 0);
ALTER TABLE plan ADD COLUMN rate_per_s integer CHECK (rate_per_s >= 0);

CREATE UNLOGGED TABLE rate_bucket (
    kind         smallint NOT NULL,              -- 0 account, 1 plan
    subject_id   integer NOT NULL,
    rate_per_s   double precision NOT NULL,      -- by which it was filled last
    tokens       double precision NOT NULL,      -- what was left then; one is one request
    granted      integer NOT NULL,               -- what the last lease got
    refilled_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, subject_id)
) WITH (fillfactor = 50);
