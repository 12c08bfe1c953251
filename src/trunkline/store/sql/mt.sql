-- name: accept
-- One batch of submissions in one commit: messages and their queue rows.
WITH batch AS (
    SELECT s.*, NULL::bigint AS price_micro, NULL::bigint AS ptf_micro, NULL::text AS currency, NULL::smallint AS code,
           t.at + s.validity_s * interval '1 second' AS expires_at, s.due_at > t.now AS waits
    FROM unnest($1::submission[]) AS s,
         (SELECT trunkline_now() AS now OFFSET 0) AS n,
         LATERAL (SELECT n.now, greatest(n.now, s.due_at) AS at) AS t
)
-- include: store_batch
SELECT pg_notify('mt', '') WHERE $2::boolean

-- name: accept_priced
-- As accept, for a batch in which some have a price.
WITH batch AS (
    SELECT s.*, t.at + s.validity_s * interval '1 second' AS expires_at, s.due_at > t.now AS waits
    FROM unnest($1::priced_submission[]) AS s,
         (SELECT trunkline_now() AS now OFFSET 0) AS n,
         LATERAL (SELECT n.now, greatest(n.now, s.due_at) AS at) AS t
)
-- include: store_batch
SELECT pg_notify('mt', '') WHERE $2::boolean

-- name: store_batch
-- A batch becomes messages and, of those that may be sent, their queue rows.
, stored AS (
    INSERT INTO msg (plan_id, msg_id, account_id, sender, recipient, body, callback_url, client_reference, country,
                     mccmnc, encoding, parts, expires_at, price_micro, ptf_micro, currency)
    SELECT plan_id, msg_id, account_id, sender, recipient, body, callback_url, client_reference, country,
           mccmnc, encoding, parts, expires_at, price_micro, ptf_micro, currency
    FROM batch
), queued AS (
    INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, expires_at)
    SELECT carrier_id, plan_id, priority, msg_id, (1::bigint << parts) - 1, parts, expires_at
    FROM batch WHERE code IS NULL AND waits IS NOT TRUE
), later AS (
    INSERT INTO mt_later (plan_id, msg_id, due_at, carrier_id, priority, missing, parts, expires_at)
    SELECT plan_id, msg_id, due_at, carrier_id, priority, (1::bigint << parts) - 1, parts, expires_at
    FROM batch WHERE code IS NULL AND waits
)

-- name: accept_keyed
-- As accept, for a batch in which some have a key. Whether a key is new is the primary key's to say, and no other batch
-- is waited for: who inserts a key holds two locks until its commit can be seen, first that of key and request, then
-- that of the key. Where the first is taken, the same request is in work (3); where only the second is, another request
-- with this key (4), or the same one is just letting go of its locks, in whatever order. A key that was stored, and is
-- not older than 24 h, gives no row (5). Returns those that were not stored, with the reason.
WITH judged AS MATERIALIZED (
    SELECT s.*, NULL::bigint AS price_micro, NULL::bigint AS ptf_micro, NULL::text AS currency, NULL::smallint AS code,
-- include: key_verdict
    FROM unnest($1::submission[], $3::text[], $4::bytea[])
         AS s(plan_id, msg_id, account_id, sender, recipient, body, callback_url, client_reference, country,
              encoding, parts, carrier_id, priority, validity_s, due_at, mccmnc, key, request_hash)
)
-- include: keep_keys
-- include: store_batch
-- include: keys_that_were_not_new

-- name: accept_priced_keyed
-- As accept_keyed, for a batch in which some have a price.
WITH judged AS MATERIALIZED (
    SELECT s.*,
-- include: key_verdict
    FROM unnest($1::priced_submission[], $3::text[], $4::bytea[])
         AS s(plan_id, msg_id, account_id, sender, recipient, body, callback_url, client_reference, country,
              encoding, parts, carrier_id, priority, validity_s, due_at, mccmnc, price_micro, ptf_micro, currency,
              code, key, request_hash)
)
-- include: keep_keys
-- include: store_batch
-- include: keys_that_were_not_new

