-- What a batch is judged by before it is accepted: purses, spending, the guard's windows. Rows are locked in the order of
-- their keys (windows, then balances, then spending), so that batches of several processes never wait crosswise.

-- name: windows
-- The windows of counters $1..$3 (sorted), made where they are missing, and held.
INSERT INTO guard_window AS w (plan_id, rule, key, began_at, counted, numbers, stopped, expires_at)
SELECT plan_id, rule, key, (SELECT trunkline_now()), 0, '{}', 0, (SELECT trunkline_now())
FROM unnest($1::int[], $2::smallint[], $3::text[]) AS c(plan_id, rule, key)
ORDER BY plan_id, rule, key
ON CONFLICT (plan_id, rule, key) DO UPDATE SET counted = w.counted
RETURNING plan_id, rule, key, began_at, counted, numbers, stopped, stopped_at

-- name: balances
-- The balances of purses $1, $2 (sorted), held.
SELECT b.* FROM unnest($1::smallint[], $2::int[]) AS p(kind, subject_id)
CROSS JOIN LATERAL (
    SELECT kind, subject_id, currency, left_micro, empty_since FROM balance
    WHERE kind = p.kind AND subject_id = p.subject_id OFFSET 0 FOR UPDATE) AS b

-- name: spends
-- What plans $1 (sorted) spent in the period that it is now, held; made where it is missing. $2: how a period is written.
INSERT INTO spend AS s (plan_id, period, spent_micro)
SELECT plan_id, to_char((SELECT trunkline_now()) AT TIME ZONE 'UTC', form), 0
FROM unnest($1::int[], $2::text[]) AS c(plan_id, form) ORDER BY plan_id
ON CONFLICT (plan_id, period) DO UPDATE SET spent_micro = s.spent_micro
RETURNING plan_id, period, spent_micro, reached_at

-- name: put_windows
INSERT INTO guard_window AS w (plan_id, rule, key, began_at, counted, numbers, stopped, stopped_at, expires_at)
SELECT plan_id, rule, key, began_at, counted, numbers, stopped, stopped_at, expires_at
FROM unnest($1::guard_count[]) ORDER BY plan_id, rule, key
ON CONFLICT (plan_id, rule, key) DO UPDATE
    SET (began_at, counted, numbers, stopped, stopped_at, expires_at) =
        ROW(EXCLUDED.began_at, EXCLUDED.counted, EXCLUDED.numbers, EXCLUDED.stopped, EXCLUDED.stopped_at,
            EXCLUDED.expires_at)

-- name: put_balances
INSERT INTO balance AS b (kind, subject_id, currency, left_micro, empty_since)
SELECT * FROM unnest($1::smallint[], $2::int[], $3::text[], $4::bigint[], $5::timestamptz[]) AS p
ORDER BY 1, 2
ON CONFLICT (kind, subject_id) DO UPDATE SET left_micro = EXCLUDED.left_micro, empty_since = EXCLUDED.empty_since

-- name: put_spends
INSERT INTO spend AS s (plan_id, period, spent_micro, reached_at)
SELECT * FROM unnest($1::int[], $2::text[], $3::bigint[], $4::timestamptz[]) AS p ORDER BY 1, 2
ON CONFLICT (plan_id, period) DO UPDATE SET spent_micro = EXCLUDED.spent_micro, reached_at = EXCLUDED.reached_at

-- name: put_reserves
INSERT INTO reserve (plan_id, msg_id, kind, subject_id, period, held_micro)
SELECT * FROM unnest($1::int[], $2::uuid[], $3::smallint[], $4::int[], $5::text[], $6::bigint[])

-- name: notices
-- What happened ($1) to accounts (kind 0) and plans (kind 1) $2, $3, with details $4.
INSERT INTO audit (actor, action, subject, detail)
SELECT 'trunkline', n.action,
       CASE n.kind WHEN 0 THEN 'account ' || (SELECT public_id FROM account WHERE account_id = n.subject_id)
                   ELSE 'plan ' || (SELECT public_id FROM plan WHERE plan_id = n.subject_id) END, n.detail::jsonb
