-- name: candidates
-- Accepted parts with one of these ids at this carrier; who of them a receipt belongs to is decided by the recipient.
SELECT canonical_id, recipient, plan_id, msg_id, part_no, parts, resubmitted, sent_at
FROM ref WHERE carrier_id = $1 AND canonical_id = ANY($2::text[]) AND sent_at >= (SELECT trunkline_now()) - $3::interval

-- name: park
INSERT INTO parked (carrier_id, canonical_id, source, destination, received_at, link_id, stat, err, status, error_code)
SELECT $1, r.canonical_id, r.source, r.destination, (SELECT trunkline_now()), r.link_id, r.stat, r.err, r.status,
       r.error_code
FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::smallint[], $9::smallint[])
     WITH ORDINALITY AS r(canonical_id, source, destination, link_id, stat, err, status, error_code, n)
ORDER BY r.n
RETURNING park_id

-- name: parked
SELECT park_id, canonical_id, source, destination, received_at, link_id, stat, err, status, error_code
FROM parked WHERE carrier_id = $1 AND canonical_id = ANY($2::text[]) ORDER BY park_id

-- name: orphans
-- Parked receipts whose part is known all the same: a crash came between a commit and the look after it.
SELECT DISTINCT p.carrier_id, p.canonical_id FROM parked p
WHERE p.received_at > (SELECT trunkline_now()) - interval '10 minutes' AND p.received_at < (SELECT trunkline_now()) - interval '2 seconds'
  AND EXISTS (SELECT FROM ref r WHERE r.carrier_id = p.carrier_id AND r.canonical_id = p.canonical_id
              AND r.sent_at > (SELECT trunkline_now()) - interval '35 days')
LIMIT 1000

-- name: resolve_doubts
-- A receipt with an id that nobody knows, for a recipient that has exactly one part in doubt at this carrier, written
-- before the receipt came: it tells that the part was accepted. The part gets the ref row, and is charged, as the lost
-- response would have had it. Not before the receipt has waited two seconds: a response may still be on its way.
WITH pair AS (
    SELECT min(p.canonical_id) AS canonical_id, min(p.link_id) AS link_id, d.carrier_id, min(d.msg_id::text)::uuid AS msg_id,
           min(d.plan_id) AS plan_id, min(d.part_no) AS part_no
    FROM doubt d
    JOIN parked p ON p.carrier_id = d.carrier_id AND p.received_at >= d.claimed_at
         AND (p.source = d.recipient OR p.destination = d.recipient)
    WHERE p.received_at < (SELECT trunkline_now()) - interval '2 seconds'
      AND NOT EXISTS (SELECT FROM ref r WHERE r.carrier_id = p.carrier_id AND r.canonical_id = p.canonical_id
                      AND r.sent_at > (SELECT trunkline_now()) - interval '35 days')
    GROUP BY d.carrier_id, d.recipient
    HAVING count(DISTINCT (d.plan_id, d.msg_id, d.part_no)) = 1 AND count(DISTINCT p.canonical_id) = 1
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
-- Receipts that waited in vain: they stay as unmatched receipts, for the operator to see.
WITH gone AS (
    DELETE FROM parked WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM parked WHERE received_at < (SELECT trunkline_now()) - $1::int * interval '1 hour' LIMIT 5000))
    RETURNING *
)
INSERT INTO receipt (carrier_id, link_id, received_at, canonical_id, recipient, stat, err, status, error_code)
SELECT carrier_id, link_id, received_at, canonical_id, destination, stat, err, status, error_code FROM gone
