-- Rates of carriers and plans, shares of plans, and how each carrier is doing.
SET LOCAL lock_timeout = '5s';

ALTER TABLE plan ADD COLUMN weight smallint NOT NULL DEFAULT 1 CHECK (weight > 0);
ALTER TABLE plan ADD COLUMN messages_per_s integer CHECK (messages_per_s > 0);
ALTER TABLE carrier ADD COLUMN rate_per_s integer CHECK (rate_per_s > 0);

CREATE TABLE carrier_state (
    carrier_id     integer PRIMARY KEY,
    epoch          bigint NOT NULL,
    at             timestamptz NOT NULL,
    links_up       smallint NOT NULL,
    links          smallint NOT NULL,
    under_way      integer NOT NULL,
    rate_per_s     real,
    cut_rate       real,
    paused_until   timestamptz,
    paused_status  bigint,
    paused_field   text,
    retries        integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
