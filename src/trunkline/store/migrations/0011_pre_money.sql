-- Prices by place and sender, the terms of plans, what was charged and the days of it.

CREATE TABLE price_version (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version   bigint NOT NULL DEFAULT 1
);
INSERT INTO price_version DEFAULT VALUES;

CREATE TABLE price_list (
    price_list_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL UNIQUE,
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- Of a part. A place is a network, a country (ISO 3166-1) or, both empty, everywhere.
CREATE TABLE price (
    price_list_id  integer NOT NULL REFERENCES price_list,
    country        text COLLATE "C" NOT NULL DEFAULT '' CHECK (country ~ '^([A-Z]{2})?$'),
    mccmnc         text COLLATE "C" NOT NULL DEFAULT '' CHECK (mccmnc ~ '^([0-9]{5,6})?$'),
    sender_kind    smallint NOT NULL DEFAULT 0 CHECK (sender_kind BETWEEN 0 AND 3),  -- of domain/price.py; 0: any
    price_micro    bigint NOT NULL CHECK (price_micro >= 0),
    ptf_micro      bigint NOT NULL DEFAULT 0 CHECK (ptf_micro >= 0),
    valid_from     timestamptz NOT NULL DEFAULT '-infinity',
    valid_until    timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (price_list_id, mccmnc, country, sender_kind, valid_from),
    CHECK (country = '' OR mccmnc = ''),
    CHECK (valid_from < valid_until)
);
CREATE INDEX price_valid_from ON price (valid_from) WHERE valid_from > '-infinity';
CREATE INDEX price_valid_until ON price (valid_until) WHERE valid_until < 'infinity';

-- The lines of a file while it is being imported; empty otherwise.
CREATE UNLOGGED TABLE price_incoming (
    line         integer NOT NULL,
    country      text COLLATE "C" NOT NULL,
    mccmnc       text COLLATE "C" NOT NULL,
    sender_kind  smallint NOT NULL,
    price_micro  bigint NOT NULL,
    ptf_micro    bigint NOT NULL,
    valid_from   timestamptz,
    valid_until  timestamptz
);

CREATE FUNCTION prices_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE price_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON price_list FOR EACH STATEMENT EXECUTE FUNCTION prices_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON price      FOR EACH STATEMENT EXECUTE FUNCTION prices_changed();

-- On what terms a plan sends; a plan without a row pays nothing.
CREATE TABLE term (
    term_id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id        integer NOT NULL UNIQUE REFERENCES plan,
    price_list_id  integer REFERENCES price_list,           -- null: its messages have no price
    prepaid        smallint CHECK (prepaid IN (0, 1)),      -- from the account's balance (0), from the plan's own (1)
    cap_micro      bigint CHECK (cap_micro >= 0),           -- what it may spend in a period
    cap_per        text NOT NULL DEFAULT 'day' CHECK (cap_per IN ('day', 'month'))
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON term FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();

-- What was charged: a part that a carrier accepted, once, on the day that this was known. Only ever inserted. By the
-- message's id, so that the key says so: carriers may accept a part twice, and an answer may be stored twice.
CREATE TABLE charge (
    plan_id      integer NOT NULL,
    msg_id       uuid NOT NULL,
    part_no      smallint NOT NULL,
    price_micro  bigint NOT NULL,
    ptf_micro    bigint NOT NULL,
    currency     text NOT NULL,
    country      text,
    at           timestamptz NOT NULL,
    PRIMARY KEY (plan_id, msg_id, part_no)
) PARTITION BY RANGE (msg_id);
CREATE INDEX charge_at ON charge USING brin (at);

-- Money that is paid beforehand, by purse: an account's (kind 0) or a plan's (1). What messages hold is taken off already.
CREATE TABLE balance (
    kind         smallint NOT NULL,
    subject_id   integer NOT NULL,
    currency     text NOT NULL,
    left_micro   bigint NOT NULL DEFAULT 0 CHECK (left_micro >= 0),
    empty_since  timestamptz,                               -- set by the first message that it did not cover
    PRIMARY KEY (kind, subject_id)
) WITH (fillfactor = 50);

CREATE TABLE balance_entry (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        smallint NOT NULL,
    subject_id  integer NOT NULL,
    micro       bigint NOT NULL,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    note        text NOT NULL
);
CREATE INDEX balance_entry_purse ON balance_entry (kind, subject_id);

-- What a plan with a cap has spent in a day (2026-12-01) or a month (2026-12), UTC, with what its messages hold.
CREATE TABLE spend (
    plan_id      integer NOT NULL,
    period       text COLLATE "C" NOT NULL,
    spent_micro  bigint NOT NULL CHECK (spent_micro >= 0),
    reached_at   timestamptz,
    PRIMARY KEY (plan_id, period)
) WITH (fillfactor = 50);

-- What an accepted message holds, until its parts are charged or cannot be any more.
CREATE TABLE reserve (
    plan_id     integer NOT NULL,
    msg_id      uuid NOT NULL,
    kind        smallint,                                   -- the purse; null: none
    subject_id  integer,
    period      text COLLATE "C",                           -- of spend; null: its plan has no cap
    held_micro  bigint NOT NULL,
    due_at      timestamptz,                                -- set once the message is final
    PRIMARY KEY (plan_id, msg_id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX reserve_due ON reserve (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX reserve_purse ON reserve (kind, subject_id) WHERE kind IS NOT NULL;

-- What a plan's guard watches, and ranges that nobody writes to.
CREATE TABLE guard (
    guard_id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id             integer NOT NULL UNIQUE REFERENCES plan,
    active              boolean NOT NULL DEFAULT true,
    recipient_most      integer CHECK (recipient_most > 0), -- messages to one number; null: not watched
    recipient_window_s  integer NOT NULL DEFAULT 600,
    range_most          integer CHECK (range_most > 0),     -- different numbers of a range of 10,000
    range_window_s      integer NOT NULL DEFAULT 600,
    sequence_most       integer CHECK (sequence_most > 0),  -- different numbers of a block of 100
    sequence_window_s   integer NOT NULL DEFAULT 600,
    velocity            jsonb NOT NULL DEFAULT '[]',        -- [prefix, most, window_s] of prefixes
    blocked             text[] NOT NULL DEFAULT '{}'
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON guard FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();

CREATE TABLE blocked_range (
    blocked_range_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prefix            text NOT NULL UNIQUE CHECK (prefix ~ '^[+][1-9][0-9]{0,14}$'),
    note              text NOT NULL DEFAULT '',
    active            boolean NOT NULL DEFAULT true
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON blocked_range FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();

-- What the guard has counted. Unlogged: after a crash, and on a new primary, it counts anew.
CREATE UNLOGGED TABLE guard_window (
    plan_id     integer NOT NULL,
    rule        smallint NOT NULL,                          -- of domain/guard.py
    key         text COLLATE "C" NOT NULL,
    began_at    timestamptz NOT NULL,
    counted     integer NOT NULL,
    numbers     integer[] NOT NULL,                         -- those of a range that count once
    stopped     integer NOT NULL,
    stopped_at  timestamptz,                                -- the last one
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (plan_id, rule, key)
) WITH (fillfactor = 50);

CREATE TYPE guard_count AS (
    plan_id integer, rule smallint, key text, began_at timestamptz, counted integer, numbers integer[], stopped integer,
    stopped_at timestamptz, expires_at timestamptz
);

-- Days that are over, folded from charge before its partitions go; and the last of them.
CREATE TABLE usage_day (
    day          date NOT NULL,                             -- UTC
    plan_id      integer NOT NULL,
    currency     text NOT NULL,
    country      text NOT NULL,                             -- empty: of none
    parts        bigint NOT NULL,
    price_micro  bigint NOT NULL,
    ptf_micro    bigint NOT NULL,
    PRIMARY KEY (day, plan_id, currency, country)
);

CREATE TABLE usage_fold (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    through   date NOT NULL
);
INSERT INTO usage_fold (through) SELECT (trunkline_now() AT TIME ZONE 'UTC')::date - 1;

-- Rows of batches: a submission with the price of its parts; `code` is set where it is not to be sent. And a
-- part that costs something.
CREATE TYPE priced_submission AS (
    plan_id integer, msg_id uuid, account_id integer, sender text, recipient text, body text, callback_url text,
    client_reference text, country text, encoding smallint, parts smallint, carrier_id integer, priority smallint,
    validity_s integer, due_at timestamptz, mccmnc text, price_micro bigint, ptf_micro bigint, currency text,
    code smallint
);

CREATE TYPE charged_part AS (
    plan_id integer, msg_id uuid, part_no smallint, price_micro bigint, ptf_micro bigint, currency text, country text
);

ALTER TABLE charge ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON charge FOR SELECT
    USING (plan_id = ANY (ARRAY(
        SELECT p.plan_id FROM plan p
        WHERE p.account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer))));