-- name: key_verdict
           CASE WHEN key IS NULL THEN 0
                WHEN NOT pg_try_advisory_xact_lock(
                    hashtextextended(key, hashtextextended(encode(request_hash, 'hex'), plan_id))) THEN 3
                WHEN NOT pg_try_advisory_xact_lock(hashtextextended(key, plan_id)) THEN 4
                ELSE 0 END AS verdict

-- name: keep_keys
, kept AS (
    INSERT INTO idempotency AS i (plan_id, key, request_hash, msg_id, parts, mccmnc, at)
    SELECT plan_id, key, request_hash, msg_id, parts, mccmnc, (SELECT trunkline_now())
    FROM judged WHERE key IS NOT NULL AND verdict = 0
    ORDER BY plan_id, key
    ON CONFLICT (plan_id, key) DO UPDATE
        SET request_hash = EXCLUDED.request_hash, msg_id = EXCLUDED.msg_id, parts = EXCLUDED.parts,
            mccmnc = EXCLUDED.mccmnc, at = EXCLUDED.at
        WHERE i.at <= EXCLUDED.at - interval '24 hours'
    RETURNING msg_id
), chosen AS (
    SELECT j.*, j.key IS NULL OR k.msg_id IS NOT NULL AS is_new
    FROM judged j LEFT JOIN kept k ON k.msg_id = j.msg_id
), batch AS (
    SELECT s.*, t.at + s.validity_s * interval '1 second' AS expires_at, s.due_at > t.now AS waits
    FROM chosen s,
         (SELECT trunkline_now() AS now OFFSET 0) AS n,
         LATERAL (SELECT n.now, greatest(n.now, s.due_at) AS at) AS t
    WHERE s.is_new
)

-- name: keys_that_were_not_new
SELECT msg_id, CASE verdict WHEN 0 THEN 5 ELSE verdict END AS verdict, NULL AS woken FROM chosen WHERE NOT is_new
UNION ALL
SELECT NULL, 0, pg_notify('mt', '')::text WHERE $2::boolean

-- name: accept_new_keys
-- As accept_keyed, for a batch whose keys are all new, as they nearly always are: half the work. Where one is not, or is in
-- work, the table idempotency refuses its row, and nothing is stored.
WITH batch AS (
    SELECT s.*, NULL::bigint AS price_micro, NULL::bigint AS ptf_micro, NULL::text AS currency, NULL::smallint AS code,
           n.now, t.at + s.validity_s * interval '1 second' AS expires_at, s.due_at > n.now AS waits
    FROM unnest($1::submission[], $3::text[], $4::bytea[])
         AS s(plan_id, msg_id, account_id, sender, recipient, body, callback_url, client_reference, country,
              encoding, parts, carrier_id, priority, validity_s, due_at, mccmnc, key, request_hash),
         (SELECT trunkline_now() AS now OFFSET 0) AS n,
         LATERAL (SELECT greatest(n.now, s.due_at) AS at) AS t
)
-- include: store_batch
-- include: take_keys
SELECT pg_notify('mt', '') WHERE $2::boolean

-- name: accept_priced_new_keys
-- As accept_new_keys, for a batch in which some have a price.
WITH batch AS (
    SELECT s.*, n.now, t.at + s.validity_s * interval '1 second' AS expires_at, s.due_at > n.now AS waits
    FROM unnest($1::priced_submission[], $3::text[], $4::bytea[])
         AS s(plan_id, msg_id, account_id, sender, recipient, body, callback_url, client_reference, country,
              encoding, parts, carrier_id, priority, validity_s, due_at, mccmnc, price_micro, ptf_micro, currency,
              code, key, request_hash),
         (SELECT trunkline_now() AS now OFFSET 0) AS n,
         LATERAL (SELECT greatest(n.now, s.due_at) AS at) AS t
)
-- include: store_batch
-- include: take_keys
SELECT pg_notify('mt', '') WHERE $2::boolean

