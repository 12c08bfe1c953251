-- Rate limits: one bucket for each account and plan that was asked for, filled as time passes and leased from in slices.
-- By now(), the server's own clock: a sandbox whose clock stands still must go on answering.

-- name: lease
-- $1 kinds, $2 ids, $3 rates, $4 capacities, $5 how many are wanted (at most the capacity). Gives what there is of it.
-- A row that is not there yet is a full bucket, so the proposed row carries the capacity: its tokens + its grant.
-- In order of the key, so that two processes never wait for each other crosswise. A time ahead of now() is that of
-- another process's lease a moment ago, or of a clock that was set back since: then it is not waited for.
INSERT INTO rate_bucket AS b (kind, subject_id, rate_per_s, tokens, granted, refilled_at)
SELECT kind, subject_id, rate_per_s, capacity - wanted, wanted, now()
FROM unnest($1::smallint[], $2::int[], $3::float8[], $4::float8[], $5::int[])
     AS asked(kind, subject_id, rate_per_s, capacity, wanted)
ORDER BY kind, subject_id
ON CONFLICT (kind, subject_id) DO UPDATE SET (rate_per_s, tokens, granted, refilled_at) = (
    SELECT EXCLUDED.rate_per_s, held.tokens - given.tokens, given.tokens,
           CASE WHEN b.refilled_at > now() + interval '1 second' THEN now() ELSE greatest(b.refilled_at, now()) END
    FROM (SELECT least(EXCLUDED.tokens + EXCLUDED.granted,
                       b.tokens + EXCLUDED.rate_per_s * greatest(0, extract(epoch FROM now() - b.refilled_at)))
         ) AS held(tokens),
         LATERAL (SELECT least(EXCLUDED.granted, floor(held.tokens)) OFFSET 0) AS given(tokens))
RETURNING kind, subject_id, granted, tokens

-- name: processes
-- How many processes lease: each has one session of this name.
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1
