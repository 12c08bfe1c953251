-- name: register
INSERT INTO dispatcher (node, pid, lease_until) VALUES ($1, $2, now() + $3::int * interval '1 second') RETURNING epoch

-- name: renew
-- As long as nobody has ended it (retire deletes the row), a lease that ran out is still its holder's: while the
-- database was away nobody could renew. One that was ended is never taken up again.
UPDATE dispatcher SET lease_until = now() + $2::int * interval '1 second' WHERE epoch = $1 RETURNING epoch

-- name: resign
DELETE FROM dispatcher WHERE epoch = $1

-- name: end_dead
-- The row of a process that is known to be dead (its parent waited for it).
DELETE FROM dispatcher WHERE node = $1 AND pid = $2

-- name: retire
-- Leases that are over. Not before the database has been up for a whole lease: while it was down nobody could renew.
-- The caller has been connected for a whole lease as well.
DELETE FROM dispatcher
WHERE lease_until < now() AND pg_postmaster_start_time() < now() - $1::int * interval '1 second'
RETURNING epoch, node, pid

-- name: take
-- Carriers without a living dispatcher. They count as ready, until that has had the time to bind.
INSERT INTO carrier_lease (carrier_id, epoch, ready_at)
SELECT c.carrier_id, $1, now() FROM carrier c
WHERE c.active AND NOT EXISTS (
    SELECT FROM carrier_lease l JOIN dispatcher d ON d.epoch = l.epoch WHERE l.carrier_id = c.carrier_id)
ON CONFLICT (carrier_id) DO UPDATE SET epoch = EXCLUDED.epoch, ready_at = EXCLUDED.ready_at
    WHERE NOT EXISTS (SELECT FROM dispatcher d WHERE d.epoch = carrier_lease.epoch)

-- name: held
SELECT carrier_id FROM carrier_lease WHERE epoch = $1

-- name: seen_up
-- Of those that have a link up ($2), $3 take messages now.
UPDATE carrier_lease
SET up_at = (SELECT trunkline_now()), ready_at = CASE WHEN carrier_id = ANY($3::int[]) THEN now() ELSE ready_at END
WHERE epoch = $1 AND carrier_id = ANY($2::int[])

-- name: unready
-- Carriers that nobody could give a message to in the last $1 seconds, and since when. A dispatcher of the version before
-- does not say: while it lives, it is believed.
SELECT c.carrier_id, l.ready_at
FROM carrier c LEFT JOIN carrier_lease l ON l.carrier_id = c.carrier_id LEFT JOIN dispatcher d ON d.epoch = l.epoch
WHERE NOT c.active OR coalesce(l.ready_at, d.lease_until, '-infinity') < now() - $1::float8 * interval '1 second'

-- name: rescue
-- What dead dispatchers had claimed is in doubt: whether it was written nobody can tell.
WITH gone AS (
    DELETE FROM inflight f WHERE NOT EXISTS (SELECT FROM dispatcher d WHERE d.epoch = f.epoch)
    RETURNING *
)
INSERT INTO doubt (plan_id, msg_id, part_no, carrier_id, recipient, code, claimed_at, resolve_at, tries, resubmitted)
SELECT g.plan_id, g.msg_id, g.part_no, g.carrier_id, coalesce(m.recipient, ''), 901, g.claimed_at,
       (SELECT trunkline_now()) + p.resolve_after_s * interval '1 second', g.tries, g.resubmitted
FROM gone g
JOIN plan p ON p.plan_id = g.plan_id
JOIN msg m ON m.plan_id = g.plan_id AND m.msg_id = g.msg_id
ON CONFLICT DO NOTHING