-- name: take_keys
-- A key in work has no hash here, and the table takes no row without one: see key_verdict. Of a statement's inserts the last
-- is made first, so the locks are held whatever the others wait for, and what is refused leaves nothing else to clean up.
, kept AS (
    INSERT INTO idempotency (plan_id, key, request_hash, msg_id, parts, mccmnc, at)
    SELECT plan_id, key,
           CASE WHEN pg_try_advisory_xact_lock(
                         hashtextextended(key, hashtextextended(encode(request_hash, 'hex'), plan_id)))
                 AND pg_try_advisory_xact_lock(hashtextextended(key, plan_id)) THEN request_hash END,
           msg_id, parts, mccmnc, now
    FROM batch WHERE key IS NOT NULL
)

-- name: begin_session
-- A lock that this session holds to its end, whatever ends it. Whoever must find out later whether a batch of this
-- session was committed tries it: once it is free, nothing that was asked here can happen any more, and what is not in
-- the table was never stored. (A lock taken by the statement itself would say so too early: where the statement waits
-- for the table, it has not been taken yet.)
SELECT pg_advisory_lock_shared($1)

-- name: session_is_over
SELECT pg_try_advisory_lock($1) AND pg_advisory_unlock($1)

-- name: which_stored
-- $3, $4: smallest and largest msg_id.
SELECT s.msg_id FROM unnest($1::int[], $2::uuid[]) AS s(plan_id, msg_id)
CROSS JOIN LATERAL (
    SELECT FROM msg
    WHERE msg.plan_id = s.plan_id AND msg.msg_id = s.msg_id AND msg.msg_id BETWEEN $3 AND $4 OFFSET 0) AS m

-- name: lane_scan
-- Non-empty lanes (carrier, priority, plan) of a carrier by a loose index scan: one probe a lane, whatever its depth.
WITH RECURSIVE lane AS (
    (SELECT priority, plan_id FROM mt_queue WHERE carrier_id = $1 ORDER BY priority DESC, plan_id DESC LIMIT 1)
    UNION ALL
    SELECT next.priority, next.plan_id
    FROM lane CROSS JOIN LATERAL (
        SELECT q.priority, q.plan_id FROM mt_queue q
        WHERE q.carrier_id = $1 AND (q.priority, q.plan_id) < (lane.priority, lane.plan_id)
        ORDER BY q.priority DESC, q.plan_id DESC LIMIT 1) AS next
)

-- name: lanes
-- include: lane_scan
SELECT priority, plan_id FROM lane LIMIT 5000

-- name: depths
-- How much each of a carrier's lanes holds, counted up to $2, and its first message.
-- include: lane_scan
SELECT lane.priority, lane.plan_id, held.count, head.msg_id
FROM (SELECT * FROM lane LIMIT 200) AS lane
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM mt_queue q
        WHERE q.carrier_id = $1 AND q.priority = lane.priority AND q.plan_id = lane.plan_id LIMIT $2) AS one) AS held
CROSS JOIN LATERAL (
    SELECT q.msg_id FROM mt_queue q
    WHERE q.carrier_id = $1 AND q.priority = lane.priority AND q.plan_id = lane.plan_id
    ORDER BY q.msg_id LIMIT 1) AS head

