-- All that is known of one message, for an operator who asks. Not on the path of a message.

-- name: message
-- By msg_id alone: no index leads with it, so it is looked for under each plan; the id's time picks the partition.
SELECT m.plan_id, m.msg_id, p.public_id AS plan, p.name AS plan_name, a.public_id AS account, a.name AS account_name,
       m.sender, m.recipient, m.body, m.callback_url, m.client_reference, m.country, m.mccmnc, m.encoding, m.parts,
       m.expires_at, m.price_micro, m.currency, m.status, m.error_code, m.sent_at, m.final_at, m.resubmitted, m.late
FROM msg m LEFT JOIN plan p ON p.plan_id = m.plan_id LEFT JOIN account a ON a.account_id = m.account_id
WHERE m.plan_id = ANY (ARRAY(SELECT plan_id FROM plan)) AND m.msg_id = $1;

-- name: inbound
SELECT m.plan_id, m.msg_id, p.public_id AS plan, p.name AS plan_name, a.public_id AS account, a.name AS account_name,
       m.sender, m.recipient, m.body, m.binary_hex, m.keyword, m.partial, m.received_at, c.name AS carrier, l.name AS link
FROM mo m LEFT JOIN plan p ON p.plan_id = m.plan_id LEFT JOIN account a ON a.account_id = m.account_id
LEFT JOIN carrier c ON c.carrier_id = m.carrier_id LEFT JOIN link l ON l.link_id = m.link_id
WHERE m.plan_id = ANY (ARRAY(SELECT plan_id FROM plan UNION ALL SELECT 0)) AND m.msg_id = $1;

-- name: queued
SELECT c.name AS carrier, q.priority, q.missing, q.tries, q.resubmitted, q.expires_at
FROM mt_queue q LEFT JOIN carrier c ON c.carrier_id = q.carrier_id
WHERE q.carrier_id = ANY (ARRAY(SELECT carrier_id FROM carrier)) AND q.plan_id = $1 AND q.msg_id = $2;

-- name: later
SELECT c.name AS carrier, q.due_at, q.missing, q.tries, q.resubmitted
FROM mt_later q LEFT JOIN carrier c ON c.carrier_id = q.carrier_id
WHERE q.plan_id = $1 AND q.msg_id = $2;

-- name: inflight
SELECT c.name AS carrier, i.part_no, i.claimed_at, i.tries, i.epoch, d.node, d.pid, d.lease_until
FROM inflight i LEFT JOIN carrier c ON c.carrier_id = i.carrier_id LEFT JOIN dispatcher d ON d.epoch = i.epoch
WHERE i.plan_id = $1 AND i.msg_id = $2;

-- name: doubts
SELECT c.name AS carrier, d.part_no, d.claimed_at, d.resolve_at, d.code, d.tries
FROM doubt d LEFT JOIN carrier c ON c.carrier_id = d.carrier_id
WHERE d.plan_id = $1 AND d.msg_id = $2;

-- name: accepted
-- Of `routed`, what is above the six bits of the reason is the route.
SELECT c.name AS carrier, l.name AS link, r.carrier_id, r.canonical_id, r.part_no, r.parts, r.tries, r.resubmitted,
       r.claimed_at, r.sent_at, r.routed, w.name AS route
FROM ref r LEFT JOIN carrier c ON c.carrier_id = r.carrier_id LEFT JOIN link l ON l.link_id = r.link_id
LEFT JOIN route w ON w.route_id = r.routed >> 6
WHERE r.plan_id = $1 AND r.msg_id = $2;

-- name: attempts
SELECT c.name AS carrier, l.name AS link, t.part_no, t.tries, t.claimed_at, t.ended_at, t.outcome, t.command_status,
       t.next_at, t.routed, w.name AS route, n.name AS next_carrier
FROM attempt t LEFT JOIN carrier c ON c.carrier_id = t.carrier_id LEFT JOIN link l ON l.link_id = t.link_id
LEFT JOIN route w ON w.route_id = t.routed >> 6 LEFT JOIN carrier n ON n.carrier_id = w.carrier_id
WHERE t.plan_id = $1 AND t.msg_id = $2;

-- name: receipts
SELECT c.name AS carrier, l.name AS link, r.received_at, r.part_no, r.stat, r.err, r.status, r.error_code
FROM receipt r LEFT JOIN carrier c ON c.carrier_id = r.carrier_id LEFT JOIN link l ON l.link_id = r.link_id
WHERE r.plan_id = $1 AND r.msg_id = $2;

-- name: parked
-- Receipts with an id of this message that have not been taken up: $1 carriers, $2 ids, by position.
SELECT c.name AS carrier, l.name AS link, k.received_at, k.stat, k.err, k.status, k.error_code
FROM unnest($1::integer[], $2::text[]) AS own (carrier_id, canonical_id)
JOIN parked k ON k.carrier_id = own.carrier_id AND k.canonical_id = own.canonical_id
LEFT JOIN carrier c ON c.carrier_id = k.carrier_id LEFT JOIN link l ON l.link_id = k.link_id;

-- name: part_outcomes
SELECT part_no, status, error_code, at_submit, at FROM part_outcome WHERE plan_id = $1 AND msg_id = $2;

-- name: hooks_queued
-- Reads the whole queue: no index leads with the message, and the queue is short unless receivers are down.
SELECT q.n, q.url, q.tries, q.due_at, q.due_at <= (SELECT trunkline_now()) AS is_due,
       (SELECT t.failing_since FROM hook_target t JOIN plan p ON p.account_id = t.account_id
        WHERE q.configured AND p.plan_id = q.plan_id AND t.kind = CASE q.n WHEN 0 THEN 'mo' ELSE 'dlr' END
          AND t.url = q.url) AS failing_since
FROM hook_queue q WHERE q.plan_id = $1 AND q.msg_id = $2;

-- name: hook_attempts
SELECT n, tries, at, status, failure, latency_ms, excerpt, next_at FROM hook_attempt WHERE plan_id = $1 AND msg_id = $2;

-- name: hooks_dead
SELECT n, url, tries, reason, died_at, replayed_at FROM hook_dead WHERE plan_id = $1 AND msg_id = $2;

-- name: replied
-- What the message ($1 plan, $2 msg_id) was answered with.
SELECT r.msg_id AS reply_id, r.does FROM mo m JOIN keyword_reply r ON r.mo_id = m.msg_id
WHERE m.plan_id = $1 AND m.msg_id = $2;

-- name: answers
-- What the message is an answer to.
SELECT r.mo_id, r.does FROM keyword_reply r WHERE r.plan_id = $1 AND r.msg_id = $2;

-- name: opted
-- What the message changed, of all plans that it was about.
SELECT a.at, a.action, p.name AS plan, a.detail->>'sender' AS of_sender
FROM mo m JOIN audit a ON a.subject = 'recipient ' || CASE WHEN m.sender ~ '^[0-9]{7,}$' THEN '+' ELSE '' END || m.sender
LEFT JOIN plan p ON p.public_id = a.detail->>'plan'
WHERE m.plan_id = $1 AND m.msg_id = $2 AND a.detail->>'message' = m.msg_id::text ORDER BY a.audit_id;

-- name: opted_out
-- The opt-outs that stand in the way of messages like this one.
SELECT o.since, o.source, o.why, o.mo_id, nullif(o.sender, '') AS of_sender
FROM msg m JOIN opt_out o ON o.plan_id = m.plan_id AND o.recipient = m.recipient AND o.sender IN ('', m.sender)
WHERE m.plan_id = $1 AND m.msg_id = $2;
