-- name: candidates
-- Accepted parts with one of these ids at this carrier; who of them a receipt belongs to is decided by the recipient.
SELECT canonical_id, recipient, plan_id, msg_id, part_no, parts, resubmitted, sent_at
FROM ref WHERE carrier_id = $1 AND canonical_id = ANY($2::text[]) AND sent_at >= (SELECT trunkline_now()) - $3::interval

-- name: candidates_by_one
-- The same, for servers that would read all of the carrier's (store/runs.py).
SELECT r.*
FROM (SELECT DISTINCT id FROM unnest($2::text[]) AS id) AS i
CROSS JOIN LATERAL (
    SELECT canonical_id, recipient, plan_id, msg_id, part_no, parts, resubmitted, sent_at
    FROM ref WHERE carrier_id = $1 AND canonical_id = i.id AND sent_at >= (SELECT trunkline_now()) - $3::interval
    OFFSET 0) AS r

-- name: park
INSERT INTO parked (carrier_id, canonical_id, source, destination, received_at, link_id, stat, err, status, error_code,
                    raw_id, in_tlv, mccmnc, user_reference)
SELECT $1, r.canonical_id, r.source, r.destination, (SELECT trunkline_now()), r.link_id, r.stat, r.err, r.status,
       r.error_code, r.raw_id, r.in_tlv, r.mccmnc, r.user_reference
FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::smallint[], $9::smallint[],
            $10::text[], $11::boolean[], $12::text[], $13::int[])
     WITH ORDINALITY AS r(canonical_id, source, destination, link_id, stat, err, status, error_code, raw_id, in_tlv,
                          mccmnc, user_reference, n)
ORDER BY r.n
RETURNING park_id

-- name: parked
SELECT park_id, canonical_id, source, destination, received_at, link_id, stat, err, status, error_code, mccmnc
FROM parked WHERE carrier_id = $1 AND canonical_id = ANY($2::text[]) ORDER BY park_id

-- name: parked_by_one
-- The same, as candidates_by_one.
SELECT r.*
FROM (SELECT DISTINCT id FROM unnest($2::text[]) AS id) AS i
CROSS JOIN LATERAL (
    SELECT park_id, canonical_id, source, destination, received_at, link_id, stat, err, status, error_code, mccmnc
    FROM parked WHERE carrier_id = $1 AND canonical_id = i.id OFFSET 0) AS r
ORDER BY park_id

-- name: orphans
-- Receipts parked in the last $1 seconds whose part is known all the same: a crash came between a commit and the look
-- after it. A part that was known an hour before its receipt came was found by the look before that.
SELECT DISTINCT p.carrier_id, p.canonical_id FROM parked p
WHERE p.received_at > (SELECT trunkline_now()) - $1::int * interval '1 second'
  AND p.received_at < (SELECT trunkline_now()) - interval '2 seconds'
  AND EXISTS (SELECT FROM ref r WHERE r.carrier_id = p.carrier_id AND r.canonical_id = p.canonical_id
              AND r.sent_at > p.received_at - interval '1 hour')
LIMIT 1000