-- name: claim
-- The intent, committed before a byte goes to the carrier: rows leave the queue and stand in inflight, under the
-- lease of this dispatcher ($2). $3..$6: lanes with the last msg_id already taken from each (an in-memory floor: the
-- index entries of taken rows below it are not walked again while an old snapshot keeps them) and how many to look at.
-- $7: room in parts; $8: a message of so many parts may be taken although it needs more room, alone. $9: the number of
-- this claim, so that one whose answer was lost can be taken back. In the order of the queue. What is sent again after an
-- unknown outcome is taken alone: if it is what killed the dispatcher before, it takes no other with it.
WITH at AS MATERIALIZED (  -- one moment: the row's claimed_at is how its holder proves that it is his
    SELECT trunkline_now() AS now
), lane AS (
    SELECT l.* FROM unnest($3::smallint[], $4::int[], $5::uuid[], $6::int[]) WITH ORDINALITY
         AS l(priority, plan_id, after, take, turn)
    WHERE (SELECT epoch FROM carrier_lease WHERE carrier_id = $1) = $2
      AND (SELECT lease_until FROM dispatcher WHERE epoch = $2) > now()
), gone AS (
    DELETE FROM mt_queue WHERE ctid = ANY (ARRAY(
        SELECT tid FROM (
            SELECT q.tid, q.parts, sum(q.parts) OVER so_far AS upto, bool_or(q.resubmitted) OVER so_far AS again
            FROM lane CROSS JOIN LATERAL (
                SELECT ctid AS tid, msg_id, parts, resubmitted FROM mt_queue
                WHERE carrier_id = $1 AND priority = lane.priority AND plan_id = lane.plan_id AND msg_id > lane.after
                ORDER BY msg_id LIMIT lane.take FOR UPDATE SKIP LOCKED) AS q
            WINDOW so_far AS (ORDER BY lane.turn, q.msg_id)) AS w
        WHERE upto <= $7::int AND NOT again OR upto = parts AND parts <= greatest($7::int, $8::int)))
    RETURNING plan_id, priority, msg_id, missing, tries, resubmitted, expires_at
), noted AS (
    INSERT INTO inflight (plan_id, msg_id, part_no, carrier_id, epoch, claim_no, claimed_at, tries, resubmitted)
    SELECT plan_id, msg_id, 1, $1, $2, $9::int, (SELECT now FROM at), tries, resubmitted FROM gone WHERE missing = 1
    UNION ALL
    SELECT plan_id, msg_id, part, $1, $2, $9::int, (SELECT now FROM at), tries, resubmitted
    FROM gone CROSS JOIN generate_series(1, 63) AS part WHERE missing <> 1 AND (missing >> (part - 1)) & 1 = 1
)
SELECT plan_id, priority, msg_id, missing, tries, resubmitted, expires_at, (SELECT now FROM at) AS claimed_at FROM gone
ORDER BY msg_id

-- name: unclaim
-- Claims whose answer was lost: what was committed of them never went to the carrier, and goes back to the queue.
WITH gone AS (
    DELETE FROM inflight WHERE carrier_id = $1 AND epoch = $2 AND claim_no = ANY($3::int[])
    RETURNING plan_id, msg_id, part_no, tries, resubmitted
), back AS (
    SELECT plan_id, msg_id, bit_or(1::bigint << (part_no - 1)) AS missing, count(*) AS parts, max(tries) AS tries,
           bool_or(resubmitted) AS resubmitted
    FROM gone GROUP BY plan_id, msg_id
)
INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, tries, resubmitted, expires_at)
SELECT $1, b.plan_id, p.priority, b.msg_id, b.missing, b.parts, b.tries, b.resubmitted, m.expires_at
FROM back b
CROSS JOIN LATERAL (SELECT priority FROM plan WHERE plan_id = b.plan_id OFFSET 0) AS p
CROSS JOIN LATERAL (
    SELECT expires_at FROM msg WHERE msg.plan_id = b.plan_id AND msg.msg_id = b.msg_id OFFSET 0) AS m
ON CONFLICT (carrier_id, priority, plan_id, msg_id) DO UPDATE
    SET missing = mt_queue.missing | EXCLUDED.missing,
        parts = length(replace((mt_queue.missing | EXCLUDED.missing)::bit(64)::text, '0', '')),
        tries = greatest(mt_queue.tries, EXCLUDED.tries),
        resubmitted = mt_queue.resubmitted OR EXCLUDED.resubmitted
RETURNING msg_id

-- name: withdraw_later
DELETE FROM mt_later WHERE plan_id = $1 AND msg_id = $2 RETURNING missing, resubmitted

-- name: withdraw_queued
-- A message's rows leave the queue, whatever lane they are in: one probe a lane. A row that a claim has taken and not
-- committed yet is waited for: of both, exactly one gets it.
WITH RECURSIVE lane AS (
    (SELECT carrier_id, priority FROM mt_queue ORDER BY carrier_id, priority LIMIT 1)
    UNION ALL
    SELECT next.carrier_id, next.priority
    FROM lane CROSS JOIN LATERAL (
        SELECT q.carrier_id, q.priority FROM mt_queue q
        WHERE (q.carrier_id, q.priority) > (lane.carrier_id, lane.priority)
        ORDER BY q.carrier_id, q.priority LIMIT 1) AS next
)
DELETE FROM mt_queue WHERE ctid = ANY (ARRAY(
    SELECT q.tid FROM lane CROSS JOIN LATERAL (
        SELECT ctid AS tid FROM mt_queue
        WHERE carrier_id = lane.carrier_id AND priority = lane.priority AND plan_id = $1 AND msg_id = $2
        FOR UPDATE) AS q))
