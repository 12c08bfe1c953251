-- The role that customers' reads run under. It belongs to the cluster, not to the database: several installations may
-- share it, and it is there before or after any of them. So it is looked after at each start, not by a migration.

-- name: provide
-- Makes the role where it is missing, lets the login become it, and lets it read what customers read: the parents only,
-- since a partition does not have its parent's policies; and the clock, which belongs to nobody. Whatever is there already
-- is left alone.
DO $$
DECLARE
    -- From PostgreSQL 16 on who makes a role may grant it, and is not a member of it.
    by_option boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'trunkline_reader') THEN
        BEGIN
            CREATE ROLE trunkline_reader NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of the cluster was first
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'trunkline_reader', CASE WHEN by_option THEN 'SET' ELSE 'MEMBER' END) THEN
        BEGIN
            EXECUTE 'GRANT trunkline_reader TO CURRENT_USER'
                || CASE WHEN by_option THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
    IF NOT has_schema_privilege('trunkline_reader', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO trunkline_reader', current_schema());
    END IF;
    IF NOT has_table_privilege('trunkline_reader', 'msg', 'SELECT')
        OR NOT has_table_privilege('trunkline_reader', 'mo', 'SELECT')
        OR NOT has_table_privilege('trunkline_reader', 'ref', 'SELECT')
        OR NOT has_table_privilege('trunkline_reader', 'idempotency', 'SELECT')
        OR NOT has_table_privilege('trunkline_reader', 'charge', 'SELECT')
        OR NOT has_table_privilege('trunkline_reader', 'clock', 'SELECT')
        OR NOT has_column_privilege('trunkline_reader', 'plan', 'account_id', 'SELECT') THEN
        GRANT SELECT ON msg, mo, ref, idempotency, charge, clock TO trunkline_reader;
        GRANT SELECT (plan_id, account_id) ON plan TO trunkline_reader;
    END IF;
END $$;

-- name: become
-- For the whole session. Row-level security does not hold for who owns a table, is a superuser or has BYPASSRLS.
SET ROLE trunkline_reader;

-- name: is_held
SELECT bool_and(row_security_active(name)) FROM unnest('{msg,mo,ref,idempotency,charge,plan}'::regclass[]) AS name;

-- name: show
-- $1 account
SELECT set_config('trunkline.account', $1, false);
