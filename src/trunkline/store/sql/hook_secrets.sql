-- Webhook secrets while they are being changed. Not on the path of a message.

-- name: rotate
-- $2: sealed, the newest first; $3: seconds until the older one ends.
UPDATE plan
SET hook_secrets = $2,
    old_secret_ends_at = CASE WHEN cardinality($2::bytea[]) > 1
                              THEN (SELECT trunkline_now()) + make_interval(secs => $3::float8) END
WHERE plan_id = $1 RETURNING old_secret_ends_at;

-- name: rotating_until
SELECT old_secret_ends_at FROM plan WHERE plan_id = $1;

-- name: has_old
SELECT EXISTS (SELECT FROM plan WHERE old_secret_ends_at <= (SELECT trunkline_now()));

-- name: end_old
UPDATE plan SET hook_secrets = hook_secrets[1:1], old_secret_ends_at = NULL
WHERE old_secret_ends_at <= (SELECT trunkline_now()) RETURNING name, public_id;
