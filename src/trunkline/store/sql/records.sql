-- Reading records: one, and pages of them. Status is null until a message is final; then ref knows whether it was sent.
--
-- A page looks at no more than a bound of rows, newest first, whatever the filters keep of them; a recipient has an
-- index of its own. Rows of ref are looked for from a minute before the message was accepted (its id tells when), so
-- that only partitions that can hold them are opened.

-- name: sent
-- What the parts that a carrier accepted tell of message m while it is not final.
LEFT JOIN LATERAL (
    SELECT min(r.sent_at) AS sent_at, max(r.parts) AS parts, bool_or(r.resubmitted) AS resubmitted
    FROM ref r
    WHERE m.status IS NULL AND r.plan_id = m.plan_id AND r.msg_id = m.msg_id
      AND r.sent_at >= to_timestamp(
          ('x' || encode(substr(uuid_send(m.msg_id), 1, 6), 'hex'))::bit(48)::bigint / 1000.0) - interval '1 minute'
) AS sent ON true

-- name: columns
    m.plan_id, m.msg_id, m.sender, m.recipient, m.body,
    coalesce(m.status, CASE WHEN sent.sent_at IS NULL THEN 0 ELSE 1 END) AS status,
    m.error_code, coalesce(sent.parts, m.parts) AS parts, m.country, m.mccmnc,
    m.price_micro, m.ptf_micro, m.currency, coalesce(sent.sent_at, m.sent_at) AS sent_at, m.final_at,
    m.client_reference, m.resubmitted OR coalesce(sent.resubmitted, false) AS resubmitted, m.late

-- name: get
-- $1 plan, $2 msg_id
SELECT
-- include: columns
FROM msg m
-- include: sent
WHERE m.plan_id = $1 AND m.msg_id = $2

-- name: kept
-- Of the rows scanned, those that the filters keep, and where the scan ended if its bound ended it (else null). That
-- end is asked for only where too few were kept: until then the scan goes no further than it must.
kept AS MATERIALIZED (
    SELECT s.msg_id
    FROM scanned s
    WHERE ($6::text IS NULL OR s.sender = $6)
      AND ($7::text IS NULL OR s.country = $7)
      AND ($8::text IS NULL OR s.mccmnc = $8)
      AND CASE
          WHEN $9::smallint IS NULL THEN true
          WHEN $9 > 1 THEN s.status = $9
          ELSE s.status IS NULL AND ($9 = 1) = EXISTS (
              SELECT FROM ref r
              WHERE r.plan_id = $1 AND r.msg_id = s.msg_id
                AND r.sent_at >= to_timestamp(
                    ('x' || encode(substr(uuid_send(s.msg_id), 1, 6), 'hex'))::bit(48)::bigint / 1000.0)
                    - interval '1 minute')
          END
    LIMIT $5
), ended AS (
    SELECT CASE WHEN (SELECT count(*) FROM kept) < $5 THEN (SELECT msg_id FROM scanned OFFSET $4 - 1 LIMIT 1) END
           AS scan_end
)

-- name: shown
-- By keys only, within their own range, so that each partition is asked for what it can have.
FROM ended LEFT JOIN msg m
  ON m.plan_id = $1 AND m.msg_id = ANY(ARRAY(SELECT msg_id FROM kept))
 AND m.msg_id >= (SELECT msg_id FROM kept ORDER BY msg_id LIMIT 1)
 AND m.msg_id <= (SELECT msg_id FROM kept ORDER BY msg_id DESC LIMIT 1)

-- name: page
-- $1 plan, $2 first msg_id, $3 the one after the last, $4 rows to scan, $5 rows wanted, $6 sender, $7 country,
-- $8 mccmnc, $9 status
WITH scanned AS MATERIALIZED (
    SELECT msg_id, sender, country, mccmnc, status FROM msg
    WHERE plan_id = $1 AND msg_id >= $2 AND msg_id < $3
    ORDER BY msg_id DESC LIMIT $4
),
-- include: kept
SELECT ended.scan_end,
-- include: columns
-- include: shown
-- include: sent
ORDER BY m.msg_id DESC

-- name: page_recipient
-- As page; $10 recipient
WITH scanned AS MATERIALIZED (
    SELECT msg_id, sender, country, mccmnc, status FROM msg
    WHERE plan_id = $1 AND recipient = $10::text AND msg_id >= $2 AND msg_id < $3
    ORDER BY msg_id DESC LIMIT $4
),
-- include: kept
SELECT ended.scan_end,
-- include: columns
-- include: shown
-- include: sent
ORDER BY m.msg_id DESC

-- name: page_inbound
-- $1 plan, $2 first msg_id, $3 the one after the last, $4 rows to scan, $5 rows wanted, $6 sender, $7 recipient
WITH scanned AS MATERIALIZED (
    SELECT msg_id, sender, recipient FROM mo
    WHERE plan_id = $1 AND msg_id >= $2 AND msg_id < $3
    ORDER BY msg_id DESC LIMIT $4
), kept AS MATERIALIZED (
    SELECT msg_id FROM scanned
    WHERE ($6::text IS NULL OR sender = $6) AND ($7::text IS NULL OR recipient = $7)
    LIMIT $5
), ended AS (
    SELECT CASE WHEN (SELECT count(*) FROM kept) < $5 THEN (SELECT msg_id FROM scanned OFFSET $4 - 1 LIMIT 1) END
           AS scan_end
)
SELECT ended.scan_end, m.plan_id, m.msg_id, m.sender, m.recipient, m.body, m.binary_hex, m.keyword, m.partial,
       m.received_at
FROM ended LEFT JOIN mo m
  ON m.plan_id = $1 AND m.msg_id = ANY(ARRAY(SELECT msg_id FROM kept))
 AND m.msg_id >= (SELECT msg_id FROM kept ORDER BY msg_id LIMIT 1)
 AND m.msg_id <= (SELECT msg_id FROM kept ORDER BY msg_id DESC LIMIT 1)
ORDER BY m.msg_id DESC
