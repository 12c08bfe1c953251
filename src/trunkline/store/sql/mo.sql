-- name: told
-- The webhook rows of messages just stored.
told AS (
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

-- name: accept
-- Messages of one part with their webhook rows, in one commit; those that were stored, with their plans. A message is the
-- same as one of the last 24 h ($1, $2: between which msg_ids) if the carrier may not know that it was taken, or if it
-- comes on another bind within ten seconds. Then it is where and when it was taken last that counts: a person may say
-- YES twice.
WITH m AS (
    SELECT r.*, o.plan_id AS known_plan_id, o.msg_id AS known_msg_id
    FROM unnest($3::int[], $4::uuid[], $5::int[], $6::int[], $7::int[], $8::text[], $9::text[], $10::text[], $11::text[],
                $12::text[], $13::bytea[], $14::bigint[])
         AS r(plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, binary_hex, keyword, digest,
              bind_id)
    LEFT JOIN LATERAL (
        SELECT mo.plan_id, mo.msg_id FROM mo
        WHERE mo.digest = r.digest AND mo.carrier_id = r.carrier_id AND mo.msg_id BETWEEN $1 AND $2
          AND (mo.bind_id <> r.bind_id AND mo.taken_at > (SELECT trunkline_now()) - interval '10 seconds'
               OR mo.taken_at >= (
                   SELECT coalesce(b.unsure_from, CASE WHEN NOT EXISTS (SELECT FROM dispatcher d WHERE d.epoch = b.epoch)
                                                       THEN b.alive_at - interval '30 seconds' END)
                   FROM mo_bind b WHERE b.bind_id = mo.bind_id))
        LIMIT 1 OFFSET 0) AS o ON true
), stored AS (
    INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, binary_hex, keyword,
                    digest, received_at, bind_id, taken_at)
    SELECT m.plan_id, m.msg_id, m.account_id, m.carrier_id, m.link_id, m.sender, m.recipient, m.body, m.binary_hex,
           m.keyword, m.digest, (SELECT trunkline_now()), m.bind_id, (SELECT trunkline_now())
    FROM m WHERE m.known_msg_id IS NULL
    RETURNING plan_id, msg_id, account_id
), repeated AS (
    UPDATE mo SET bind_id = m.bind_id, taken_at = (SELECT trunkline_now())
    FROM m
    WHERE mo.plan_id = ANY (ARRAY(SELECT known_plan_id FROM m)) AND mo.msg_id = ANY (ARRAY(SELECT known_msg_id FROM m))
      AND mo.msg_id BETWEEN $1 AND $2
      -- For servers before 17, which read all that lies between (store/runs.py).
      AND mo.msg_id >= (SELECT known_msg_id FROM m WHERE known_msg_id IS NOT NULL ORDER BY 1 LIMIT 1)
      AND mo.msg_id <= (SELECT known_msg_id FROM m WHERE known_msg_id IS NOT NULL ORDER BY 1 DESC LIMIT 1)
      AND mo.plan_id = m.known_plan_id AND mo.msg_id = m.known_msg_id
),
-- include: told
SELECT msg_id, plan_id, (SELECT count(*) FROM woken) FROM stored

-- name: begin_binds
INSERT INTO mo_bind (carrier_id, epoch, alive_at)
SELECT $1::int, $2::bigint, (SELECT trunkline_now()) FROM generate_series(1, $3::int)
RETURNING bind_id

-- name: end_binds
-- Binds that ended, each with the age in seconds of what the carrier surely knows to be taken.
UPDATE mo_bind b SET unsure_from = (SELECT trunkline_now()) - e.age_s * interval '1 second'
FROM unnest($1::bigint[], $2::float8[]) AS e(bind_id, age_s)
WHERE b.bind_id = ANY ($1::bigint[]) AND b.bind_id = e.bind_id AND b.unsure_from IS NULL

-- name: keep_binds
UPDATE mo_bind SET alive_at = (SELECT trunkline_now()) WHERE bind_id = ANY ($1::bigint[])

-- name: forget_binds
-- A message is compared with those of 24 hours.
DELETE FROM mo_bind b
WHERE b.alive_at < (SELECT trunkline_now()) - interval '25 hours'
  AND (b.unsure_from IS NOT NULL OR NOT EXISTS (SELECT FROM dispatcher d WHERE d.epoch = b.epoch))

