-- name: lanes
-- Lanes (plan, origin) that hold events, with the time their first is due: a loose index scan, one probe a lane.
WITH RECURSIVE lane AS (
    (SELECT plan_id, origin, due_at FROM hook_queue ORDER BY plan_id, origin, due_at LIMIT 1)
    UNION ALL
    SELECT next.plan_id, next.origin, next.due_at
    FROM lane CROSS JOIN LATERAL (
        SELECT h.plan_id, h.origin, h.due_at FROM hook_queue h
        WHERE (h.plan_id, h.origin) > (lane.plan_id, lane.origin)
        ORDER BY h.plan_id, h.origin, h.due_at LIMIT 1) AS next
)
SELECT plan_id, origin, greatest(extract(epoch FROM due_at - (SELECT trunkline_now())), 0)::float8 AS due_in_s
FROM lane LIMIT 10000

-- name: take
-- Due events of some lanes, each lane bounded. They stay in the queue, due again after the longest possible attempt:
-- a process that dies with them costs a delay, and no lease is needed.
WITH lane AS (
    SELECT * FROM unnest($1::int[], $2::text[], $3::int[]) AS l(plan_id, origin, take)
)
UPDATE hook_queue SET due_at = (SELECT trunkline_now()) + $4::int * interval '1 second'
WHERE ctid = ANY (ARRAY(
    SELECT q.tid FROM lane CROSS JOIN LATERAL (
        SELECT ctid AS tid FROM hook_queue
        WHERE plan_id = lane.plan_id AND origin = lane.origin AND due_at <= (SELECT trunkline_now())
        ORDER BY due_at LIMIT lane.take FOR UPDATE SKIP LOCKED) AS q))
RETURNING plan_id, msg_id, n, tries, origin, url, configured, queued_at

-- name: finals
-- The records that taken DLR events are rendered from. $3, $4: smallest and largest msg_id.
SELECT c.n, m.*
FROM unnest($1::int[], $2::uuid[]) WITH ORDINALITY AS c(plan_id, msg_id, n)
CROSS JOIN LATERAL (
    SELECT plan_id, msg_id, sender, recipient, body, status, error_code, parts, country, mccmnc, price_micro, ptf_micro,
           currency, sent_at, final_at, client_reference, resubmitted, late
    FROM msg WHERE msg.plan_id = c.plan_id AND msg.msg_id = c.msg_id AND msg.msg_id BETWEEN $3 AND $4 OFFSET 0) AS m

-- name: inbound
SELECT c.n, m.*
FROM unnest($1::int[], $2::uuid[]) WITH ORDINALITY AS c(plan_id, msg_id, n)
CROSS JOIN LATERAL (
    SELECT plan_id, msg_id, sender, recipient, body, binary_hex, keyword, partial, received_at
    FROM mo WHERE mo.plan_id = c.plan_id AND mo.msg_id = c.msg_id AND mo.msg_id BETWEEN $3 AND $4 OFFSET 0) AS m

-- name: attempted
-- Attempts with what follows: acknowledged events leave the queue, others are due again ($10) or die ($11: reason).
WITH r AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::smallint[], $4::smallint[], $5::smallint[], $6::text[], $7::int[],
                         $8::bytea[], $9::boolean[], $10::float8[], $11::text[])
         AS r(plan_id, msg_id, n, tries, status, failure, latency_ms, excerpt, acknowledged, next_in_s, dead)
), gone AS (
    DELETE FROM hook_queue h USING r
    WHERE h.plan_id = r.plan_id AND h.msg_id = r.msg_id AND h.n = r.n AND (r.acknowledged OR r.dead IS NOT NULL)
    RETURNING h.plan_id, h.msg_id, h.n, h.origin, h.url
), again AS (
    UPDATE hook_queue h SET tries = r.tries, due_at = (SELECT trunkline_now()) + r.next_in_s * interval '1 second'
    FROM r WHERE h.plan_id = r.plan_id AND h.msg_id = r.msg_id AND h.n = r.n AND r.next_in_s IS NOT NULL
), died AS (
    INSERT INTO hook_dead (plan_id, msg_id, n, origin, url, tries, reason, died_at)
    SELECT g.plan_id, g.msg_id, g.n, g.origin, g.url, r.tries, r.dead, (SELECT trunkline_now())
    FROM gone g JOIN r ON r.plan_id = g.plan_id AND r.msg_id = g.msg_id AND r.n = g.n WHERE r.dead IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO hook_attempt (plan_id, msg_id, n, tries, at, status, failure, latency_ms, excerpt, next_at)
SELECT plan_id, msg_id, n, tries, (SELECT trunkline_now()), status, failure, latency_ms, excerpt,
       (SELECT trunkline_now()) + next_in_s * interval '1 second'
FROM r

-- name: acknowledged
-- The usual end: every event of the batch was answered 2xx.
WITH r AS (
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::smallint[], $4::smallint[], $5::smallint[], $6::int[])
         AS r(plan_id, msg_id, n, tries, status, latency_ms)
), gone AS (
    DELETE FROM hook_queue h USING r WHERE h.plan_id = r.plan_id AND h.msg_id = r.msg_id AND h.n = r.n
)
INSERT INTO hook_attempt (plan_id, msg_id, n, tries, at, status, latency_ms)
SELECT plan_id, msg_id, n, tries, (SELECT trunkline_now()), status, latency_ms FROM r

-- name: untake
-- Taken and not sent (the origin had no room after all): due again now.
UPDATE hook_queue h SET due_at = (SELECT trunkline_now())
FROM unnest($1::int[], $2::uuid[], $3::smallint[]) AS r(plan_id, msg_id, n)
WHERE h.plan_id = r.plan_id AND h.msg_id = r.msg_id AND h.n = r.n