FROM unnest($1::text[], $2::smallint[], $3::int[], $4::text[]) AS n(action, kind, subject_id, detail)

-- name: forget_windows
-- Windows that are over, at most 10000.
DELETE FROM guard_window WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM guard_window WHERE expires_at <= (SELECT trunkline_now()) LIMIT 10000 FOR UPDATE SKIP LOCKED))
RETURNING plan_id

-- name: reserves_due
-- Messages that are final and still hold money: what they hold, what was charged of it, and whether more of it may still
-- be charged: a part is on its way or in doubt, or how one ended is not known. That ends with the time for corrections.
SELECT r.plan_id, r.msg_id, r.kind, r.subject_id, r.period, r.held_micro,
       (SELECT coalesce(sum(c.price_micro + c.ptf_micro), 0)::bigint FROM charge c
        WHERE c.plan_id = r.plan_id AND c.msg_id = r.msg_id) AS charged_micro,
       EXISTS (SELECT FROM inflight f WHERE f.plan_id = r.plan_id AND f.msg_id = r.msg_id)
       OR EXISTS (SELECT FROM doubt d WHERE d.plan_id = r.plan_id AND d.msg_id = r.msg_id) AS is_open,
       m.final_at > (SELECT trunkline_now()) - interval '31 days' AND (
           m.status = /* UNKNOWN */ OR m.resubmitted
           OR EXISTS (SELECT FROM part_outcome o WHERE o.plan_id = r.plan_id AND o.msg_id = r.msg_id
                      AND o.status = /* UNKNOWN */)) AS is_unknown
FROM (
    SELECT * FROM reserve WHERE due_at <= (SELECT trunkline_now()) ORDER BY due_at LIMIT 500 FOR UPDATE SKIP LOCKED) AS r
LEFT JOIN msg m ON m.plan_id = r.plan_id AND m.msg_id = r.msg_id

-- name: holding
SELECT r.msg_id FROM unnest($1::int[], $2::uuid[]) AS c(plan_id, msg_id)
CROSS JOIN LATERAL (SELECT msg_id FROM reserve WHERE plan_id = c.plan_id AND msg_id = c.msg_id OFFSET 0) AS r

-- name: reserve_of
-- What a message holds money of, and what a part of it costs, while its claim of $3 stands.
SELECT r.kind, r.subject_id, r.period, m.price_micro + m.ptf_micro AS part_micro
FROM (
    SELECT * FROM reserve WHERE plan_id = $1 AND msg_id = $2
      AND EXISTS (SELECT FROM inflight WHERE plan_id = $1 AND msg_id = $2 AND claimed_at = $3) FOR UPDATE) AS r
CROSS JOIN LATERAL (SELECT price_micro, ptf_micro FROM msg WHERE plan_id = $1 AND msg_id = $2 OFFSET 0) AS m

-- name: take_more
UPDATE balance SET left_micro = left_micro - $3
WHERE kind = $1 AND subject_id = $2 AND left_micro >= $3 RETURNING left_micro

-- name: spend_more
-- A plan whose cap is gone meanwhile may.
UPDATE spend SET spent_micro = spent_micro + $3
WHERE plan_id = $1 AND period = $2
  AND ($3 <= 0 OR spent_micro + $3 <= coalesce((SELECT cap_micro FROM term WHERE plan_id = $1), spent_micro + $3))
RETURNING spent_micro

-- name: hold_more
UPDATE reserve SET held_micro = held_micro + $3 WHERE plan_id = $1 AND msg_id = $2

-- name: drop_reserves
DELETE FROM reserve WHERE (plan_id, msg_id) IN (SELECT * FROM unnest($1::int[], $2::uuid[]))

-- name: look_later
UPDATE reserve SET due_at = (SELECT trunkline_now()) + l.after_s * interval '1 second'
FROM unnest($1::int[], $2::uuid[], $3::float8[]) AS l(plan_id, msg_id, after_s)
WHERE reserve.plan_id = l.plan_id AND reserve.msg_id = l.msg_id