-- name: keep_parts
-- The same part twice is one. The sets that got a part.
INSERT INTO mo_part (set_key, part_no, digest, carrier_id, link_id, source, destination, total, codec, locking, single,
                     octets, received_at)
SELECT r.set_key, r.part_no, r.digest, r.carrier_id, r.link_id, r.source, r.destination, r.total, r.codec, r.locking,
       r.single, r.octets, (SELECT trunkline_now())
FROM unnest($1::bytea[], $2::smallint[], $3::bytea[], $4::int[], $5::int[], $6::text[], $7::text[], $8::smallint[],
            $9::text[], $10::smallint[], $11::smallint[], $12::bytea[]) WITH ORDINALITY
     AS r(set_key, part_no, digest, carrier_id, link_id, source, destination, total, codec, locking, single, octets, n)
ORDER BY r.n
ON CONFLICT (set_key, part_no, digest) DO NOTHING
RETURNING set_key

-- name: lock_sets
-- Until the end of the transaction, in the order given: whoever looks at a set does so alone.
SELECT pg_advisory_xact_lock(n) FROM unnest($1::bigint[]) AS n

-- name: sets
-- All parts of some sets, set by set in the order in which they came, those that were joined in the last hour included.
SELECT set_key, part_no, digest, carrier_id, link_id, source, destination, total, codec, locking, single, octets,
       received_at, msg_id, joined_at, received_at <= (SELECT trunkline_now()) - interval '1 hour' AS overdue
FROM mo_part
WHERE set_key = ANY ($1::bytea[])
  AND (joined_at IS NULL OR joined_at > (SELECT trunkline_now()) - interval '1 hour')
ORDER BY set_key, arrival

-- name: store_joined
-- Messages made of parts, with their webhook rows.
WITH stored AS (
    INSERT INTO mo (plan_id, msg_id, account_id, carrier_id, link_id, sender, recipient, body, binary_hex, keyword,
                    digest, partial, received_at)
    SELECT * FROM unnest($1::int[], $2::uuid[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::text[],
                         $9::text[], $10::text[], $11::bytea[], $12::boolean[], $13::timestamptz[])
    RETURNING plan_id, msg_id, account_id
),
-- include: told
SELECT plan_id, (SELECT count(*) FROM woken) FROM stored

-- name: end_parts
UPDATE mo_part p SET msg_id = e.msg_id, joined_at = coalesce(e.joined_at, (SELECT trunkline_now())), octets = NULL
FROM unnest($1::bytea[], $2::smallint[], $3::bytea[], $4::uuid[], $5::timestamptz[])
     AS e(set_key, part_no, digest, msg_id, joined_at)
WHERE p.set_key = ANY ($1::bytea[]) AND p.set_key = e.set_key AND p.part_no = e.part_no AND p.digest = e.digest

-- name: sets_due
-- Sets to look at: with a part that has waited for an hour, or complete and not joined, since a crash came between the
-- commit and the look.
WITH recent AS (
    SELECT DISTINCT set_key FROM mo_part
    WHERE joined_at IS NULL AND received_at > (SELECT trunkline_now()) - interval '10 minutes'
      AND received_at < (SELECT trunkline_now()) - interval '2 seconds'
)
SELECT set_key FROM (
    SELECT set_key FROM mo_part
    WHERE joined_at IS NULL AND received_at <= (SELECT trunkline_now()) - interval '1 hour'
    ORDER BY received_at LIMIT $1) AS overdue
UNION
(SELECT set_key FROM mo_part WHERE joined_at IS NULL AND set_key IN (SELECT set_key FROM recent)
 GROUP BY set_key HAVING count(DISTINCT part_no) = min(total) LIMIT $1)

-- name: forget_parts
-- Joined an hour ago.
DELETE FROM mo_part WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM mo_part WHERE joined_at <= (SELECT trunkline_now()) - interval '1 hour'
    ORDER BY joined_at LIMIT $1 FOR UPDATE SKIP LOCKED))

-- name: unmatched
-- Messages to destinations that no plan has ($1: this plan_id), the newest first.
SELECT m.msg_id, m.received_at, c.name AS carrier, m.sender, m.recipient, m.body, m.binary_hex, m.partial
FROM mo m LEFT JOIN carrier c ON c.carrier_id = m.carrier_id
WHERE m.plan_id = $1 ORDER BY m.msg_id DESC LIMIT $2
