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
SELECT e.plan_id, e.msg_id, e.missing, m.parts, coalesce(l.up_at >= created.at, false) AS was_up, last.command_status,
       e.resubmitted, c.dialect
FROM unnest($1::int[], $2::uuid[], $3::int[], $4::bigint[], $5::boolean[])
     AS e(plan_id, msg_id, carrier_id, missing, resubmitted)
CROSS JOIN LATERAL (
    SELECT parts FROM msg WHERE msg.plan_id = e.plan_id AND msg.msg_id = e.msg_id OFFSET 0) AS m
CROSS JOIN LATERAL (
    SELECT to_timestamp(('x' || substr(replace(e.msg_id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) AS at) AS created
LEFT JOIN carrier_lease l ON l.carrier_id = e.carrier_id
LEFT JOIN carrier c ON c.carrier_id = e.carrier_id
LEFT JOIN LATERAL (
    SELECT a.command_status FROM attempt a WHERE a.plan_id = e.plan_id AND a.msg_id = e.msg_id
      AND a.ended_at >= created.at - interval '1 minute'
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
-- Messages with several parts that got an outcome in the last ten minutes and are still open: same reason.
SELECT DISTINCT o.plan_id, o.msg_id FROM part_outcome o
WHERE o.at > (SELECT trunkline_now()) - interval '10 minutes'
LIMIT 1000

-- name: try_task
SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))
