-- What routes are chosen by besides themselves: refusals of a message, carriers that are down, how well they deliver.

-- name: refusals
-- Of messages $1, the carriers that refused them, and whether for good. $2: the smallest msg_id, from whose time on
-- there may be attempts.
SELECT k.plan_id, k.msg_id, a.carrier_id, a.for_good
FROM unnest($1::msg_key[]) AS k(plan_id, msg_id)
CROSS JOIN LATERAL (
    SELECT carrier_id, bool_or(outcome = 'refused_for_good') AS for_good FROM attempt
    WHERE attempt.plan_id = k.plan_id AND attempt.msg_id = k.msg_id AND outcome IN ('refused', 'refused_for_good')
      AND ended_at >= to_timestamp(('x' || substr(replace($2::uuid::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)
                      - interval '1 minute'
    GROUP BY carrier_id OFFSET 0) AS a

-- name: stranded
-- Of carriers $1, those that have messages in their queue.
SELECT carrier_id FROM unnest($1::int[]) AS c(carrier_id)
WHERE EXISTS (SELECT FROM mt_queue q WHERE q.carrier_id = c.carrier_id)

-- name: waiting
-- Of one lane of a carrier ($1 carrier, $2 priority, $3 plan), the messages after $4 and what they are routed by.
SELECT q.msg_id, q.missing, q.tries, m.parts, m.sender, m.recipient, m.country, m.mccmnc
FROM (SELECT msg_id, missing, tries FROM mt_queue
      WHERE carrier_id = $1 AND priority = $2 AND plan_id = $3 AND msg_id > $4 ORDER BY msg_id LIMIT $5) AS q
CROSS JOIN LATERAL (
    SELECT parts, sender, recipient, country, mccmnc FROM msg
    WHERE msg.plan_id = $3 AND msg.msg_id = q.msg_id OFFSET 0) AS m
ORDER BY q.msg_id

-- name: divert
-- Messages of one lane ($1 carrier, $2 priority, $3 plan) go to the queues of other carriers: $4 messages, $5 carriers,
-- $6 by which route and why. Those that are claimed at the moment stay.
WITH o AS (
    SELECT * FROM unnest($4::uuid[], $5::int[], $6::int[]) AS o(msg_id, carrier_id, routed)
), at AS MATERIALIZED (
    SELECT trunkline_now() AS now
), gone AS (
    DELETE FROM mt_queue WHERE ctid = ANY (ARRAY(
        SELECT q.tid FROM o CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM mt_queue
            WHERE carrier_id = $1 AND priority = $2 AND plan_id = $3 AND msg_id = o.msg_id
            FOR UPDATE SKIP LOCKED) AS q))
    RETURNING msg_id, missing, parts, tries, resubmitted, expires_at
), moved AS (
    INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, tries, resubmitted, expires_at)
    SELECT o.carrier_id, $3, $2, g.msg_id, g.missing, g.parts, g.tries, g.resubmitted, g.expires_at
    FROM gone g JOIN o ON o.msg_id = g.msg_id
    ON CONFLICT (carrier_id, priority, plan_id, msg_id) DO UPDATE
        SET missing = mt_queue.missing | EXCLUDED.missing,
            parts = length(replace((mt_queue.missing | EXCLUDED.missing)::bit(64)::text, '0', '')),
            tries = greatest(mt_queue.tries, EXCLUDED.tries),
            resubmitted = mt_queue.resubmitted OR EXCLUDED.resubmitted
), noted AS (
    INSERT INTO attempt (plan_id, msg_id, part_no, carrier_id, tries, claimed_at, ended_at, outcome, next_at, routed)
    SELECT $3, g.msg_id, 1, $1, g.tries, at.now, at.now, 'diverted', at.now, o.routed
    FROM gone g JOIN o ON o.msg_id = g.msg_id, at
), woken AS (
    SELECT pg_notify('mt', 'again') FROM gone LIMIT 1
)
SELECT (SELECT count(*) FROM gone) AS moved, (SELECT count(*) FROM woken) AS woken

-- name: is_measured
-- Whether any route asks how well its carrier delivers.
SELECT EXISTS (SELECT FROM route WHERE active AND (min_delivery_percent IS NOT NULL OR max_receipt_s IS NOT NULL))

-- name: sending
-- Plans that have messages between two ids.
SELECT plan_id FROM plan p
WHERE EXISTS (SELECT FROM msg m WHERE m.plan_id = p.plan_id AND m.msg_id >= $1 AND m.msg_id < $2)

-- name: sampled
-- How the messages of plans $1 were delivered: the first $4 of each between ids $2 and $3, by position, that were
-- submitted at $5 or later. $6: DELIVERED.
SELECT r.carrier_id, m.country, count(*) AS messages, count(*) FILTER (WHERE m.status = $6::smallint) AS delivered,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM m.final_at - m.sent_at)::float8)
           FILTER (WHERE m.status = $6::smallint) AS p95_s
FROM unnest($1::int[]) AS p(plan_id)
CROSS JOIN unnest($2::uuid[], $3::uuid[]) AS slice(since, until)
CROSS JOIN LATERAL (
    SELECT msg_id, country, status, sent_at, final_at FROM msg
    WHERE msg.plan_id = p.plan_id AND msg.msg_id >= slice.since AND msg.msg_id < slice.until
    ORDER BY msg.msg_id LIMIT $4) AS m
CROSS JOIN LATERAL (
    SELECT carrier_id FROM ref WHERE ref.plan_id = p.plan_id AND ref.msg_id = m.msg_id AND ref.sent_at >= $5
    ORDER BY ref.sent_at DESC LIMIT 1) AS r
GROUP BY r.carrier_id, m.country

-- name: forget_quality
DELETE FROM carrier_quality

-- name: keep_quality
INSERT INTO carrier_quality (carrier_id, country, messages, delivered, p95_s, measured_at)
SELECT *, (SELECT trunkline_now()) FROM unnest($1::int[], $2::text[], $3::int[], $4::int[], $5::float8[])

-- name: quality
SELECT carrier_id, nullif(country, '') AS country, messages, delivered, p95_s, measured_at FROM carrier_quality