-- name: resolve_doubts
-- A receipt with an id that nobody knows, for a recipient that has exactly one part in doubt at this carrier, written
-- before the receipt came: it tells that the part was accepted. The part gets the ref row, and is charged, as the lost
-- response would have had it. Not before the receipt has waited two seconds: a response may still be on its way. Where
-- the receipt repeats the part's user_message_reference (mt/submit has the same rule), it is about parts with that one
-- only.
WITH waiting AS MATERIALIZED (
    SELECT d.carrier_id, d.recipient, d.plan_id, d.msg_id, d.part_no, p.canonical_id, p.link_id, p.user_reference
    FROM doubt d
    JOIN parked p ON p.carrier_id = d.carrier_id AND p.received_at >= d.claimed_at
         AND (p.source = d.recipient OR p.destination = d.recipient)
         AND coalesce(p.user_reference = (
                 (('x' || right(d.msg_id::text, 4))::bit(16) # ('x' || substr(d.msg_id::text, 20, 4))::bit(16))::bigint
                 * 40503 + d.part_no - 1) & 65535, true)
    WHERE p.received_at < (SELECT trunkline_now()) - interval '2 seconds'
      AND EXISTS (SELECT FROM doubt)  -- asked before anything is joined: a hundred thousand receipts may wait
), pair AS (
    SELECT min(w.canonical_id) AS canonical_id, min(w.link_id) AS link_id, w.carrier_id,
           min(w.msg_id::text)::uuid AS msg_id, min(w.plan_id) AS plan_id, min(w.part_no) AS part_no
    FROM waiting w
    WHERE NOT EXISTS (SELECT FROM ref r WHERE r.carrier_id = w.carrier_id AND r.canonical_id = w.canonical_id
                      AND r.sent_at > (SELECT trunkline_now()) - interval '35 days')
    GROUP BY w.carrier_id, w.recipient, w.user_reference
    HAVING count(DISTINCT (w.plan_id, w.msg_id, w.part_no)) = 1 AND count(DISTINCT w.canonical_id) = 1
    LIMIT 1000
), gone AS (
    DELETE FROM doubt d USING pair WHERE d.plan_id = pair.plan_id AND d.msg_id = pair.msg_id AND d.part_no = pair.part_no
    RETURNING d.*, pair.canonical_id, pair.link_id
), proven AS (
    SELECT g.*, m.parts, m.price_micro, m.ptf_micro, m.currency, m.country, (SELECT trunkline_now()) AS at
    FROM gone g JOIN msg m ON m.plan_id = g.plan_id AND m.msg_id = g.msg_id
), charged AS (
    INSERT INTO charge (plan_id, msg_id, part_no, price_micro, ptf_micro, currency, country, at)
    SELECT plan_id, msg_id, part_no, price_micro, ptf_micro, currency, country, at FROM proven WHERE currency IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO ref (carrier_id, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted,
                 claimed_at, sent_at)
SELECT carrier_id, canonical_id, recipient, plan_id, msg_id, part_no, parts, link_id, tries, resubmitted, claimed_at, at
FROM proven
RETURNING carrier_id, canonical_id

-- name: not_understood
INSERT INTO receipt (carrier_id, link_id, received_at, canonical_id, recipient, stat, err, status, error_code, raw)
SELECT $1, r.link_id, (SELECT trunkline_now()), r.canonical_id, r.recipient, r.stat, r.err, r.status, r.error_code, r.raw
FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::smallint[], $9::bytea[])
     AS r(link_id, canonical_id, recipient, stat, err, status, error_code, raw)

-- name: quarantine
INSERT INTO quarantine (carrier_id, link_id, at, reason, raw)
SELECT $1, r.link_id, (SELECT trunkline_now()), r.reason, r.raw
FROM unnest($2::int[], $3::text[], $4::bytea[]) AS r(link_id, reason, raw)

-- name: retire_parked
-- Receipts that waited in vain for $1 hours, and the oldest of more than $2: they stay as unmatched receipts. Returns how
-- many, at most 5000.
WITH gone AS (
    DELETE FROM parked WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM parked
        WHERE received_at < (SELECT trunkline_now()) - $1::int * interval '1 hour'
           OR park_id < (SELECT park_id FROM parked ORDER BY park_id DESC OFFSET $2::int LIMIT 1)
        ORDER BY park_id LIMIT 5000))
    RETURNING *
), kept AS (
    INSERT INTO receipt (carrier_id, link_id, received_at, canonical_id, recipient, stat, err, status, error_code, raw_id)
    SELECT carrier_id, link_id, received_at, canonical_id, destination, stat, err, status, error_code, raw_id FROM gone
)
SELECT count(*) FROM gone

-- name: note_response_ids
-- What ids in submit_sm_resp look like: $2 forms, $3 counts, $4 examples.
INSERT INTO response_id AS r (carrier_id, form, count, example, seen_at)
SELECT $1, s.form, s.count, s.example, (SELECT trunkline_now())
FROM unnest($2::text[], $3::bigint[], $4::text[]) AS s(form, count, example) ORDER BY s.form
ON CONFLICT (carrier_id, form) DO UPDATE
    SET count = r.count + EXCLUDED.count, example = EXCLUDED.example, seen_at = EXCLUDED.seen_at

-- name: unmatched_carriers
-- Carriers with receipts that wait for their message for more than two seconds ($1: its name, null for all).
SELECT c.carrier_id, c.name, c.dialect, p.count, p.first, p.last
FROM (SELECT carrier_id, count(*) AS count, min(received_at) AS first, max(received_at) AS last FROM parked
      WHERE received_at < (SELECT trunkline_now()) - interval '2 seconds' GROUP BY carrier_id) AS p
JOIN carrier c ON c.carrier_id = p.carrier_id
WHERE $1::text IS NULL OR c.name = $1 ORDER BY c.name

-- name: response_ids
SELECT form, count, example FROM response_id WHERE carrier_id = $1 ORDER BY count DESC, form

-- name: unmatched
-- The newest $2 of a carrier's.
SELECT coalesce(raw_id, canonical_id) AS raw_id, coalesce(in_tlv, false) AS in_tlv, source, destination FROM parked
WHERE carrier_id = $1 AND received_at < (SELECT trunkline_now()) - interval '2 seconds'
ORDER BY park_id DESC LIMIT $2

-- name: ids_of_recipients
-- The ids under which a carrier accepted messages to these numbers.
SELECT r.recipient, r.canonical_id
FROM (SELECT plan_id, msg_id FROM msg WHERE recipient = ANY ($2::text[]) ORDER BY msg_id DESC LIMIT 20000) AS m
JOIN ref r ON r.plan_id = m.plan_id AND r.msg_id = m.msg_id
WHERE r.carrier_id = $1 AND r.sent_at > (SELECT trunkline_now()) - interval '35 days'
