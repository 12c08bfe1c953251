-- A batch's keys go to the database as one array of rows, as all batches do.
SET LOCAL lock_timeout = '5s';

CREATE TYPE request_key AS (key text, request_hash bytea, request_lock bigint, key_lock bigint);
