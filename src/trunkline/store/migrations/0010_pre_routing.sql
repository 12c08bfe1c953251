-- Routes by account, prefix, network, kind of sender, cost, weight and measured quality; which carriers take messages.
SET LOCAL lock_timeout = '5s';

ALTER TABLE installation ADD COLUMN route_version bigint NOT NULL DEFAULT 1;

ALTER TABLE route
    ADD COLUMN account_id integer REFERENCES account,
    ADD COLUMN prefixes text[],
    ADD COLUMN networks text[],
    ADD COLUMN sender_kinds text[],
    ADD COLUMN cost_micro bigint CHECK (cost_micro >= 0),
    ADD COLUMN weight integer NOT NULL DEFAULT 1 CHECK (weight > 0),
    ADD COLUMN min_delivery_percent double precision,
    ADD COLUMN max_receipt_s double precision,
    ADD COLUMN fallback boolean NOT NULL DEFAULT true,
    ADD CHECK (plan_id IS NULL OR account_id IS NULL);

CREATE OR REPLACE FUNCTION provisioning_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP TRIGGER changed ON route;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON route FOR EACH STATEMENT EXECUTE FUNCTION routes_changed();

ALTER TABLE ref ADD COLUMN routed integer;
ALTER TABLE attempt ADD COLUMN routed integer;
ALTER TABLE carrier_lease ADD COLUMN ready_at timestamptz;

CREATE TABLE carrier_quality (
    carrier_id   integer NOT NULL,
    country      text NOT NULL,
    messages     integer NOT NULL,
    delivered    integer NOT NULL,
    p95_s        double precision,
    measured_at  timestamptz NOT NULL,
    PRIMARY KEY (carrier_id, country)
);
