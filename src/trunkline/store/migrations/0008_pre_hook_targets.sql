-- Configured URLs that fail or are disabled, dead letters that stay when they are replayed, SENT events by plan.
SET LOCAL lock_timeout = '5s';

ALTER TABLE plan ADD COLUMN sent_events boolean NOT NULL DEFAULT false;

ALTER TABLE hook_dead ADD COLUMN replayed_at timestamptz;
ALTER TABLE hook_dead DROP CONSTRAINT hook_dead_pkey;
ALTER TABLE hook_dead ADD PRIMARY KEY (plan_id, msg_id, n, died_at);
CREATE INDEX hook_dead_still ON hook_dead (msg_id, plan_id, n, died_at) WHERE replayed_at IS NULL;

CREATE TABLE hook_target (
    account_id    integer NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('dlr', 'mo')),
    url           text NOT NULL,
    failing_since timestamptz NOT NULL,
    disabled_at   timestamptz,
    reason        text,
    PRIMARY KEY (account_id, kind, url)
);
