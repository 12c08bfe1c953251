-- name: doubts_due
DELETE FROM doubt WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM doubt WHERE resolve_at <= (SELECT trunkline_now()) ORDER BY resolve_at LIMIT 500 FOR UPDATE SKIP LOCKED))
RETURNING plan_id, msg_id, part_no, carrier_id, code, tries, resubmitted

-- name: doubt_context
-- What decides about a part in doubt whose time is over.
SELECT c.n, m.parts, m.expires_at, m.status, p.at_least_once, p.priority, m.expires_at > (SELECT trunkline_now()) AS valid,
       EXISTS (SELECT FROM ref r WHERE r.plan_id = c.plan_id AND r.msg_id = c.msg_id AND r.part_no = c.part_no) AS accepted
FROM unnest($1::int[], $2::uuid[], $3::smallint[]) WITH ORDINALITY AS c(plan_id, msg_id, part_no, n)
JOIN msg m ON m.plan_id = c.plan_id AND m.msg_id = c.msg_id
JOIN plan p ON p.plan_id = c.plan_id

-- name: mark_resubmitted
UPDATE msg SET resubmitted = true
WHERE (plan_id, msg_id) IN (SELECT * FROM unnest($1::int[], $2::uuid[])) AND NOT resubmitted

-- name: expired_queued
-- Queued beyond their validity: they leave the queue for good.
DELETE FROM mt_queue WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM mt_queue WHERE expires_at <= (SELECT trunkline_now()) LIMIT 1000 FOR UPDATE SKIP LOCKED))
RETURNING plan_id, msg_id, carrier_id, missing, resubmitted

-- name: expired_later
DELETE FROM mt_later WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM mt_later WHERE expires_at <= (SELECT trunkline_now()) LIMIT 1000 FOR UPDATE SKIP LOCKED))
RETURNING plan_id, msg_id, carrier_id, missing, resubmitted

-- name: expired_context
-- Why they waited. $1..$5: messages that left their queue, with their missing parts; those that are final need nothing
-- more. What the carrier said last counts, not that an attempt came to nothing on our side.
SELECT e.plan_id, e.msg_id, e.missing, m.parts, coalesce(l.up_at >= created.at, false) AS was_up, last.command_status,
       e.resubmitted, (SELECT c.dialect::text FROM carrier c WHERE c.carrier_id = e.carrier_id) AS dialect
FROM unnest($1::int[], $2::uuid[], $3::int[], $4::bigint[], $5::boolean[])
     AS e(plan_id, msg_id, carrier_id, missing, resubmitted)
CROSS JOIN LATERAL (
    SELECT parts FROM msg WHERE msg.plan_id = e.plan_id AND msg.msg_id = e.msg_id AND msg.status IS NULL OFFSET 0) AS m
CROSS JOIN LATERAL (
    SELECT to_timestamp(('x' || substr(replace(e.msg_id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) AS at) AS created
LEFT JOIN LATERAL (SELECT up_at FROM carrier_lease WHERE carrier_id = e.carrier_id OFFSET 0) AS l ON true
LEFT JOIN LATERAL (
    SELECT a.command_status FROM attempt a WHERE a.plan_id = e.plan_id AND a.msg_id = e.msg_id
      AND a.ended_at >= created.at - interval '1 minute' AND a.command_status IS NOT NULL
    ORDER BY a.ended_at DESC LIMIT 1) AS last ON true

-- name: without_receipt
-- Submitted messages whose validity ended $3 seconds ago and that are still open, of one day's partition.
SELECT m.plan_id, m.msg_id,
       (SELECT r.error_code FROM receipt r WHERE r.plan_id = m.plan_id AND r.msg_id = m.msg_id
        ORDER BY r.received_at DESC LIMIT 1) AS last_code
FROM msg m
WHERE m.msg_id >= $1 AND m.msg_id < $2 AND m.status IS NULL
  AND m.expires_at < (SELECT trunkline_now()) - $3::int * interval '1 second'
  AND NOT EXISTS (SELECT FROM doubt d WHERE d.plan_id = m.plan_id AND d.msg_id = m.msg_id)
  AND NOT EXISTS (SELECT FROM inflight f WHERE f.plan_id = m.plan_id AND f.msg_id = m.msg_id)
LIMIT 1000

-- name: open_parts
-- Messages with several parts that are open although all of their parts ended, or one failed ($2), and one of them did
-- after $1: nobody looked.
SELECT o.plan_id, o.msg_id
FROM (SELECT DISTINCT plan_id, msg_id FROM part_outcome WHERE at > $1) AS o
CROSS JOIN LATERAL (
    SELECT parts FROM msg
    WHERE msg.plan_id = o.plan_id AND msg.msg_id = o.msg_id AND msg.status IS NULL OFFSET 0) AS m
CROSS JOIN LATERAL (
    SELECT count(*) AS count, bool_or(status = $2::smallint) AS failed FROM part_outcome p
    WHERE p.plan_id = o.plan_id AND p.msg_id = o.msg_id OFFSET 0) AS ended
WHERE ended.count >= m.parts OR ended.failed
LIMIT 1000

-- name: forget_parts
-- Outcomes of parts go when their messages can change no more; references when no part can be sent again.
WITH outcomes AS (
    DELETE FROM part_outcome WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM part_outcome WHERE at < (SELECT trunkline_now()) - interval '75 days' LIMIT 1000))
    RETURNING 1
), refs AS (
    DELETE FROM concat WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM concat WHERE msg_id < msg_id_floor((SELECT trunkline_now()) - interval '40 days') LIMIT 1000))
    RETURNING 1
)
SELECT (SELECT count(*) FROM outcomes) + (SELECT count(*) FROM refs)

-- name: try_task
SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))