-- name: give_back
-- Money that was reserved and not charged, to purses that are held.
UPDATE balance AS b SET left_micro = b.left_micro + p.micro,
       empty_since = CASE WHEN p.micro > 0 THEN NULL ELSE b.empty_since END
FROM unnest($1::smallint[], $2::int[], $3::bigint[]) AS p(kind, subject_id, micro)
WHERE b.kind = p.kind AND b.subject_id = p.subject_id

-- name: hold_spends
SELECT s.plan_id FROM unnest($1::int[], $2::text[]) AS p(plan_id, period)
CROSS JOIN LATERAL (
    SELECT plan_id FROM spend WHERE plan_id = p.plan_id AND period = p.period OFFSET 0 FOR UPDATE) AS s

-- name: unspend
UPDATE spend AS s SET spent_micro = s.spent_micro - p.micro
FROM unnest($1::int[], $2::text[], $3::bigint[]) AS p(plan_id, period, micro)
WHERE s.plan_id = p.plan_id AND s.period = p.period

-- name: ensure_balance
INSERT INTO balance (kind, subject_id, currency) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: balance_currency
SELECT currency FROM balance WHERE kind = $1 AND subject_id = $2

-- name: add
-- $3 more (or less) for the purse; no row where that would take more than is left.
UPDATE balance SET left_micro = left_micro + $3, empty_since = CASE WHEN $3 > 0 THEN NULL ELSE empty_since END
WHERE kind = $1 AND subject_id = $2 AND left_micro + $3 >= 0 RETURNING left_micro

-- name: entry
INSERT INTO balance_entry (kind, subject_id, micro, at, actor, note) VALUES ($1, $2, $3, (SELECT trunkline_now()), $4, $5)

-- name: shown_balances
SELECT b.kind, b.subject_id, CASE b.kind WHEN 0 THEN a.name ELSE pa.name || '/' || p.name END AS name, b.currency,
       b.left_micro, b.empty_since,
       (SELECT coalesce(sum(r.held_micro), 0)::bigint FROM reserve r
        WHERE r.kind = b.kind AND r.subject_id = b.subject_id) AS held_micro,
       (SELECT coalesce(sum(e.micro), 0)::bigint FROM balance_entry e
        WHERE e.kind = b.kind AND e.subject_id = b.subject_id) AS added_micro
FROM balance b
LEFT JOIN account a ON b.kind = 0 AND a.account_id = b.subject_id
LEFT JOIN plan p ON b.kind = 1 AND p.plan_id = b.subject_id
LEFT JOIN account pa ON pa.account_id = p.account_id
ORDER BY name, b.kind

-- name: shown_spends
-- What plans with a cap spent in the period that it is now.
SELECT t.plan_id, a.name || '/' || p.name AS name, l.currency, t.cap_micro, t.cap_per, coalesce(s.spent_micro, 0) AS spent_micro,
       s.reached_at
FROM term t JOIN plan p ON p.plan_id = t.plan_id JOIN account a ON a.account_id = p.account_id
LEFT JOIN price_list l ON l.price_list_id = t.price_list_id
LEFT JOIN spend s ON s.plan_id = t.plan_id AND s.period = to_char((SELECT trunkline_now()) AT TIME ZONE 'UTC',
    CASE t.cap_per WHEN 'day' THEN 'YYYY-MM-DD' ELSE 'YYYY-MM' END)
WHERE t.cap_micro IS NOT NULL ORDER BY 2

-- name: stops
-- Windows that stopped something, the newest first.
SELECT w.plan_id, a.name || '/' || p.name AS name, w.rule, w.key, w.began_at, w.counted, w.stopped, w.stopped_at
FROM guard_window w JOIN plan p ON p.plan_id = w.plan_id JOIN account a ON a.account_id = p.account_id
WHERE w.stopped > 0 ORDER BY w.stopped_at DESC LIMIT $1

-- name: open_windows
DELETE FROM guard_window WHERE plan_id = $1 AND key = ANY($2::text[]) RETURNING key
