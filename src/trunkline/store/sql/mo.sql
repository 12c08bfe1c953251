-- name: accept
-- Inbound messages with their webhook rows, in one commit. A repeat on another link within ten seconds (the carrier
-- did not see our answer) is the same message; a person may well say YES twice.
WITH m AS (
    SELECT * FROM unnest($2::int[], $3::uuid[], $4::int[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::text[], $11::bytea[])
         AS m(plan_id, msg_id, account_id, link_id, sender, recipient, body, binary_hex, keyword, digest)
), stored AS (
    INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, binary_hex, keyword,
                    digest, received_at)
    SELECT m.plan_id, m.msg_id, m.account_id, $1, m.link_id, m.sender, m.recipient, m.body, m.binary_hex, m.keyword,
           m.digest, (SELECT trunkline_now())
    FROM m
    WHERE NOT EXISTS (
        SELECT FROM mo o WHERE o.digest = m.digest AND o.carrier_id = $1 AND o.link_id <> m.link_id
          AND o.received_at > (SELECT trunkline_now()) - interval '10 seconds' AND o.msg_id >= $12)
      AND NOT EXISTS (
        SELECT FROM m e WHERE e.digest = m.digest AND e.link_id <> m.link_id AND e.msg_id < m.msg_id)
    RETURNING plan_id, msg_id, account_id
), told AS (
    INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)
    SELECT s.plan_id, lower(split_part(u.url, '/', 1) || '//' || split_part(split_part(u.url, '/', 3), '?', 1)), (SELECT trunkline_now()),
           s.msg_id, 0, true, u.url
    FROM stored s
    CROSS JOIN LATERAL (SELECT coalesce((SELECT mo_url FROM plan p WHERE p.plan_id = s.plan_id),
                               (SELECT mo_url FROM account a WHERE a.account_id = s.account_id)) AS url) AS u
    WHERE u.url IS NOT NULL
    RETURNING 1
), woken AS (
    SELECT pg_notify('hooks', '') WHERE EXISTS (SELECT FROM told)
)
SELECT count(*) AS stored, (SELECT count(*) FROM woken) FROM stored
