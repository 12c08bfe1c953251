-- The whole schema as it stands now. An empty database gets this file; an older one gets there by migrations/.
--
-- Internal ids of accounts, plans, carriers and links are integers (narrow keys on the hot tables);
-- the 24-digit ids that customers see are `public_id`. msg_id is a UUID version 7, so its order is the order of
-- acceptance and its time is the record's creation time. Status numbers are those of domain/status.py.
-- Hot tables have no foreign keys: a constraint between them would take locks on every message.

-- ---------------------------------------------------------------------------------------------------------------
-- Time. now() is for leases only; whatever a sandbox user may want to move goes by trunkline_now().

CREATE TABLE clock (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    shift     interval NOT NULL DEFAULT '0',
    held_at   timestamptz                       -- set: the clock stands still here
);
INSERT INTO clock DEFAULT VALUES;

CREATE FUNCTION trunkline_now() RETURNS timestamptz LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE t timestamptz;
BEGIN
    SELECT coalesce(held_at, clock_timestamp() + shift) INTO t FROM clock;
    RETURN t;
END $$;

-- First msg_id of a moment: the bound of a partition, the edge of a time window.
CREATE FUNCTION msg_id_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- ---------------------------------------------------------------------------------------------------------------
-- The installation

CREATE TABLE installation (
    only_row              boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    installation_id       uuid NOT NULL DEFAULT gen_random_uuid(),
    provisioning_version  bigint NOT NULL DEFAULT 1,
    route_version         bigint NOT NULL DEFAULT 1,  -- of the routes alone: there may be a hundred thousand
    cursor_key            bytea                 -- signs list cursors; encrypted with the settings' key
);
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE migration (
    name        text PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit (
    audit_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    actor     text NOT NULL,
    action    text NOT NULL,                    -- for instance plan.created, token.issued
    subject   text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_subject ON audit (subject, audit_id);

-- ---------------------------------------------------------------------------------------------------------------
-- Provisioning: who may send what over which carrier

CREATE TABLE account (
    account_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id   text NOT NULL UNIQUE CHECK (public_id ~ '^[0-9a-f]{24}$'),
    name        text NOT NULL,
    active      boolean NOT NULL DEFAULT true,
    dlr_url     text,
    mo_url      text,
    rate_per_s  integer CHECK (rate_per_s >= 0)       -- requests to the API; null: the default, 0: no limit
);

CREATE TABLE plan (
    plan_id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id       text NOT NULL UNIQUE CHECK (public_id ~ '^[0-9a-f]{24}$'),
    account_id      integer NOT NULL REFERENCES account,
    name            text NOT NULL,
    active          boolean NOT NULL DEFAULT true,
    dlr_url         text,
    mo_url          text,
    at_least_once   boolean NOT NULL DEFAULT false,   -- resend once after an unknown outcome; else end UNKNOWN
    resolve_after_s integer NOT NULL DEFAULT 600,     -- how long an unknown outcome waits for a receipt
    validity_s      integer NOT NULL DEFAULT 259200,
    priority        smallint NOT NULL DEFAULT 0,      -- higher goes first
    unknown_events  boolean NOT NULL DEFAULT true,
    countries       text[],                           -- null: every country
    hook_secrets    bytea[] NOT NULL DEFAULT '{}',    -- newest first; encrypted with the settings' key
    rate_per_s      integer CHECK (rate_per_s >= 0),  -- as the account's
    sent_events     boolean NOT NULL DEFAULT false,   -- webhooks tell SENT as well
    transliterate   boolean NOT NULL DEFAULT false,   -- write typography that GSM-7 lacks as GSM-7 has it
    max_segments    smallint CHECK (max_segments > 0),-- parts of one message; null: as many as its text takes
    consent         jsonb NOT NULL DEFAULT '{}',      -- class of traffic, opt-outs, quiet hours, replies (domain/consent.py)
    callback_origins   text[],                        -- that a callbackUrl may be of; null: any
    old_secret_ends_at timestamptz,                   -- when all but the newest of hook_secrets end; null: there is one
    weight          smallint NOT NULL DEFAULT 1 CHECK (weight > 0), -- its share of a carrier, in its priority
    messages_per_s  integer CHECK (messages_per_s > 0) -- sent at most; null: as carriers take them
);
CREATE INDEX plan_account ON plan (account_id);

CREATE TABLE token (
    token_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  integer NOT NULL REFERENCES account,
    label       text NOT NULL,
    hash        bytea NOT NULL UNIQUE,                -- SHA-256 of the token; the token itself is nowhere
    scopes      text[] NOT NULL,
    plan_ids    integer[],                            -- null: every plan of the account
    networks    text[],                               -- CIDRs; null: from everywhere
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz,
    replaced_by integer REFERENCES token              -- the one that it was rotated into
);

CREATE TABLE sender (
    sender_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id    integer NOT NULL REFERENCES plan,
    address    text NOT NULL,
    state      text NOT NULL DEFAULT 'approved',      -- approved, pending, denied; anything else is unrecognised
    UNIQUE (plan_id, address)
);
CREATE INDEX sender_address ON sender (address);

CREATE TABLE carrier (
    carrier_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    active      boolean NOT NULL DEFAULT true,
    dialect     jsonb NOT NULL DEFAULT '{}',
    rate_per_s  integer CHECK (rate_per_s > 0)        -- parts; null: until it says that it is too much
);

CREATE TABLE link (
    link_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id   integer NOT NULL REFERENCES carrier,
    name         text NOT NULL,
    host         text NOT NULL,
    port         integer NOT NULL,
    system_id    text NOT NULL,
    password     bytea NOT NULL,                      -- encrypted with the settings' key
    system_type  text NOT NULL DEFAULT '',
    bind_mode    text NOT NULL DEFAULT 'transceiver',
    bind_count   smallint NOT NULL DEFAULT 1,         -- so many sessions with the same credentials
    send_window  smallint NOT NULL DEFAULT 10,        -- unanswered submit_sm per session
    tls          boolean NOT NULL DEFAULT false,
    timers       jsonb NOT NULL DEFAULT '{}',
    active       boolean NOT NULL DEFAULT true,
    other_hosts  text[] NOT NULL DEFAULT '{}',        -- NAME or NAME:PORT, tried in turn
    tls_ca       text,                                -- PEM; null: the system's authorities
    tls_identity bytea,                               -- PEM of certificate and key, encrypted with the settings' key
    tls_server_name text,                             -- whom the server's certificate is for; null: the host
    UNIQUE (carrier_id, name)
);

CREATE TABLE route (
    route_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    carrier_id  integer NOT NULL REFERENCES carrier,
    priority    integer NOT NULL DEFAULT 0,           -- higher is tried first
    plan_id     integer REFERENCES plan,              -- null: every plan
    countries   text[],                               -- null: every country
    active      boolean NOT NULL DEFAULT true,
    account_id  integer REFERENCES account,           -- null: every account
    prefixes    text[],                               -- digits of E.164; null: every number
    networks    text[],                               -- MCC and MNC; null: every network, known or not
    sender_kinds text[],                              -- long_code, short_code, alphanumeric; null: every kind
    cost_micro  bigint CHECK (cost_micro >= 0),       -- of one part, to be compared with other routes'; null: not known
    weight      integer NOT NULL DEFAULT 1 CHECK (weight > 0),  -- share among routes that are equal otherwise
    min_delivery_percent double precision,            -- below it the route is tried last; null: whatever it is
    max_receipt_s        double precision,            -- above it (95 % of receipts) likewise
    fallback    boolean NOT NULL DEFAULT true,        -- whether routes that come after it may be tried
    CHECK (plan_id IS NULL OR account_id IS NULL)
);

-- Words of a plan's own, as domain/consent.py reads words. Of several plans at one address it says whose a message is.
CREATE TABLE keyword (
    keyword_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id     integer NOT NULL REFERENCES plan,
    address     text,                                 -- null: every sender of the plan
    word        text NOT NULL,
    does        text NOT NULL CHECK (does IN ('stop', 'start', 'help', 'reply')),
    reply       text,                                 -- null: the plan's; '': none
    active      boolean NOT NULL DEFAULT true
);

-- What webhooks carry for a customer's server: header lines, a client certificate. Sent to this origin and no other.
CREATE TABLE receiver (
    receiver_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   integer NOT NULL REFERENCES account,
    plan_id      integer REFERENCES plan,             -- null: every plan of the account
    origin       text NOT NULL,                       -- scheme://host:port, the port always written
    credentials  bytea NOT NULL,                      -- encrypted with the settings' key
    UNIQUE NULLS NOT DISTINCT (account_id, plan_id, origin)
);

-- Processes keep provisioning in memory and poll its version; every change, whoever makes it, moves the version: once a
-- transaction, since each further update of the one row would read all its versions before it.
CREATE FUNCTION provisioning_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE installation SET provisioning_version = provisioning_version + 1
    WHERE xmin <> pg_current_xact_id()::xid;
    RETURN NULL;
END $$;
CREATE FUNCTION routes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('trunkline.routes_changed', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        UPDATE installation SET provisioning_version = provisioning_version + 1, route_version = route_version + 1;
        PERFORM set_config('trunkline.routes_changed', pg_current_xact_id()::text, true);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON account FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON plan    FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON token   FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sender  FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON carrier FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON link    FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON route   FOR EACH STATEMENT EXECUTE FUNCTION routes_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON keyword FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON receiver FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();

-- ---------------------------------------------------------------------------------------------------------------
-- Numbers: the operator's own ranges. A range covers what begins with its digits; a prefix is a range of one. API
-- processes hold them in memory (numbering/ranges.py) and poll the version, which every change moves, whoever makes it.

CREATE TABLE number_version (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version   bigint NOT NULL DEFAULT 1
);
INSERT INTO number_version DEFAULT VALUES;

CREATE TABLE number_range (
    first       text COLLATE "C" NOT NULL CHECK (first ~ '^[1-9][0-9]{0,14}$'),  -- E.164 without +; as many digits as last
    last        text COLLATE "C" NOT NULL CHECK (last ~ '^[1-9][0-9]{0,14}$'),
    mccmnc      text COLLATE "C" NOT NULL CHECK (mccmnc ~ '^[0-9]{5,6}$'),
    valid_from  timestamptz NOT NULL DEFAULT '-infinity',
    source      text NOT NULL DEFAULT '',               -- where the operator has it from
    PRIMARY KEY (first, last, valid_from),
    CHECK (length(first) = length(last) AND first <= last)
);
CREATE INDEX number_range_valid_from ON number_range (valid_from) WHERE valid_from > '-infinity';

-- The lines of a file while it is being imported; empty otherwise.
CREATE UNLOGGED TABLE number_incoming (
    line        integer NOT NULL,
    first       text COLLATE "C" NOT NULL,
    last        text COLLATE "C" NOT NULL,
    mccmnc      text COLLATE "C" NOT NULL,
    valid_from  timestamptz,
    source      text NOT NULL
);

CREATE FUNCTION numbers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE number_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON number_range FOR EACH STATEMENT EXECUTE FUNCTION numbers_changed();

-- ---------------------------------------------------------------------------------------------------------------
-- Prices, what was charged by them. Money is in millionths of its currency. API processes hold the prices in memory
-- (domain/price.py) and poll the version, which every change moves, whoever makes it.

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

-- Rows of batches, as below: a submission with the price of its parts; `code` is set where it is not to be sent. And a
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

-- ---------------------------------------------------------------------------------------------------------------
-- Messages. A row is written at acceptance and once more when it is final; SENT is a row in ref, not an update here.

CREATE TABLE msg (
    plan_id           integer NOT NULL,
    msg_id            uuid NOT NULL,
    account_id        integer NOT NULL,
    sender            text,
    recipient         text,
    body              text,
    callback_url      text,
    client_reference  text,
    country           text,
    mccmnc            text,
    encoding          smallint NOT NULL,        -- as accepted: 0 GSM-7, 1 UCS-2, 2 GSM-7 once transliterated
    parts             smallint NOT NULL,        -- as accepted, then as submitted
    expires_at        timestamptz NOT NULL,
    price_micro       bigint,                   -- of one part, as of acceptance; what was charged says charge
    ptf_micro         bigint,
    currency          text,                     -- null: it has no price
    status            smallint,                 -- null until final: no index names it, so the last update can stay on its page
    error_code        smallint NOT NULL DEFAULT 0,
    sent_at           timestamptz,              -- set with status; where the plan wants SENT events, with the first ref row
    final_at          timestamptz,
    resubmitted       boolean NOT NULL DEFAULT false,
    late              boolean NOT NULL DEFAULT false,
    PRIMARY KEY (plan_id, msg_id)
) PARTITION BY RANGE (msg_id);
-- Led by the recipient, so that no look-up by (plan_id, msg_id) can ever be planned over it.
CREATE INDEX msg_recipient ON msg (recipient, plan_id, msg_id);

-- Keys that send requests came with, written with their message and kept for 24 h. `request_hash` is over the parsed
-- fields; `parts` and `mccmnc` are what the first answer said (the message's own may follow what the carrier tells).
CREATE TABLE idempotency (
    plan_id       integer NOT NULL,
    key           text COLLATE "C" NOT NULL,
    request_hash  bytea NOT NULL,
    msg_id        uuid NOT NULL,
    parts         smallint NOT NULL,
    at            timestamptz NOT NULL,
    mccmnc        text,
    PRIMARY KEY (plan_id, key)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX idempotency_at ON idempotency (at);

-- Due now: one narrow row a message. `missing` is the set of its parts still to be submitted, bit 0 = part 1.
CREATE TABLE mt_queue (
    carrier_id  integer NOT NULL,
    plan_id     integer NOT NULL,
    priority    smallint NOT NULL,
    msg_id      uuid NOT NULL,
    missing     bigint NOT NULL,
    parts       smallint NOT NULL,              -- how many bits of missing are set: what it takes of a window
    tries       smallint NOT NULL DEFAULT 0,
    resubmitted boolean NOT NULL DEFAULT false,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, priority, plan_id, msg_id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);

-- Due later: sendAt and retries. The mover puts them into mt_queue when their time comes.
CREATE TABLE mt_later (
    plan_id     integer NOT NULL,
    msg_id      uuid NOT NULL,
    due_at      timestamptz NOT NULL,
    carrier_id  integer NOT NULL,
    priority    smallint NOT NULL,
    missing     bigint NOT NULL,
    parts       smallint NOT NULL,
    tries       smallint NOT NULL DEFAULT 0,
    resubmitted boolean NOT NULL DEFAULT false,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (plan_id, msg_id)
);
CREATE INDEX mt_later_due ON mt_later (due_at);

-- The intent: committed before a byte of the part goes to the carrier.
CREATE TABLE inflight (
    plan_id     integer NOT NULL,
    msg_id      uuid NOT NULL,
    part_no     smallint NOT NULL,
    carrier_id  integer NOT NULL,
    epoch       bigint NOT NULL,                -- the dispatcher that claimed it
    claim_no    integer NOT NULL,               -- its how many-th claim: tells one whose answer was lost
    claimed_at  timestamptz NOT NULL,
    tries       smallint NOT NULL,
    resubmitted boolean NOT NULL,
    PRIMARY KEY (plan_id, msg_id, part_no)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);

-- Written to the carrier, outcome unknown: waits for a receipt or a late response until resolve_at.
CREATE TABLE doubt (
    plan_id     integer NOT NULL,
    msg_id      uuid NOT NULL,
    part_no     smallint NOT NULL,
    carrier_id  integer NOT NULL,
    recipient   text NOT NULL,
    code        smallint NOT NULL,              -- 901 link lost, 902 no response
    claimed_at  timestamptz NOT NULL,
    resolve_at  timestamptz NOT NULL,
    tries       smallint NOT NULL,
    resubmitted boolean NOT NULL,
    PRIMARY KEY (plan_id, msg_id, part_no)
);
CREATE INDEX doubt_resolve ON doubt (resolve_at);
CREATE INDEX doubt_recipient ON doubt (carrier_id, recipient);

-- A part that the carrier accepted: the way back from its receipt, and the record of that attempt.
-- The id index is not unique: carriers use ids again; the newest row with the same recipient wins.
CREATE TABLE ref (
    carrier_id    integer NOT NULL,
    canonical_id  text NOT NULL,
    recipient     text NOT NULL,
    plan_id       integer NOT NULL,
    msg_id        uuid NOT NULL,
    part_no       smallint NOT NULL,
    parts         smallint NOT NULL,
    link_id       integer NOT NULL,
    tries         smallint NOT NULL,
    resubmitted   boolean NOT NULL,
    claimed_at    timestamptz NOT NULL,
    sent_at       timestamptz NOT NULL,
    routed        integer                     -- by which route and why (domain/routes.py)
) PARTITION BY RANGE (sent_at);
CREATE INDEX ref_id ON ref (carrier_id, canonical_id);
CREATE INDEX ref_msg ON ref (plan_id, msg_id);

-- An attempt that was not accepted.
CREATE TABLE attempt (
    plan_id         integer NOT NULL,
    msg_id          uuid NOT NULL,
    part_no         smallint NOT NULL,
    carrier_id      integer NOT NULL,
    link_id         integer,
    tries           smallint NOT NULL,
    claimed_at      timestamptz NOT NULL,
    ended_at        timestamptz NOT NULL,
    outcome         text NOT NULL,              -- refused, throttled, not_sent, lost, unanswered, ...
    command_status  bigint,
    next_at         timestamptz,                -- when it is tried again, if it is
    routed          integer                     -- as in ref; of not_sent and diverted: where it goes instead
) PARTITION BY RANGE (ended_at);
CREATE INDEX attempt_msg ON attempt (plan_id, msg_id);

-- Where the parts of a message with several parts ended. Written first, counted after the commit. SENT: accepted, and no
-- receipt will tell more.
CREATE TABLE part_outcome (
    plan_id     integer NOT NULL,
    msg_id      uuid NOT NULL,
    part_no     smallint NOT NULL,
    status      smallint NOT NULL,
    error_code  smallint NOT NULL,
    at_submit   boolean NOT NULL,               -- told at submit, or given up (else told by a receipt)
    at          timestamptz NOT NULL,
    mccmnc      text,                           -- the recipient's network, where the receipt told it
    PRIMARY KEY (plan_id, msg_id, part_no)
);
CREATE INDEX part_outcome_at ON part_outcome (at);

-- The concatenation references of messages with several parts: those to one recipient in turn, so that no handset takes
-- parts of two messages for one. Given at a message's first claim, and its own from then on.
CREATE TABLE concat (
    msg_id          uuid NOT NULL,
    plan_id         integer NOT NULL,
    recipient_hash  bigint NOT NULL,            -- two recipients with one hash share their turns, which does no harm
    turn            bigint NOT NULL,            -- its low 8 or 16 bits go into the header
    PRIMARY KEY (msg_id, plan_id),
    UNIQUE (recipient_hash, turn)
);

-- ---------------------------------------------------------------------------------------------------------------
-- What carriers tell us: append only

CREATE TABLE receipt (
    carrier_id    integer NOT NULL,
    link_id       integer NOT NULL,
    received_at   timestamptz NOT NULL,
    canonical_id  text,
    recipient     text,
    plan_id       integer,                      -- null: no message of ours was found for it (yet)
    msg_id        uuid,
    part_no       smallint,
    stat          text,
    err           text,
    status        smallint NOT NULL,            -- SENT: moves nothing
    error_code    smallint NOT NULL,
    raw           bytea,                        -- the PDU, where it was not understood or not matched
    raw_id        text                          -- the id as it came, where no message was found for it
) PARTITION BY RANGE (received_at);
CREATE INDEX receipt_msg ON receipt (plan_id, msg_id) WHERE msg_id IS NOT NULL;

-- Receipts whose message is not known yet: the response may still be on its way to the database.
CREATE TABLE parked (
    park_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id    integer NOT NULL,
    canonical_id  text NOT NULL,
    source        text NOT NULL,                -- either address of a receipt may be the recipient
    destination   text NOT NULL,
    received_at   timestamptz NOT NULL,
    link_id       integer NOT NULL,
    stat          text,
    err           text,
    status        smallint NOT NULL,
    error_code    smallint NOT NULL,
    raw_id        text,                         -- the id as it came
    in_tlv        boolean,                      -- whether that was in receipted_message_id
    mccmnc        text,
    user_reference integer                      -- user_message_reference, where the carrier repeats ours
);
CREATE INDEX parked_id ON parked (carrier_id, canonical_id);

-- How a carrier writes the ids that it gives out in submit_sm_resp, as samples of them show: for the operator.
CREATE TABLE response_id (
    carrier_id  integer NOT NULL,
    form        text NOT NULL,
    count       bigint NOT NULL,
    example     text NOT NULL,                  -- the last one
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, form)
);

CREATE TABLE mo (
    plan_id      integer NOT NULL,              -- 0: no plan has this destination
    msg_id       uuid NOT NULL,
    account_id   integer NOT NULL,
    carrier_id   integer NOT NULL,
    link_id      integer NOT NULL,
    sender       text,
    recipient    text,
    body         text,
    binary_hex   text,
    keyword      text,
    partial      boolean NOT NULL DEFAULT false,
    digest       bytea NOT NULL,                -- of what the carrier sent: tells a repeat
    received_at  timestamptz NOT NULL,
    bind_id      bigint,                        -- where it was taken last; null: joined from parts
    taken_at     timestamptz,                   -- when; later than received_at only where the carrier repeated it
    PRIMARY KEY (plan_id, msg_id)
) PARTITION BY RANGE (msg_id);
CREATE INDEX mo_digest ON mo (digest);

-- Sessions that messages from handsets came on. What was taken at unsure_from or later the carrier may not know to be
-- taken, and may send again; of a bind whose dispatcher is dead alive_at says from when on.
CREATE TABLE mo_bind (
    bind_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id   integer NOT NULL,
    epoch        bigint NOT NULL,
    alive_at     timestamptz NOT NULL,
    unsure_from  timestamptz                    -- null: it has not ended, or nobody was left to say so
) WITH (fillfactor = 50);

-- Parts of messages from handsets. Stored first, joined after the commit by whoever sees all of a set. A joined part is
-- emptied and stays for an hour: it tells a repeat.
CREATE TABLE mo_part (
    set_key      bytea NOT NULL,                -- of carrier, source, destination, reference and its width, total
    part_no      smallint NOT NULL,
    digest       bytea NOT NULL,                -- of what the part holds
    arrival      bigint GENERATED ALWAYS AS IDENTITY,
    carrier_id   integer NOT NULL,
    link_id      integer NOT NULL,
    source       text NOT NULL,
    destination  text NOT NULL,
    total        smallint NOT NULL,
    codec        text NOT NULL,
    locking      smallint NOT NULL,             -- languages of the header's shift tables, 0: none
    single       smallint NOT NULL,
    octets       bytea,                         -- user data without its header; null once joined
    received_at  timestamptz NOT NULL,
    msg_id       uuid,                          -- the message that it became a part of
    joined_at    timestamptz,
    PRIMARY KEY (set_key, part_no, digest)
);
CREATE INDEX mo_part_open ON mo_part (received_at) WHERE joined_at IS NULL;
CREATE INDEX mo_part_joined ON mo_part (joined_at) WHERE joined_at IS NOT NULL;

-- Who wants no messages: asked by key for each message that is claimed. Written with the message that says STOP.
CREATE TABLE opt_out (
    plan_id    integer NOT NULL,
    recipient  text NOT NULL,
    sender     text NOT NULL,                   -- '': every sender of the plan
    since      timestamptz NOT NULL,
    source     text NOT NULL,                   -- recipient, operator, import
    why        text NOT NULL,                   -- the word, or what the operator said
    mo_id      uuid,                            -- the message from the handset
    PRIMARY KEY (plan_id, recipient, sender)
);

-- The lines of a file while it is being imported; empty otherwise.
CREATE UNLOGGED TABLE opt_out_incoming (
    line       integer PRIMARY KEY,
    plan_id    integer NOT NULL,
    recipient  text NOT NULL,
    sender     text NOT NULL,
    since      timestamptz,
    why        text NOT NULL
);

-- Messages of ours that answer one from a handset: they go to who opted out as well, and at any hour.
CREATE TABLE keyword_reply (
    msg_id     uuid PRIMARY KEY,
    plan_id    integer NOT NULL,
    mo_id      uuid NOT NULL,
    does       text NOT NULL
);
CREATE INDEX keyword_reply_mo ON keyword_reply (mo_id);

-- What could not be decoded at all; answered OK, kept for the operator.
CREATE TABLE quarantine (
    quarantine_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id     integer NOT NULL,
    link_id        integer NOT NULL,
    at             timestamptz NOT NULL,
    reason         text NOT NULL,
    raw            bytea NOT NULL
);

-- ---------------------------------------------------------------------------------------------------------------
-- Webhooks: rows of ids; the body is rendered from the record, which no longer changes. n: 0 MO, 1 SENT, 2 final, 3 correction.

-- Events to deliver, in lanes of (origin, plan). Written once and deleted once acknowledged; which of them are under way
-- only the process knows that holds the lane (webhooks/claim), so nothing is rewritten for an attempt that succeeds.
-- One index: where an event stands is its key. That there is one row for each (plan_id, msg_id, n) follows from the
-- guard under which a message becomes final.
CREATE TABLE hook_queue (
    plan_id    integer NOT NULL,
    origin     text NOT NULL,
    due_at     timestamptz NOT NULL,
    msg_id     uuid NOT NULL,
    n          smallint NOT NULL,
    tries      smallint NOT NULL DEFAULT 0,
    configured boolean NOT NULL,                -- the URL is the plan's or the account's, not the message's own
    url        text NOT NULL,
    PRIMARY KEY (origin, plan_id, due_at, msg_id, n)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE hook_attempt (
    plan_id     integer NOT NULL,
    msg_id      uuid NOT NULL,
    n           smallint NOT NULL,
    tries       smallint NOT NULL,              -- its number: 1 for the first attempt
    at          timestamptz NOT NULL,
    status      smallint,                       -- HTTP status; null: no answer
    failure     text,
    latency_ms  integer NOT NULL,
    excerpt     bytea,
    next_at     timestamptz
) PARTITION BY RANGE (at);
CREATE INDEX hook_attempt_msg ON hook_attempt (plan_id, msg_id);

-- Dead letters: one row each time that an event died. They stay when they are replayed.
CREATE TABLE hook_dead (
    plan_id     integer NOT NULL,
    msg_id      uuid NOT NULL,
    n           smallint NOT NULL,
    origin      text NOT NULL,
    url         text NOT NULL,
    tries       smallint NOT NULL,
    reason      text NOT NULL,
    died_at     timestamptz NOT NULL,
    replayed_at timestamptz,                    -- null: still dead
    PRIMARY KEY (plan_id, msg_id, n, died_at)
);
CREATE INDEX hook_dead_still ON hook_dead (msg_id, plan_id, n, died_at) WHERE replayed_at IS NULL;
CREATE INDEX hook_dead_age ON hook_dead (died_at);

-- Configured URLs (a plan's, an account's) that fail or are disabled; a row goes with the first success. One URL is one
-- receiver in an account, whichever of its plans names it.
CREATE TABLE hook_target (
    account_id    integer NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('dlr', 'mo')),
    url           text NOT NULL,
    failing_since timestamptz NOT NULL,         -- the first failure that no success has followed
    disabled_at   timestamptz,                  -- its events are dead letters from then on
    reason        text,
    PRIMARY KEY (account_id, kind, url)
);

-- ---------------------------------------------------------------------------------------------------------------
-- Rows of batches: what a hot statement takes as one parameter. (An array for each column costs two to three times as
-- much, in the driver and here.) Never altered: a row that changes is a new type, so that processes of the version
-- before go on with theirs.

CREATE TYPE msg_key AS (plan_id integer, msg_id uuid);

CREATE TYPE submission AS (
    plan_id integer, msg_id uuid, account_id integer, sender text, recipient text, body text, callback_url text,
    client_reference text, country text, encoding smallint, parts smallint, carrier_id integer, priority smallint,
    validity_s integer, due_at timestamptz, mccmnc text
);

-- The key that a submission came with, with its advisory locks: of the version before the keys came as arrays.
CREATE TYPE request_key AS (key text, request_hash bytea, request_lock bigint, key_lock bigint);

CREATE TYPE accepted_part AS (
    canonical_id text, recipient text, plan_id integer, msg_id uuid, part_no smallint, parts smallint, link_id integer,
    tries smallint, resubmitted boolean, claimed_at timestamptz
);

CREATE TYPE final_move AS (
    plan_id integer, msg_id uuid, status smallint, error_code smallint, sent_at timestamptz, resubmitted boolean
);

CREATE TYPE matched_receipt AS (
    link_id integer, canonical_id text, plan_id integer, msg_id uuid, part_no smallint, stat text, err text,
    status smallint, error_code smallint, received_at timestamptz, decides smallint, sent_at timestamptz,
    resubmitted boolean
);

CREATE TYPE told_receipt AS (
    link_id integer, canonical_id text, plan_id integer, msg_id uuid, part_no smallint, stat text, err text,
    status smallint, error_code smallint, received_at timestamptz, decides smallint, sent_at timestamptz,
    resubmitted boolean, mccmnc text
);

CREATE TYPE acknowledged_hook AS (                -- of the version before answered_hook
    plan_id integer, origin text, due_at timestamptz, msg_id uuid, n smallint, tries smallint, status smallint,
    latency_ms integer
);

CREATE TYPE answered_hook AS (
    plan_id integer, origin text, due_at timestamptz, msg_id uuid, n smallint, tries smallint, status smallint,
    latency_ms integer, excerpt bytea
);

-- ---------------------------------------------------------------------------------------------------------------
-- Dispatchers: the only lease. A carrier, with all its links, belongs to one of them.

CREATE TABLE dispatcher (
    epoch        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node         text NOT NULL,
    pid          integer NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    lease_until  timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE carrier_lease (
    carrier_id  integer PRIMARY KEY,
    epoch       bigint NOT NULL,
    up_at       timestamptz,                    -- when a link was last seen up: tells 461 from 702
    ready_at    timestamptz                     -- when it, or a new dispatcher, last could be given messages (now())
) WITH (fillfactor = 50);

-- How a carrier is doing, as its dispatcher tells now and then: for operators, and to hear from them.
CREATE TABLE carrier_state (
    carrier_id     integer PRIMARY KEY,
    epoch          bigint NOT NULL,
    at             timestamptz NOT NULL,
    links_up       smallint NOT NULL,
    links          smallint NOT NULL,
    under_way      integer NOT NULL,            -- parts written and not answered
    rate_per_s     real,                        -- parts that it is sent at most; null: no limit
    cut_rate       real,                        -- what it was sent when it last said that it is too much
    paused_until   timestamptz,                 -- it refuses our configuration; in the past: it is being tried again
    paused_status  bigint,                      -- the command_status for which
    paused_field   text,                        -- the field of submit_sm that this is about
    retries        integer NOT NULL DEFAULT 0   -- how often operators asked to try it again at once
) WITH (fillfactor = 50);

-- How well carriers deliver, by country ('': not known), as upkeep measured it last. Routes may ask for it.
CREATE TABLE carrier_quality (
    carrier_id   integer NOT NULL,
    country      text NOT NULL,
    messages     integer NOT NULL,
    delivered    integer NOT NULL,
    p95_s        double precision,              -- from submission to the receipt of delivered ones
    measured_at  timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, country)
);

-- ---------------------------------------------------------------------------------------------------------------
-- Rate limits: the buckets that API processes lease slices of. Unlogged, as nothing is lost with them: after a crash, and
-- on a new primary, all buckets are full.

CREATE UNLOGGED TABLE rate_bucket (
    kind         smallint NOT NULL,              -- 0 account, 1 plan, 2 messages of a plan to carriers
    subject_id   integer NOT NULL,
    rate_per_s   double precision NOT NULL,      -- by which it was filled last
    tokens       double precision NOT NULL,      -- what was left then; one is one request
    granted      integer NOT NULL,               -- what the last lease got
    refilled_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, subject_id)
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------------------------------------------------------
-- Row-level security: the second net under what customers read (store/readers.py). The login owns the tables and is not
-- held by it (not FORCEd); the role trunkline_reader is, and sees rows of the account that trunkline.account names. The
-- role belongs to the cluster: sql/reader.sql makes it. No account, no rows. Asked once a statement (a scalar subquery),
-- and by operators that leak nothing, so that they do not stand in the way of an index.

ALTER TABLE plan ENABLE ROW LEVEL SECURITY;
ALTER TABLE msg ENABLE ROW LEVEL SECURITY;
ALTER TABLE mo ENABLE ROW LEVEL SECURITY;
ALTER TABLE ref ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON plan FOR SELECT
    USING (account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer));
CREATE POLICY own ON msg FOR SELECT
    USING (account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer));
CREATE POLICY own ON mo FOR SELECT
    USING (account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer));
CREATE POLICY own ON ref FOR SELECT
    USING (plan_id = ANY (ARRAY(
        SELECT p.plan_id FROM plan p
        WHERE p.account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer))));
CREATE POLICY own ON idempotency FOR SELECT
    USING (plan_id = ANY (ARRAY(
        SELECT p.plan_id FROM plan p
        WHERE p.account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer))));
