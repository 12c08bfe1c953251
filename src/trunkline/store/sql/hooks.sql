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
-- Due events of some lanes, in the order in which they became due, behind a place and at most so many each.
-- Nothing is written: which of them are under way the caller knows. `disabled`: its configured URL is (of each lane's
-- account these are read once).
WITH lane AS MATERIALIZED (
    SELECT l.*, (SELECT array_agg(kind || ' ' || url) FROM hook_target
                 WHERE account_id = (SELECT account_id FROM plan p WHERE p.plan_id = l.plan_id)
                   AND disabled_at IS NOT NULL) AS disabled
    FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::uuid[], $5::smallint[], $6::int[])
         AS l(plan_id, origin, due_at, msg_id, n, take)
)
SELECT h.plan_id, h.msg_id, h.n, h.tries, h.origin, h.due_at, h.url, h.configured,
       h.configured AND lane.disabled IS NOT NULL
       AND CASE h.n WHEN 0 THEN 'mo ' ELSE 'dlr ' END || h.url = ANY(lane.disabled) AS disabled
FROM lane CROSS JOIN LATERAL (
    SELECT * FROM hook_queue
    WHERE origin = lane.origin AND plan_id = lane.plan_id AND (due_at, msg_id, n) > (lane.due_at, lane.msg_id, lane.n)
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
-- Attempts with what follows: the event is due again in $12 seconds, or dead for the reason $13. A configured URL is
-- noted as failing; it is disabled where it answered 410, or has only failed for 120 h.
WITH r AS (
    SELECT r.*, h.tid, h.configured FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::uuid[], $5::smallint[], $6::smallint[],
                         $7::text[], $8::smallint[], $9::text[], $10::int[], $11::bytea[], $12::float8[], $13::text[])
         AS r(plan_id, origin, due_at, msg_id, n, tries, url, status, failure, latency_ms, excerpt, next_in_s, dead)
    CROSS JOIN LATERAL (
        SELECT ctid AS tid, configured FROM hook_queue
        WHERE origin = r.origin AND plan_id = r.plan_id AND due_at = r.due_at AND msg_id = r.msg_id AND n = r.n
        OFFSET 0) AS h
), gone AS (
    DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(SELECT tid FROM r))
), again AS (
    INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, tries, configured, url)
    SELECT plan_id, origin, (SELECT trunkline_now()) + next_in_s * interval '1 second', msg_id, n, tries,
           configured, url
    FROM r WHERE next_in_s IS NOT NULL
), died AS (
    INSERT INTO hook_dead (plan_id, msg_id, n, origin, url, tries, reason, died_at)
    SELECT plan_id, msg_id, n, origin, url, tries, dead, (SELECT trunkline_now()) FROM r WHERE dead IS NOT NULL
), failing AS (
    SELECT p.account_id, f.kind, f.url, f.gone
    FROM (SELECT plan_id, CASE n WHEN 0 THEN 'mo' ELSE 'dlr' END AS kind, url, bool_or(status = 410) IS TRUE AS gone
          FROM r WHERE configured GROUP BY 1, 2, 3) AS f
    CROSS JOIN LATERAL (SELECT account_id FROM plan WHERE plan_id = f.plan_id OFFSET 0) AS p
), noted AS (
    INSERT INTO hook_target AS t (account_id, kind, url, failing_since, disabled_at, reason)
    SELECT account_id, kind, url, (SELECT trunkline_now()), CASE WHEN bool_or(gone) THEN (SELECT trunkline_now()) END,
           CASE WHEN bool_or(gone) THEN 'the receiver answered 410 Gone' END
    FROM failing f
    -- Most failures change nothing, and then nothing is locked.
    WHERE NOT EXISTS (
        SELECT FROM hook_target k WHERE k.account_id = f.account_id AND k.kind = f.kind AND k.url = f.url
          AND (k.disabled_at IS NOT NULL
               OR (NOT f.gone AND k.failing_since > (SELECT trunkline_now()) - interval '120 hours')))
    GROUP BY account_id, kind, url ORDER BY account_id, kind, url
    ON CONFLICT (account_id, kind, url) DO UPDATE
        SET disabled_at = (SELECT trunkline_now()), reason = coalesce(EXCLUDED.reason, 'only failures since ' ||
            to_char(t.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC')
        WHERE t.disabled_at IS NULL AND (EXCLUDED.disabled_at IS NOT NULL
              OR t.failing_since <= (SELECT trunkline_now()) - interval '120 hours')
    RETURNING account_id, kind, url, disabled_at, reason
), notice AS (
    INSERT INTO audit (actor, action, subject, detail)
    SELECT 'trunkline', 'webhook_url.disabled',
           'account ' || (SELECT public_id FROM account a WHERE a.account_id = noted.account_id),
           jsonb_build_object('kind', kind, 'url', url, 'reason', reason)
    FROM noted WHERE disabled_at IS NOT NULL
      AND EXISTS (SELECT FROM account a WHERE a.account_id = noted.account_id)
)
INSERT INTO hook_attempt (plan_id, msg_id, n, tries, at, status, failure, latency_ms, excerpt, next_at)
SELECT plan_id, msg_id, n, tries, (SELECT trunkline_now()), status, failure, latency_ms, excerpt,
       (SELECT trunkline_now()) + next_in_s * interval '1 second'
FROM r

-- name: acknowledged
-- The usual end: every event of the batch was answered 2xx.
WITH r AS (
    SELECT * FROM unnest($1::answered_hook[])
), gone AS (
    DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(
        SELECT h.tid FROM r CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM hook_queue
            WHERE origin = r.origin AND plan_id = r.plan_id AND due_at = r.due_at AND msg_id = r.msg_id AND n = r.n
            OFFSET 0) AS h))
    RETURNING plan_id, n, url, configured
), healthy AS (
    DELETE FROM hook_target WHERE ctid = ANY (ARRAY(
        SELECT t.tid
        FROM (SELECT DISTINCT plan_id, CASE n WHEN 0 THEN 'mo' ELSE 'dlr' END AS kind, url
              FROM gone WHERE configured) AS g
        CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM hook_target
            WHERE account_id = (SELECT account_id FROM plan p WHERE p.plan_id = g.plan_id) AND kind = g.kind
              AND url = g.url AND disabled_at IS NULL OFFSET 0) AS t))
)
INSERT INTO hook_attempt (plan_id, msg_id, n, tries, at, status, latency_ms, excerpt)
SELECT plan_id, msg_id, n, tries, (SELECT trunkline_now()), status, latency_ms, excerpt FROM r

