-- Dead letters: listed, and sent again. Not on the path of a message.

-- name: dead
-- $1: only this plan's, $2: only those that died since, $3: at most so many. The newest first.
SELECT p.public_id AS plan, p.name AS plan_name, d.msg_id, d.n, d.url, d.tries, d.reason, d.died_at
FROM hook_dead d LEFT JOIN plan p ON p.plan_id = d.plan_id
WHERE d.replayed_at IS NULL AND ($1::int IS NULL OR d.plan_id = $1) AND ($2::timestamptz IS NULL OR d.died_at >= $2)
ORDER BY d.died_at DESC, d.msg_id, d.n LIMIT $3

-- name: replay
-- Dead letters become events with a new schedule, as many as $9 in the order of their keys, after the one given by
-- $5..$8. $1: only of this plan; $2, $3: only of messages from this id on and before that; $4: only this event.
-- Where one goes: to the message's own URL, else to what is configured now. One that a later event of its message has
-- overtaken is dropped. One whose record is not what it was when it died (erased, retired) stays, as the body would be
-- another, and so does one that has nowhere to go.
WITH chosen AS MATERIALIZED (
    SELECT ctid AS tid, plan_id, msg_id, n, died_at FROM hook_dead
    WHERE replayed_at IS NULL AND ($1::int IS NULL OR plan_id = $1) AND msg_id >= $2 AND msg_id < $3
      AND ($4::smallint IS NULL OR n = $4) AND (msg_id, plan_id, n, died_at) > ($5::uuid, $6::int, $7::smallint, $8)
    ORDER BY msg_id, plan_id, n, died_at LIMIT $9 FOR UPDATE
), judged AS MATERIALIZED (
    SELECT c.*, u.url, m.callback_url IS NULL AS configured,
           CASE
               WHEN m.msg_id IS NULL AND o.msg_id IS NULL THEN 'gone'
               WHEN c.n BETWEEN 1 AND CASE WHEN m.status IS NULL THEN 0 WHEN m.late THEN 2 ELSE 1 END THEN 'overtaken'
               WHEN m.is_erased OR o.is_erased THEN 'erased'
               WHEN u.url IS NULL THEN 'without URL'
               WHEN m.callback_url IS NULL AND EXISTS (
                   SELECT FROM hook_target t
                   WHERE t.account_id = p.account_id AND t.kind = CASE c.n WHEN 0 THEN 'mo' ELSE 'dlr' END
                     AND t.url = u.url AND t.disabled_at IS NOT NULL) THEN 'disabled'
               ELSE 'replayed'
           END AS verdict
    FROM chosen c
    LEFT JOIN LATERAL (
        SELECT msg_id, status, late, callback_url, body IS NULL OR recipient IS NULL AS is_erased FROM msg
        WHERE c.n > 0 AND msg.plan_id = c.plan_id AND msg.msg_id = c.msg_id) AS m ON true
    LEFT JOIN LATERAL (
        SELECT msg_id, body IS NULL OR sender IS NULL AS is_erased FROM mo
        WHERE c.n = 0 AND mo.plan_id = c.plan_id AND mo.msg_id = c.msg_id) AS o ON true
    LEFT JOIN plan p ON p.plan_id = c.plan_id
    LEFT JOIN account a ON a.account_id = p.account_id
    CROSS JOIN LATERAL (
        SELECT CASE c.n WHEN 0 THEN coalesce(p.mo_url, a.mo_url)
                        ELSE coalesce(m.callback_url, p.dlr_url, a.dlr_url) END AS url) AS u
), told AS (
    INSERT INTO hook_queue (plan_id, origin, due_at, msg_id, n, configured, url)
    SELECT plan_id, lower(split_part(url, '/', 1) || '//' || split_part(split_part(url, '/', 3), '?', 1)),
           (SELECT trunkline_now()), msg_id, n, configured, url
    FROM judged WHERE verdict = 'replayed'
), marked AS (
    UPDATE hook_dead SET replayed_at = (SELECT trunkline_now())
    WHERE ctid = ANY (ARRAY(SELECT tid FROM judged WHERE verdict = 'replayed'))
), dropped AS (
    DELETE FROM hook_dead WHERE ctid = ANY (ARRAY(SELECT tid FROM judged WHERE verdict = 'overtaken'))
), woken AS (
    SELECT pg_notify('hooks', '') WHERE EXISTS (SELECT FROM judged WHERE verdict = 'replayed')
)
SELECT msg_id, plan_id, n, died_at, verdict, (SELECT count(*) FROM woken) FROM judged ORDER BY 1, 2, 3, 4

-- name: again
-- Events that failed and wait for another attempt start anew, as many as $4. What is due within a second is left alone:
-- it may be under way. $1..$3 as in replay.
WITH chosen AS (
    SELECT ctid AS tid FROM hook_queue
    WHERE tries > 0 AND due_at > (SELECT trunkline_now()) + interval '1 second'
      AND ($1::int IS NULL OR plan_id = $1) AND msg_id >= $2 AND msg_id < $3
    LIMIT $4 FOR UPDATE SKIP LOCKED
), started AS (
    UPDATE hook_queue SET due_at = (SELECT trunkline_now()), tries = 0
    WHERE ctid = ANY (ARRAY(SELECT tid FROM chosen)) RETURNING 1
), woken AS (
    SELECT pg_notify('hooks', '') WHERE EXISTS (SELECT FROM started)
)
SELECT (SELECT count(*) FROM started) AS started, (SELECT count(*) FROM woken) AS woken
