-- The operator's number ranges: replaced whole by an import, held in memory by API processes.

-- name: state
-- Moves when the ranges do, and when the time comes from which one of them is valid.
SELECT version,
       (SELECT max(valid_from) FROM number_range
        WHERE valid_from > '-infinity' AND valid_from <= (SELECT trunkline_now())) AS since
FROM number_version

-- name: valid
-- Those that are valid now, in the order in which numbering/ranges.py takes them.
SELECT first, last, mccmnc, extract(epoch FROM valid_from)::float8 AS valid_from FROM number_range
WHERE valid_from <= (SELECT trunkline_now())
ORDER BY first

-- name: around
-- All that have a number in common with those that begin with the digits $1, the narrowest first.
SELECT first, last, mccmnc, extract(epoch FROM valid_from)::float8 AS valid_from_s,
       nullif(valid_from, '-infinity') AS since, source, valid_from <= (SELECT trunkline_now()) AS is_valid
FROM number_range AS r
WHERE rpad(first, 15, '0') <= rpad($1::text, 15, '9') COLLATE "C"
  AND rpad(last, 15, '9') >= rpad($1::text, 15, '0') COLLATE "C"
ORDER BY rpad(last, 15, '9')::bigint - rpad(first, 15, '0')::bigint, r.valid_from DESC, first DESC

-- name: export
-- As trunkline numbers import takes it.
SELECT first, last, mccmnc,
       to_char(nullif(valid_from, '-infinity') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS valid_from, source
FROM number_range AS r ORDER BY first, last, r.valid_from

-- name: begin
-- One import at a time: the lock of TRUNCATE lasts until the end of the transaction.
TRUNCATE number_incoming

-- name: doubled
-- Lines that say again what range an earlier line is about, and how many they are.
SELECT line, earlier, count(*) OVER () AS total FROM (
    SELECT line, min(line) OVER (PARTITION BY first, last, valid_from) AS earlier FROM number_incoming) AS i
WHERE line <> earlier ORDER BY line LIMIT $1

-- name: lock
-- The row that the trigger is going to update: who changes ranges meanwhile waits, and is then seen by `clear`.
SELECT version FROM number_version FOR UPDATE

-- name: clear
DELETE FROM number_range

-- name: fill
INSERT INTO number_range (first, last, mccmnc, valid_from, source)
SELECT DISTINCT ON (first, last, valid_from) first, last, mccmnc, coalesce(valid_from, '-infinity'), source
FROM number_incoming ORDER BY first, last, valid_from, line