-- name: overtaken
-- Events that a later one of the same message overtook: they are not sent any more.
DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(
    SELECT h.tid FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::uuid[], $5::smallint[])
         AS r(plan_id, origin, due_at, msg_id, n)
    CROSS JOIN LATERAL (
        SELECT ctid AS tid FROM hook_queue
        WHERE origin = r.origin AND plan_id = r.plan_id AND due_at = r.due_at AND msg_id = r.msg_id AND n = r.n
        OFFSET 0) AS h))

-- name: died
-- Events that become dead letters without an attempt, for the reasons $6.
WITH r AS (
    SELECT r.*, h.* FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::uuid[], $5::smallint[], $6::text[])
         AS r(plan_id, origin, due_at, msg_id, n, reason)
    CROSS JOIN LATERAL (
        SELECT ctid AS tid, tries, url FROM hook_queue
        WHERE origin = r.origin AND plan_id = r.plan_id AND due_at = r.due_at AND msg_id = r.msg_id AND n = r.n
        OFFSET 0) AS h
), gone AS (
    DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(SELECT tid FROM r))
)
INSERT INTO hook_dead (plan_id, msg_id, n, origin, url, tries, reason, died_at)
SELECT plan_id, msg_id, n, origin, url, tries, reason, (SELECT trunkline_now()) FROM r

-- name: waited_out
-- Events of lanes ($1, $2) that have waited for their receiver until their time was over, some of each lane: they become
-- dead letters. $3: how long after it was due that is, in seconds, for an event with 0, 1, 2, ... attempts.
WITH old AS MATERIALIZED (
    SELECT h.* FROM unnest($1::int[], $2::text[]) AS lane(plan_id, origin)
    CROSS JOIN LATERAL (
        SELECT ctid AS tid, * FROM hook_queue
        WHERE origin = lane.origin AND plan_id = lane.plan_id
          AND due_at < (SELECT trunkline_now()) - ($3::float8[])[array_length($3, 1)] * interval '1 second'
          AND due_at + $3[tries + 1] * interval '1 second' < (SELECT trunkline_now())
        ORDER BY due_at LIMIT 500 OFFSET 0) AS h
), gone AS (
    DELETE FROM hook_queue WHERE ctid = ANY (ARRAY(SELECT tid FROM old))
), died AS (
    INSERT INTO hook_dead (plan_id, msg_id, n, origin, url, tries, reason, died_at)
    SELECT plan_id, msg_id, n, origin, url, tries, 'the receiver was down until its time was over',
           (SELECT trunkline_now())
    FROM old
)
SELECT plan_id, origin, count(*) FROM old GROUP BY plan_id, origin

-- name: disabled
-- Configured URLs that are disabled.
SELECT t.account_id, a.public_id AS account, a.name AS account_name, t.kind, t.url, t.failing_since, t.disabled_at,
       t.reason
FROM hook_target t JOIN account a ON a.account_id = t.account_id
WHERE t.disabled_at IS NOT NULL AND ($1::int IS NULL OR t.account_id = $1)
ORDER BY t.disabled_at, t.account_id, t.kind, t.url

-- name: enable
-- Forgets that configured URLs of an account ($1) failed; $2, $3: only this kind, this URL.
DELETE FROM hook_target
WHERE account_id = $1 AND disabled_at IS NOT NULL AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR url = $3)
RETURNING kind, url

-- name: forget_dead
-- Forgets dead letters of more than $1 days, replayed or not, some at a time.
DELETE FROM hook_dead WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM hook_dead WHERE died_at < (SELECT trunkline_now()) - $1::int * interval '1 day'
    ORDER BY died_at LIMIT 2000))
RETURNING 1

-- name: forget_unused
-- Forgets what was known of URLs that are not configured any more: set again, they start afresh.
DELETE FROM hook_target t
WHERE NOT EXISTS (SELECT FROM plan p WHERE p.account_id = t.account_id
                  AND t.url = CASE t.kind WHEN 'mo' THEN p.mo_url ELSE p.dlr_url END)
  AND NOT EXISTS (SELECT FROM account a WHERE a.account_id = t.account_id
                  AND t.url = CASE t.kind WHEN 'mo' THEN a.mo_url ELSE a.dlr_url END)

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
