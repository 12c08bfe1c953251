-- name: lanes
-- Lanes (plan, origin) that hold events, with the time their first is due: a loose index scan, one probe a lane.
WITH RECURSIVE lane AS (
    (SELECT origin, plan_id, due_at FROM hook_queue ORDER BY origin, plan_id, due_at LIMIT 1)
    UNION ALL
    SELECT next.origin, next.plan_id, next.due_at
    FROM lane CROSS JOIN LATERAL (
        SELECT h.origin, h.plan_id, h.due_at FROM hook_queue h
        WHERE (h.origin, h.plan_id) > (lane.origin, lane.plan_id)
        ORDER BY h.origin, h.plan_id, h.due_at LIMIT 1) AS next
)
SELECT plan_id, origin, greatest(extract(epoch FROM due_at - (SELECT trunkline_now())), 0)::float8 AS due_in_s
FROM lane LIMIT 10000

-- name: due
-- Due events of some lanes, in the order in which they became due, from a floor on and at most so many each.
-- Nothing is written: which of them are under way the caller knows.
WITH lane AS (
    SELECT * FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::int[]) AS l(plan_id, origin, after, take)
)
SELECT h.plan_id, h.msg_id, h.n, h.tries, h.origin, h.due_at, h.url, h.configured
FROM lane CROSS JOIN LATERAL (
    SELECT * FROM hook_queue
    WHERE origin = lane.origin AND plan_id = lane.plan_id AND due_at >= lane.after
      AND due_at <= (SELECT trunkline_now())
    ORDER BY due_at, msg_id, n LIMIT lane.take) AS h

-- name: finals
-- The records that taken DLR events are rendered from. $2, $3: smallest and largest msg_id.
SELECT c.n, m.*
FROM unnest($1::msg_key[]) WITH ORDINALITY AS c(plan_id, msg_id, n)
CROSS JOIN LATERAL (
    SELECT plan_id, msg_id, sender, recipient, body, status, error_code, parts, country, mccmnc, price_micro, ptf_micro,
           currency, sent_at, final_at, client_reference, resubmitted, late
    FROM msg WHERE msg.plan_id = c.plan_id AND msg.msg_id = c.msg_id AND msg.msg_id BETWEEN $2 AND $3 OFFSET 0) AS m

-- name: inbound
SELECT c.n, m.*
FROM unnest($1::msg_key[]) WITH ORDINALITY AS c(plan_id, msg_id, n)
CROSS JOIN LATERAL (
    SELECT plan_id, msg_id, sender, recipient, body, binary_hex, keyword, partial, received_at
    FROM mo WHERE mo.plan_id = c.plan_id AND mo.msg_id = c.msg_id AND mo.msg_id BETWEEN $2 AND $3 OFFSET 0) AS m

-- name: attempted
-- Attempts with what follows: the event is due again in $12 seconds, or dead for the reason $13.
WITH r AS (
    SELECT r.*, h.tid FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::uuid[], $5::smallint[], $6::smallint[],
                         $7::text[], $8::smallint[], $9::text[], $10::int[], $11::bytea[], $12::float8[], $13::text[])
         AS r(plan_id, origin, due_at, msg_id, n, tries, url, status, failure, latency_ms, excerpt, next_in_s, dead)
    CROSS JOIN LATERAL (
        SELECT ctid AS tid FROM hook_queue
        WHERE origin = r.origin AND plan_id = r.plan_id AND due_at = r.due_at AND msg_id = r.msg_id AND n = r.n
        OFFSET 0) AS h
), gone AS (
    DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(SELECT tid FROM r))
), again AS (
    INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, tries, configured, url)
    SELECT plan_id, origin, (SELECT trunkline_now()) + next_in_s * interval '1 second', msg_id, n, tries,
           (SELECT configured FROM hook_queue h WHERE h.ctid = r.tid), url
    FROM r WHERE next_in_s IS NOT NULL
), died AS (
    INSERT INTO hook_dead (plan_id, msg_id, n, origin, url, tries, reason, died_at)
    SELECT plan_id, msg_id, n, origin, url, tries, dead, (SELECT trunkline_now()) FROM r WHERE dead IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO hook_attempt (plan_id, msg_id, n, tries, at, status, failure, latency_ms, excerpt, next_at)
SELECT plan_id, msg_id, n, tries, (SELECT trunkline_now()), status, failure, latency_ms, excerpt,
       (SELECT trunkline_now()) + next_in_s * interval '1 second'
FROM r

-- name: acknowledged
-- The usual end: every event of the batch was answered 2xx.
WITH r AS (
    SELECT * FROM unnest($1::acknowledged_hook[])
), gone AS (
    DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(
        SELECT h.tid FROM r CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM hook_queue
            WHERE origin = r.origin AND plan_id = r.plan_id AND due_at = r.due_at AND msg_id = r.msg_id AND n = r.n
            OFFSET 0) AS h))
)
INSERT INTO hook_attempt (plan_id, msg_id, n, tries, at, status, latency_ms)
SELECT plan_id, msg_id, n, tries, (SELECT trunkline_now()), status, latency_ms FROM r

-- name: overtaken
-- Events that a later one of the same message overtook: they are not sent any more.
DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(
    SELECT h.tid FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::uuid[], $5::smallint[])
         AS r(plan_id, origin, due_at, msg_id, n)
    CROSS JOIN LATERAL (
        SELECT ctid AS tid FROM hook_queue
        WHERE origin = r.origin AND plan_id = r.plan_id AND due_at = r.due_at AND msg_id = r.msg_id AND n = r.n
        OFFSET 0) AS h))

-- name: hold
-- Buckets of lanes that this session holds from now on: of those offered as many as are free, up to $3 (the scan ends
-- with the last one got, so no lock is taken beyond). They are free again when the session ends.
SELECT bucket FROM unnest($2::int[]) AS bucket WHERE pg_try_advisory_lock($1, bucket) LIMIT $3

-- name: let_go
SELECT pg_advisory_unlock($1, bucket) FROM unnest($2::int[]) AS bucket

-- name: holders
-- How many sessions are present ($1: the class of the lock that each holds shared).
SELECT count(DISTINCT pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1::bigint::oid AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: be_present
SELECT pg_advisory_lock_shared($1, 0)