RETURNING missing, resubmitted

-- name: parts
SELECT parts FROM msg WHERE plan_id = $1 AND msg_id = $2

-- name: claimed
-- What to submit of claimed messages. $2, $3: smallest and largest msg_id, so that only their partitions are opened.
-- Whether the recipient opted out is asked here, later than in the statement that claims, where sender and recipient are
-- not known: of the plans ($4) that anybody opted out of, one probe of a key. A reply to the recipient goes out all the
-- same; $5: plans of whose messages it matters otherwise whether they are replies.
WITH minding AS MATERIALIZED (
    SELECT p.plan_id FROM unnest($4::int[]) AS p(plan_id)
    CROSS JOIN LATERAL (SELECT consent FROM plan WHERE plan_id = p.plan_id OFFSET 0) AS q
    CROSS JOIN LATERAL (SELECT true FROM opt_out WHERE plan_id = p.plan_id LIMIT 1) AS o
    WHERE q.consent->>'opt_out' IS DISTINCT FROM 'off'
)
SELECT c.n, m.sender, m.recipient, m.body, m.country, m.encoding, m.parts, m.status, m.mccmnc,
       CASE WHEN c.plan_id = ANY (ARRAY(SELECT plan_id FROM minding)) THEN (
           SELECT (SELECT true FROM keyword_reply r WHERE r.msg_id = c.msg_id) IS NULL
           FROM opt_out o
           WHERE o.plan_id = c.plan_id AND o.recipient = m.recipient AND o.sender = ANY (ARRAY['', m.sender])
           LIMIT 1) END IS TRUE AS opted_out,
       CASE WHEN c.plan_id = ANY ($5::int[])
            THEN (SELECT true FROM keyword_reply r WHERE r.msg_id = c.msg_id) END IS TRUE AS is_reply,
       m.price_micro, m.ptf_micro, m.currency
FROM unnest($1::msg_key[]) WITH ORDINALITY AS c(plan_id, msg_id, n)
CROSS JOIN LATERAL (
    SELECT * FROM msg WHERE msg.plan_id = c.plan_id AND msg.msg_id = c.msg_id AND msg.msg_id BETWEEN $2 AND $3 OFFSET 0) AS m

-- name: references
-- The concatenation references of messages with several parts: those that they have, and for the others the next ones of
-- their recipients. A turn that another session gave away at the same moment gives no row: ask again.
WITH m AS (
    SELECT m.plan_id, m.msg_id, m.n, hashtextextended(m.recipient, 0) AS hash, c.turn
    FROM unnest($1::int[], $2::uuid[], $3::text[]) WITH ORDINALITY AS m(plan_id, msg_id, recipient, n)
    LEFT JOIN LATERAL (
        SELECT turn FROM concat WHERE concat.msg_id = m.msg_id AND concat.plan_id = m.plan_id OFFSET 0) AS c ON true
), given AS (
    INSERT INTO concat (msg_id, plan_id, recipient_hash, turn)
    SELECT m.msg_id, m.plan_id, m.hash,
           coalesce(last.turn, -1) + row_number() OVER (PARTITION BY m.hash ORDER BY m.n) AS turn
    FROM m LEFT JOIN LATERAL (
        SELECT turn FROM concat WHERE recipient_hash = m.hash ORDER BY turn DESC LIMIT 1) AS last ON true
    WHERE m.turn IS NULL
    ORDER BY m.hash, 4
    ON CONFLICT DO NOTHING
    RETURNING plan_id, msg_id, turn
)
SELECT plan_id, msg_id, turn FROM m WHERE turn IS NOT NULL UNION ALL SELECT plan_id, msg_id, turn FROM given

