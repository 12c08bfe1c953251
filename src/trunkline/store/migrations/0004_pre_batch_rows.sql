-- Rows of batches: what a hot statement takes as one parameter.
CREATE TYPE msg_key AS (plan_id integer, msg_id uuid);

CREATE TYPE submission AS (
    plan_id integer, msg_id uuid, account_id integer, sender text, recipient text, body text, callback_url text,
    client_reference text, country text, encoding smallint, parts smallint, carrier_id integer, priority smallint,
    validity_s integer, due_at timestamptz, mccmnc text
);

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

CREATE TYPE acknowledged_hook AS (
    plan_id integer, origin text, due_at timestamptz, msg_id uuid, n smallint, tries smallint, status smallint,
    latency_ms integer
);
