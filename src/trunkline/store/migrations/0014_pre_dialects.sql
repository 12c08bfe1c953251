-- Links with other hosts and certificates; what receipts tell of the recipient's network; ids as they came.
SET LOCAL lock_timeout = '5s';

ALTER TABLE link ADD COLUMN other_hosts text[] NOT NULL DEFAULT '{}';
ALTER TABLE link ADD COLUMN tls_ca text;
ALTER TABLE link ADD COLUMN tls_identity bytea;
ALTER TABLE link ADD COLUMN tls_server_name text;

ALTER TABLE part_outcome ADD COLUMN mccmnc text;
ALTER TABLE receipt ADD COLUMN raw_id text;
ALTER TABLE parked ADD COLUMN raw_id text;
ALTER TABLE parked ADD COLUMN in_tlv boolean;
ALTER TABLE parked ADD COLUMN mccmnc text;
ALTER TABLE parked ADD COLUMN user_reference integer;

CREATE TABLE response_id (
    carrier_id  integer NOT NULL,
    form        text NOT NULL,
    count       bigint NOT NULL,
    example     text NOT NULL,
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, form)
);

CREATE TYPE told_receipt AS (
    link_id integer, canonical_id text, plan_id integer, msg_id uuid, part_no smallint, stat text, err text,
    status smallint, error_code smallint, received_at timestamptz, decides smallint, sent_at timestamptz,
    resubmitted boolean, mccmnc text
);
