-- Opt-outs: asked by mt.claimed for each message, changed by what handsets say and by operators. Each change is in the
-- audit, in the same statement.

-- name: add
-- Opt-outs by plan, recipient and sender ('': all senders), each with the message that says so, if one does. $5: who,
-- $6: recipient, operator or import, $7: why. Those that are new, in an order that keeps sessions from waiting crosswise.
WITH given AS (
    SELECT DISTINCT ON (plan_id, recipient, sender) plan_id, recipient, sender, why, mo_id
    FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $7::text[]) AS g(plan_id, recipient, sender, mo_id, why)
    ORDER BY plan_id, recipient, sender
), added AS (
    INSERT INTO opt_out (plan_id, recipient, sender, since, source, why, mo_id)
    SELECT plan_id, recipient, sender, (SELECT trunkline_now()), $6, why, mo_id FROM given
    ON CONFLICT DO NOTHING
    RETURNING plan_id, recipient, sender, why, mo_id
), noted AS (
    INSERT INTO audit (actor, action, subject, detail)
    SELECT $5, 'opt_out.added', 'recipient ' || a.recipient,
           jsonb_build_object('plan', p.public_id, 'sender', nullif(a.sender, ''), 'why', a.why, 'message', a.mo_id)
    FROM added a CROSS JOIN LATERAL (SELECT public_id FROM plan WHERE plan_id = a.plan_id OFFSET 0) AS p
)
SELECT plan_id, recipient, sender FROM added

-- name: remove
-- As add, the other way; a sender that is null stands for whatever is there of the plan and recipient.
WITH given AS (
    SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $6::text[])
         AS g(plan_id, recipient, sender, mo_id, why)
), found AS (  -- locked, so these are the rows that go
    SELECT g.plan_id, g.recipient, o.sender, o.since, o.tid, g.mo_id, g.why
    FROM given g CROSS JOIN LATERAL (
        SELECT ctid AS tid, sender, since FROM opt_out
        WHERE plan_id = g.plan_id AND recipient = g.recipient AND sender = coalesce(g.sender, sender)
        ORDER BY sender FOR UPDATE) AS o
), one AS (
    SELECT DISTINCT ON (tid) * FROM found ORDER BY tid
), gone AS (
    DELETE FROM opt_out WHERE ctid = ANY (ARRAY(SELECT tid FROM one))
), noted AS (
    INSERT INTO audit (actor, action, subject, detail)
    SELECT $5, 'opt_out.removed', 'recipient ' || o.recipient,
           jsonb_build_object('plan', p.public_id, 'sender', nullif(o.sender, ''), 'since', o.since, 'why', o.why,
                              'message', o.mo_id)
    FROM one o CROSS JOIN LATERAL (SELECT public_id FROM plan WHERE plan_id = o.plan_id OFFSET 0) AS p
)
SELECT plan_id, recipient, sender FROM one

-- name: note_replies
INSERT INTO keyword_reply (msg_id, plan_id, mo_id, does)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[])

-- name: forget_replies
-- Of messages that are not kept any more (store/partitions).
DELETE FROM keyword_reply WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM keyword_reply WHERE msg_id < msg_id_floor((SELECT trunkline_now()) - $1::int * interval '1 day')
    ORDER BY msg_id LIMIT 5000 FOR UPDATE SKIP LOCKED))

-- name: listed
-- Of the plans $1, of one recipient ($2) and one sender ($3) or all, at most $4.
SELECT p.name AS plan, p.public_id, o.recipient, o.sender, o.since, o.source, o.why
FROM opt_out o JOIN plan p ON p.plan_id = o.plan_id
WHERE o.plan_id = ANY ($1::int[]) AND ($2::text IS NULL OR o.recipient = $2) AND ($3::text IS NULL OR o.sender = $3)
ORDER BY o.plan_id, o.recipient, o.sender LIMIT $4

-- name: export
-- As trunkline optout import takes it.
SELECT p.public_id AS plan, o.recipient, o.sender,
       to_char(o.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS since, o.why
FROM opt_out o JOIN plan p ON p.plan_id = o.plan_id
WHERE o.plan_id = ANY ($1::int[])
ORDER BY o.plan_id, o.recipient, o.sender

-- name: lock_import
-- One import at a time, to the end of the session.
SELECT pg_try_advisory_lock(hashtextextended('opt-outs imported', 0))

-- name: clear_incoming
TRUNCATE opt_out_incoming

-- name: take_lines
-- The lines $1 to before $2, in a commit of their own: who says STOP meanwhile waits for no more than these.
WITH given AS (
    SELECT DISTINCT ON (plan_id, recipient, sender) plan_id, recipient, sender, since, why
    FROM opt_out_incoming WHERE line >= $1 AND line < $2
    ORDER BY plan_id, recipient, sender, line
)
INSERT INTO opt_out (plan_id, recipient, sender, since, source, why)
SELECT plan_id, recipient, sender, coalesce(since, (SELECT trunkline_now())), 'import', why FROM given
ON CONFLICT DO NOTHING
