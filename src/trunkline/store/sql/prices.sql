-- Prices by list: replaced list by list, held in memory by API processes.

-- name: state
-- Moves when prices do, and when the time comes from which one of them is valid, or not any more.
SELECT version,
       (SELECT max(valid_from) FROM price WHERE valid_from > '-infinity' AND valid_from <= (SELECT trunkline_now())) AS since,
       (SELECT max(valid_until) FROM price WHERE valid_until < 'infinity' AND valid_until <= (SELECT trunkline_now()))
           AS until
FROM price_version

-- name: valid
-- Those that are valid now, in the order in which domain/price.py takes them.
SELECT p.price_list_id, p.country, p.mccmnc, p.sender_kind, p.price_micro, p.ptf_micro, l.currency
FROM price p JOIN price_list l ON l.price_list_id = p.price_list_id
WHERE p.valid_from <= (SELECT trunkline_now()) AND p.valid_until > (SELECT trunkline_now())
ORDER BY p.valid_from

-- name: lists
SELECT l.price_list_id, l.name, l.currency, count(p.price_list_id) AS price_count
FROM price_list l LEFT JOIN price p ON p.price_list_id = l.price_list_id GROUP BY l.price_list_id ORDER BY l.name

-- name: of_list
-- The prices of list $1; of place $2 alone unless it is null.
SELECT country, mccmnc, sender_kind, price_micro, ptf_micro, nullif(valid_from, '-infinity') AS valid_from,
       nullif(valid_until, 'infinity') AS valid_until,
       valid_from <= (SELECT trunkline_now()) AND valid_until > (SELECT trunkline_now()) AS is_valid
FROM price AS p WHERE price_list_id = $1 AND ($2::text IS NULL OR country = $2 OR mccmnc = $2)
ORDER BY country, mccmnc, sender_kind, p.valid_from

-- name: begin
-- One import at a time: the lock of TRUNCATE lasts until the end of the transaction.
TRUNCATE price_incoming

-- name: doubled
-- Lines that say again what an earlier line is about, and how many they are.
SELECT line, earlier, count(*) OVER () AS total FROM (
    SELECT line, min(line) OVER (PARTITION BY country, mccmnc, sender_kind, valid_from) AS earlier
    FROM price_incoming) AS i
WHERE line <> earlier ORDER BY line LIMIT $1

-- name: lock
-- The row that the trigger is going to update: who changes prices meanwhile waits, and is then seen by `clear`.
SELECT version FROM price_version FOR UPDATE

-- name: is_same
-- Whether what came in is what list $1 has.
SELECT NOT EXISTS (
    (SELECT country, mccmnc, sender_kind, price_micro, ptf_micro, coalesce(valid_from, '-infinity'),
            coalesce(valid_until, 'infinity') FROM price_incoming
     EXCEPT SELECT country, mccmnc, sender_kind, price_micro, ptf_micro, valid_from, valid_until
            FROM price WHERE price_list_id = $1)
    UNION ALL
    (SELECT country, mccmnc, sender_kind, price_micro, ptf_micro, valid_from, valid_until
     FROM price WHERE price_list_id = $1
     EXCEPT SELECT country, mccmnc, sender_kind, price_micro, ptf_micro, coalesce(valid_from, '-infinity'),
                   coalesce(valid_until, 'infinity') FROM price_incoming))

-- name: count
SELECT count(*) FROM price WHERE price_list_id = $1

-- name: clear
DELETE FROM price WHERE price_list_id = $1

-- name: fill
INSERT INTO price (price_list_id, country, mccmnc, sender_kind, price_micro, ptf_micro, valid_from, valid_until)
SELECT DISTINCT ON (country, mccmnc, sender_kind, valid_from) $1::int, country, mccmnc, sender_kind, price_micro, ptf_micro,
       coalesce(valid_from, '-infinity'), coalesce(valid_until, 'infinity')
FROM price_incoming ORDER BY country, mccmnc, sender_kind, valid_from, line
