-- What receivers of webhooks are given (by origin), the origins that a callbackUrl may be of, an end to old webhook
-- secrets, the first bytes of every answer, and an age for dead letters.
SET LOCAL lock_timeout = '5s';

ALTER TABLE plan ADD COLUMN callback_origins text[];
ALTER TABLE plan ADD COLUMN old_secret_ends_at timestamptz;

CREATE TABLE receiver (
    receiver_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   integer NOT NULL REFERENCES account,
    plan_id      integer REFERENCES plan,
    origin       text NOT NULL,
    credentials  bytea NOT NULL,
    UNIQUE NULLS NOT DISTINCT (account_id, plan_id, origin)
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON receiver FOR EACH STATEMENT EXECUTE FUNCTION provisioning_changed();

CREATE INDEX hook_dead_age ON hook_dead (died_at);

CREATE TYPE answered_hook AS (
    plan_id integer, origin text, due_at timestamptz, msg_id uuid, n smallint, tries smallint, status smallint,
    latency_ms integer, excerpt bytea
);
