-- name: kept
SELECT request_hash, msg_id, parts, mccmnc FROM idempotency
WHERE plan_id = $1 AND key = $2 AND at > (SELECT trunkline_now()) - interval '24 hours'

-- name: forget
-- Keys whose time is over. One that is being taken anew is left alone.
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency WHERE at <= (SELECT trunkline_now()) - interval '24 hours'
    ORDER BY at LIMIT 1000 FOR UPDATE SKIP LOCKED))
RETURNING plan_id