-- name: accepted
-- Parts that the carrier accepted: facts, stored whoever reports them. inflight and doubt are cleared in passing.
WITH o AS (
    SELECT * FROM unnest($2::accepted_part[], $3::int[])
         AS o(canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted, claimed_at, routed)
),
-- include: store_accepted
INSERT INTO ref (carrier_id, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted,
                 claimed_at, sent_at, routed)
SELECT $1, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted, claimed_at,
       (SELECT trunkline_now()), routed
FROM o

-- name: store_accepted
landed AS (
    DELETE FROM inflight WHERE ctid = ANY (ARRAY(
        SELECT f.tid FROM o CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM inflight
            WHERE plan_id = o.plan_id AND msg_id = o.msg_id AND part_no = o.part_no OFFSET 0) AS f))
), cleared AS (
    DELETE FROM doubt WHERE ctid = ANY (ARRAY(
        SELECT d.tid FROM o CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM doubt
            WHERE plan_id = o.plan_id AND msg_id = o.msg_id AND part_no = o.part_no OFFSET 0) AS d))
)

-- name: accepted_and_told
-- As accepted, for a batch in which some of the plans $5 want SENT told, or some parts ($7) cost something. That it is the
-- message's first acceptance is for its row to say: whoever gives it a sent_at tells, and of two that try at once the second
-- finds it there. That a part is charged once, its key.
-- $3, $4: smallest and largest msg_id; $6: by which route and why, by position.
WITH o AS (
    SELECT * FROM unnest($2::accepted_part[], $6::int[])
         AS o(canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted, claimed_at, routed)
), at AS MATERIALIZED (
    SELECT trunkline_now() AS now
), wanted AS MATERIALIZED (
    SELECT o.plan_id, o.msg_id
    FROM (SELECT DISTINCT plan_id, msg_id FROM o WHERE plan_id = ANY($5::int[])) AS o
    CROSS JOIN LATERAL (SELECT sent_events FROM plan WHERE plan_id = o.plan_id OFFSET 0) AS p
    WHERE p.sent_events
),
-- include: store_accepted
, first AS (
    UPDATE msg m SET sent_at = (SELECT now FROM at)
    FROM wanted w
    WHERE m.plan_id = ANY($5) AND m.msg_id = ANY(ARRAY(SELECT msg_id FROM wanted)) AND m.msg_id BETWEEN $3 AND $4
      AND m.plan_id = w.plan_id AND m.msg_id = w.msg_id AND m.sent_at IS NULL AND m.status IS NULL
    RETURNING m.plan_id, m.msg_id, m.account_id, m.callback_url
), told AS (
    INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)
    SELECT f.plan_id, lower(split_part(u.url, '/', 1) || '//' || split_part(split_part(u.url, '/', 3), '?', 1)),
           (SELECT now FROM at), f.msg_id, 1, f.callback_url IS NULL, u.url
    FROM first f
    CROSS JOIN LATERAL (SELECT dlr_url FROM plan WHERE plan_id = f.plan_id OFFSET 0) AS p
    CROSS JOIN LATERAL (SELECT coalesce(f.callback_url, p.dlr_url,
                               (SELECT dlr_url FROM account a WHERE a.account_id = f.account_id)) AS url OFFSET 0) AS u
    WHERE u.url IS NOT NULL
    RETURNING 1
), woken AS (
    SELECT pg_notify('hooks', '') AS said WHERE EXISTS (SELECT FROM told)
), charged AS (
    INSERT INTO charge (plan_id, msg_id, part_no, price_micro, ptf_micro, currency, country, at)
    SELECT plan_id, msg_id, part_no, price_micro, ptf_micro, currency, country, (SELECT now FROM at)
    FROM unnest($7::charged_part[]) ORDER BY plan_id, msg_id, part_no
    ON CONFLICT DO NOTHING
), stored AS (
    INSERT INTO ref (carrier_id, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted,
                     claimed_at, sent_at, routed)
    SELECT $1, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted, claimed_at,
           (SELECT now FROM at), routed
    FROM o
)
SELECT said FROM woken

