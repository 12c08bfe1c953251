-- Opt-outs, quiet hours, keywords and their replies.
SET LOCAL lock_timeout = '5s';

ALTER TABLE plan ADD COLUMN consent jsonb NOT NULL DEFAULT '{}';

CREATE TABLE keyword (
    keyword_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id     integer NOT NULL REFERENCES plan,
    address     text,
    word        text NOT NULL,
    does        text NOT NULL CHECK (does IN ('stop', 'start', 'help', 'reply')),
    reply       text,
    active      boolean NOT NULL DEFAULT true
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON keyword FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();

CREATE TABLE opt_out (
    plan_id    integer NOT NULL,
    recipient  text NOT NULL,
    sender     text NOT NULL,
    since      timestamptz NOT NULL,
    source     text NOT NULL,
    why        text NOT NULL,
    mo_id      uuid,
    PRIMARY KEY (plan_id, recipient, sender)
);

CREATE UNLOGGED TABLE opt_out_incoming (
    line       integer PRIMARY KEY,
    plan_id    integer NOT NULL,
    recipient  text NOT NULL,
    sender     text NOT NULL,
    since      timestamptz,
    why        text NOT NULL
);

CREATE TABLE keyword_reply (
    msg_id     uuid PRIMARY KEY,
    plan_id    integer NOT NULL,
    mo_id      uuid NOT NULL,
    does       text NOT NULL
);
CREATE INDEX keyword_reply_mo ON keyword_reply (mo_id);
