-- What was charged: rows that mt.accepted_and_told and dlr.resolve_doubts insert, summed up here.

-- name: charged
-- What each of these messages costs so far; those that nothing was charged for give no row. $2, $3: smallest and largest
-- msg_id.
SELECT c.msg_id, sum(c.price_micro)::bigint AS price_micro, sum(c.ptf_micro)::bigint AS ptf_micro
FROM unnest($1::msg_key[]) AS k(plan_id, msg_id)
CROSS JOIN LATERAL (
    SELECT msg_id, price_micro, ptf_micro FROM charge
    WHERE charge.plan_id = k.plan_id AND charge.msg_id = k.msg_id AND charge.msg_id BETWEEN $2 AND $3 OFFSET 0) AS c
GROUP BY c.msg_id

-- name: open_days
-- The days since the last folded one that are over by now: an hour later nothing is on its way into one of them.
SELECT day::date FROM usage_fold,
    generate_series(through + 1, ((SELECT trunkline_now()) - interval '25 hours') AT TIME ZONE 'UTC', '1 day') AS day
ORDER BY 1 LIMIT 100

-- name: fold
-- What was charged on the day $1, from $2 to $3, of messages of at most 75 days before.
INSERT INTO usage_day (day, plan_id, currency, country, parts, price_micro, ptf_micro)
SELECT $1::date, plan_id, currency, coalesce(country, ''), count(*), sum(price_micro), sum(ptf_micro)
FROM charge
WHERE at >= $2 AND at < $3 AND msg_id >= msg_id_floor($2 - interval '75 days') AND msg_id < msg_id_floor($3)
GROUP BY plan_id, currency, coalesce(country, '')
ON CONFLICT DO NOTHING

-- name: folded
UPDATE usage_fold SET through = $1 WHERE through < $1

-- name: usage
-- By day, plan, currency and country, from day $1 to day $2, of plan $3 (null: of all). Days that are not folded yet are
-- added up as they stand.
SELECT u.day, p.public_id AS plan, p.name AS plan_name, a.public_id AS account, a.name AS account_name, u.currency,
       nullif(u.country, '') AS country, u.parts, u.price_micro, u.ptf_micro
FROM (
    SELECT day, plan_id, currency, country, parts, price_micro, ptf_micro FROM usage_day
    WHERE day BETWEEN $1 AND $2
    UNION ALL
    SELECT (at AT TIME ZONE 'UTC')::date, plan_id, currency, coalesce(country, ''), count(*), sum(price_micro)::bigint,
           sum(ptf_micro)::bigint
    FROM charge
    WHERE at >= greatest($1::date, (SELECT through + 1 FROM usage_fold))::timestamp AT TIME ZONE 'UTC'
      AND at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2, 3, 4
) AS u
JOIN plan p ON p.plan_id = u.plan_id JOIN account a ON a.account_id = p.account_id
WHERE $3::int IS NULL OR u.plan_id = $3
ORDER BY u.day, a.name, p.name, u.currency, u.country