-- name: attempted
-- Attempts that were not accepted: the record, and the end of the intent; of that attempt's own (by its claimed_at): by
-- now the part may have been claimed again, by somebody else, who alone decides about it.
WITH o AS (
    SELECT * FROM unnest($2::int[], $3::uuid[], $4::smallint[], $5::int[], $6::smallint[], $7::timestamptz[],
                         $8::text[], $9::bigint[], $10::timestamptz[], $11::int[])
         AS o(plan_id, msg_id, part_no, link_id, tries, claimed_at, outcome, command_status, next_at, routed)
), landed AS (
    DELETE FROM inflight WHERE ctid = ANY (ARRAY(
        SELECT f.tid FROM o CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM inflight
            WHERE plan_id = o.plan_id AND msg_id = o.msg_id AND part_no = o.part_no AND claimed_at = o.claimed_at
            OFFSET 0) AS f))
    RETURNING plan_id, msg_id, part_no
), cleared AS (
    DELETE FROM doubt WHERE ctid = ANY (ARRAY(
        SELECT d.tid FROM o CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM doubt
            WHERE plan_id = o.plan_id AND msg_id = o.msg_id AND part_no = o.part_no AND claimed_at = o.claimed_at
            OFFSET 0) AS d))
    RETURNING plan_id, msg_id, part_no
), noted AS (
    INSERT INTO attempt (plan_id, msg_id, part_no, carrier_id, link_id, tries, claimed_at, ended_at, outcome,
                         command_status, next_at, routed)
    SELECT plan_id, msg_id, part_no, $1, link_id, tries, claimed_at, (SELECT trunkline_now()), outcome, command_status,
           next_at, routed
    FROM o
)
SELECT plan_id, msg_id, part_no FROM landed UNION ALL SELECT plan_id, msg_id, part_no FROM cleared

-- name: give_back
-- Parts that may be tried again now. Parts of one message meet in one row.
INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, tries, resubmitted, expires_at)
SELECT * FROM unnest($1::int[], $2::int[], $3::smallint[], $4::uuid[], $5::bigint[], $6::smallint[], $7::smallint[],
                     $8::boolean[], $9::timestamptz[])
ON CONFLICT (carrier_id, priority, plan_id, msg_id) DO UPDATE
    SET missing = mt_queue.missing | EXCLUDED.missing,
        parts = length(replace((mt_queue.missing | EXCLUDED.missing)::bit(64)::text, '0', '')),
        tries = greatest(mt_queue.tries, EXCLUDED.tries),
        resubmitted = mt_queue.resubmitted OR EXCLUDED.resubmitted

-- name: put_off
-- Parts that may be tried again at a later time. Parts of one message meet in one row, at the later of their times.
INSERT INTO mt_later (carrier_id, plan_id, priority, msg_id, missing, parts, tries, resubmitted, expires_at, due_at)
SELECT * FROM unnest($1::int[], $2::int[], $3::smallint[], $4::uuid[], $5::bigint[], $6::smallint[], $7::smallint[],
                     $8::boolean[], $9::timestamptz[], $10::timestamptz[])
ON CONFLICT (plan_id, msg_id) DO UPDATE
    SET missing = mt_later.missing | EXCLUDED.missing,
        parts = length(replace((mt_later.missing | EXCLUDED.missing)::bit(64)::text, '0', '')),
        tries = greatest(mt_later.tries, EXCLUDED.tries),
        resubmitted = mt_later.resubmitted OR EXCLUDED.resubmitted,
        due_at = greatest(mt_later.due_at, EXCLUDED.due_at)

