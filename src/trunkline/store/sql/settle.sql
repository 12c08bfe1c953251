-- name: settle
-- The one place where a message becomes final (or an UNKNOWN is corrected): under the guard that follows from the
-- status table, together with the row that will tell the customer. `move` goes before it; $1, $2: smallest and largest
-- msg_id of it; $3: whether to wake who delivers.
settled AS (
    UPDATE msg m
    SET status = t.status, error_code = t.error_code, final_at = (SELECT trunkline_now()),
        sent_at = coalesce(m.sent_at, t.sent_at), late = m.status IS NOT NULL,
        mccmnc = coalesce(t.mccmnc, m.mccmnc),
        resubmitted = m.resubmitted OR t.resubmitted
    FROM move t
    WHERE m.plan_id = ANY(ARRAY(SELECT plan_id FROM move)) AND m.msg_id = ANY(ARRAY(SELECT msg_id FROM move))
      AND m.msg_id BETWEEN $1 AND $2
      AND m.plan_id = t.plan_id AND m.msg_id = t.msg_id
      AND (m.status IS NULL OR (/* guard */ AND m.final_at > (SELECT trunkline_now()) - /* late window */))
    RETURNING m.plan_id, m.msg_id, m.account_id, m.callback_url, m.status, m.late, m.currency
), freed AS (  -- what it holds of a purse is looked at from now on
    UPDATE reserve SET due_at = (SELECT trunkline_now()) WHERE ctid = ANY (ARRAY(
        SELECT r.tid FROM settled s CROSS JOIN LATERAL (
            SELECT ctid AS tid FROM reserve WHERE plan_id = s.plan_id AND msg_id = s.msg_id OFFSET 0) AS r
        WHERE s.currency IS NOT NULL))
), told AS (
    INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)
    SELECT s.plan_id, lower(split_part(u.url, '/', 1) || '//' || split_part(split_part(u.url, '/', 3), '?', 1)), (SELECT trunkline_now()),
           s.msg_id, CASE WHEN s.late THEN 3 ELSE 2 END, s.callback_url IS NULL, u.url
    FROM settled s
    CROSS JOIN LATERAL (SELECT dlr_url, unknown_events FROM plan WHERE plan_id = s.plan_id OFFSET 0) AS p
    CROSS JOIN LATERAL (SELECT coalesce(s.callback_url, p.dlr_url,
                               (SELECT dlr_url FROM account a WHERE a.account_id = s.account_id)) AS url OFFSET 0) AS u
    WHERE u.url IS NOT NULL AND (s.status <> /* UNKNOWN */ OR p.unknown_events)
    RETURNING 1
), woken AS (
    SELECT pg_notify('hooks', '') WHERE $3::boolean AND EXISTS (SELECT FROM told)
)

-- name: apply
-- $5: whether the messages have several parts, whose receipts may have told the network.
WITH move AS (
    SELECT t.*, CASE WHEN $5::boolean THEN
               (SELECT max(o.mccmnc) FROM part_outcome o WHERE o.plan_id = t.plan_id AND o.msg_id = t.msg_id)
           END AS mccmnc
    FROM unnest($4::final_move[]) AS t
),
-- include: settle
SELECT plan_id, msg_id, (SELECT count(*) FROM woken) FROM settled

-- name: apply_receipts
-- Receipts ($5) of a carrier ($4) with the moves they cause: one that decides about its message (decides = 1) moves it,
-- one about a part of several (2) is counted, and looked at after the commit. $6: parked rows that found their message.
WITH r AS (
    SELECT * FROM unnest($5::told_receipt[]) WITH ORDINALITY
), move AS (
    SELECT plan_id, msg_id, status, error_code, sent_at, resubmitted, mccmnc FROM r WHERE decides = 1
),
-- include: settle
, kept AS (
    INSERT INTO receipt (carrier_id, link_id, received_at, canonical_id, plan_id, msg_id, part_no, stat, err, status,
                         error_code)
    SELECT $4, link_id, coalesce(received_at, (SELECT trunkline_now())), canonical_id, plan_id, msg_id, part_no, stat,
           err, status, error_code
    FROM r
), counted AS (
    INSERT INTO part_outcome (plan_id, msg_id, part_no, status, error_code, at_submit, at, mccmnc)
    SELECT plan_id, msg_id, part_no, status, error_code, false,
           (SELECT trunkline_now()) + ordinality * interval '1 microsecond',  -- which of them came first matters
           mccmnc
    FROM r WHERE decides = 2
    ON CONFLICT (plan_id, msg_id, part_no) DO UPDATE
        SET status = EXCLUDED.status, error_code = EXCLUDED.error_code, at_submit = false, at = EXCLUDED.at,
            mccmnc = coalesce(EXCLUDED.mccmnc, part_outcome.mccmnc)
        WHERE part_outcome.status IN (/* SENT */, /* UNKNOWN */)
), unparked AS (
    DELETE FROM parked WHERE park_id = ANY($6::bigint[])
)
SELECT plan_id, msg_id, (SELECT count(*) FROM woken) FROM settled

-- name: parts_ended
-- Parts that were refused or given up, or that the carrier has and sends no receipt of. What a receipt said stays; what was
-- given up, and is accepted late, is accepted.
INSERT INTO part_outcome (plan_id, msg_id, part_no, status, error_code, at_submit, at)
SELECT *, true, (SELECT trunkline_now()) FROM unnest($1::int[], $2::uuid[], $3::smallint[], $4::smallint[], $5::smallint[])
ON CONFLICT (plan_id, msg_id, part_no) DO UPDATE
    SET status = EXCLUDED.status, error_code = EXCLUDED.error_code, at = EXCLUDED.at
    WHERE part_outcome.status = /* UNKNOWN */ AND EXCLUDED.status = /* SENT */

-- name: part_states
-- Everything that decides about messages with several parts, read in a snapshot of its own after the commit.
SELECT m.plan_id, m.msg_id, m.parts, m.status,
       (SELECT array_agg(DISTINCT r.part_no) FROM ref r
        WHERE r.plan_id = m.plan_id AND r.msg_id = m.msg_id AND r.sent_at >= $3) AS accepted,
       (SELECT min(r.sent_at) FROM ref r
        WHERE r.plan_id = m.plan_id AND r.msg_id = m.msg_id AND r.sent_at >= $3) AS sent_at,
       (SELECT array_agg(ROW(o.part_no, o.status, o.error_code, o.at_submit) ORDER BY o.at, o.part_no)
        FROM part_outcome o WHERE o.plan_id = m.plan_id AND o.msg_id = m.msg_id) AS outcomes
FROM unnest($1::int[], $2::uuid[]) AS c(plan_id, msg_id)
CROSS JOIN LATERAL (
    SELECT * FROM msg WHERE msg.plan_id = c.plan_id AND msg.msg_id = c.msg_id AND msg.msg_id BETWEEN $4 AND $5 OFFSET 0) AS m
