-- How carriers are doing: told by their dispatchers, read by operators. Not on the path of a message.

-- name: report
-- Told by whoever holds the carrier ($2); nothing where that is somebody else by now. $8: seconds to the end of its
-- pause, null where it is not paused. Returns how often operators asked to try it again.
INSERT INTO carrier_state AS s (carrier_id, epoch, at, links_up, links, under_way, rate_per_s, cut_rate, paused_until,
                                paused_status, paused_field)
SELECT $1, $2, n.now, $3, $4, $5, $6, $7, n.now + $8::float8 * interval '1 second', $9, $10
FROM (SELECT trunkline_now() AS now OFFSET 0) AS n
WHERE EXISTS (SELECT FROM carrier_lease WHERE carrier_id = $1 AND epoch = $2)
ON CONFLICT (carrier_id) DO UPDATE SET
    epoch = EXCLUDED.epoch, at = EXCLUDED.at, links_up = EXCLUDED.links_up, links = EXCLUDED.links,
    under_way = EXCLUDED.under_way, rate_per_s = EXCLUDED.rate_per_s, cut_rate = EXCLUDED.cut_rate,
    paused_until = EXCLUDED.paused_until, paused_status = EXCLUDED.paused_status, paused_field = EXCLUDED.paused_field
RETURNING s.retries

-- name: standings
-- Every carrier as it was told of last by whoever holds it now.
SELECT c.carrier_id, c.name, c.active, c.rate_per_s AS rate_limit, d.node, d.pid, s.links_up, s.links, s.under_way,
       s.rate_per_s, s.cut_rate, s.paused_until, s.paused_status, s.paused_field,
       extract(epoch FROM n.now - s.at)::float8 AS told_s_ago, s.paused_until > n.now AS waits
FROM carrier c
CROSS JOIN (SELECT trunkline_now() AS now OFFSET 0) AS n
LEFT JOIN carrier_lease l ON l.carrier_id = c.carrier_id
LEFT JOIN dispatcher d ON d.epoch = l.epoch
LEFT JOIN carrier_state s ON s.carrier_id = c.carrier_id AND s.epoch = d.epoch
ORDER BY c.name

-- name: later_count
SELECT count(*) FROM mt_later WHERE carrier_id = $1

-- name: retry
UPDATE carrier_state SET retries = retries + 1
WHERE carrier_id = $1 AND paused_until IS NOT NULL RETURNING retries