-- name: cut_otherwise
-- Messages of which no part was submitted yet, and which this carrier takes in another number of parts than was counted:
-- they say so from now on, and go back to be claimed again. $7, $8: smallest and largest msg_id.
WITH o AS (
    SELECT * FROM unnest($2::int[], $3::smallint[], $4::uuid[], $5::timestamptz[], $6::smallint[])
         AS o(plan_id, priority, msg_id, claimed_at, parts)
), landed AS (
    DELETE FROM inflight WHERE ctid = ANY (ARRAY(
        SELECT f.tid FROM o CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM inflight
            WHERE plan_id = o.plan_id AND msg_id = o.msg_id AND claimed_at = o.claimed_at OFFSET 0) AS f))
    RETURNING plan_id, msg_id, tries, resubmitted
), free AS (
    SELECT plan_id, msg_id, max(tries) AS tries, bool_or(resubmitted) AS resubmitted FROM landed GROUP BY 1, 2
), cut AS (
    UPDATE msg m SET parts = o.parts FROM o
    WHERE m.plan_id = ANY(ARRAY(SELECT plan_id FROM free)) AND m.msg_id = ANY(ARRAY(SELECT msg_id FROM free))
      AND m.msg_id BETWEEN $7 AND $8 AND m.plan_id = o.plan_id AND m.msg_id = o.msg_id
    RETURNING m.plan_id, m.msg_id, m.parts, m.expires_at, o.priority
)
INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, tries, resubmitted, expires_at)
SELECT $1, c.plan_id, c.priority, c.msg_id, (1::bigint << c.parts) - 1, c.parts, f.tries, f.resubmitted, c.expires_at
FROM cut c JOIN free f ON f.plan_id = c.plan_id AND f.msg_id = c.msg_id
ON CONFLICT (carrier_id, priority, plan_id, msg_id) DO UPDATE
    SET missing = EXCLUDED.missing, parts = EXCLUDED.parts

-- name: put_in_doubt
-- Written to the carrier, outcome unknown. The plan says how long a receipt or a late response is waited for.
WITH o AS (
    SELECT * FROM unnest($2::int[], $3::uuid[], $4::smallint[], $5::text[], $6::smallint[], $7::timestamptz[])
         AS o(plan_id, msg_id, part_no, recipient, code, claimed_at)
), landed AS (
    DELETE FROM inflight WHERE ctid = ANY (ARRAY(
        SELECT f.tid FROM o CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM inflight
            WHERE plan_id = o.plan_id AND msg_id = o.msg_id AND part_no = o.part_no AND claimed_at = o.claimed_at
            OFFSET 0) AS f))
    RETURNING plan_id, msg_id, part_no, claimed_at, tries, resubmitted
)
INSERT INTO doubt (plan_id, msg_id, part_no, carrier_id, recipient, code, claimed_at, resolve_at, tries, resubmitted)
SELECT l.plan_id, l.msg_id, l.part_no, $1, o.recipient, o.code, l.claimed_at,
       (SELECT trunkline_now()) + p.resolve_after_s * interval '1 second', l.tries, l.resubmitted
FROM landed l
JOIN o ON o.plan_id = l.plan_id AND o.msg_id = l.msg_id AND o.part_no = l.part_no
CROSS JOIN LATERAL (SELECT resolve_after_s FROM plan WHERE plan_id = l.plan_id OFFSET 0) AS p
ON CONFLICT DO NOTHING

-- name: move_due
-- What was put off and is due now goes to the queue. Returns the lanes that got something.
WITH gone AS (
    DELETE FROM mt_later WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM mt_later WHERE due_at <= (SELECT trunkline_now()) ORDER BY due_at LIMIT 1000
        FOR UPDATE SKIP LOCKED))
    RETURNING *
), back AS (
    INSERT INTO mt_queue (carrier_id, plan_id, priority, msg_id, missing, parts, tries, resubmitted, expires_at)
    SELECT carrier_id, plan_id, priority, msg_id, missing, parts, tries, resubmitted, expires_at FROM gone
    ON CONFLICT (carrier_id, priority, plan_id, msg_id) DO UPDATE
        SET missing = mt_queue.missing | EXCLUDED.missing,
            parts = length(replace((mt_queue.missing | EXCLUDED.missing)::bit(64)::text, '0', '')),
            tries = greatest(mt_queue.tries, EXCLUDED.tries),
            resubmitted = mt_queue.resubmitted OR EXCLUDED.resubmitted
), woken AS (
    SELECT pg_notify('mt', 'again') FROM gone LIMIT 1
)
SELECT (SELECT count(*) FROM gone) AS moved, (SELECT count(*) FROM woken) AS woken
