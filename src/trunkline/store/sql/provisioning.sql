-- Provisioning: read whole by every process, changed by operators. None of this is on the path of a message.

-- name: version
SELECT provisioning_version FROM installation;

-- name: lock
-- One change at a time; also the row that the triggers are going to update, so that nobody waits crosswise.
SELECT provisioning_version FROM installation FOR UPDATE;

-- name: accounts
SELECT account_id, public_id, name, active, dlr_url, mo_url, rate_per_s FROM account ORDER BY account_id;

-- name: plans
SELECT plan_id, public_id, account_id, name, active, dlr_url, mo_url, at_least_once, resolve_after_s, validity_s,
       priority, unknown_events, countries, hook_secrets, rate_per_s
FROM plan ORDER BY plan_id;

-- name: tokens
SELECT token_id, account_id, label, hash, scopes, plan_ids, networks, expires_at, revoked_at FROM token ORDER BY token_id;

-- name: senders
SELECT sender_id, plan_id, address, state FROM sender ORDER BY sender_id;

-- name: carriers
SELECT carrier_id, name, active, dialect FROM carrier ORDER BY carrier_id;

-- name: links
SELECT link_id, carrier_id, name, host, port, system_id, password, system_type, bind_mode, bind_count, send_window, tls,
       timers, active
FROM link ORDER BY link_id;

-- name: routes
SELECT route_id, name, carrier_id, priority, plan_id, countries, active FROM route ORDER BY priority DESC, route_id;

-- name: insert_account
INSERT INTO account (public_id, name, active, dlr_url, mo_url, rate_per_s) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING account_id;

-- name: update_account
UPDATE account SET (public_id, name, active, dlr_url, mo_url, rate_per_s) = ROW($2, $3, $4, $5, $6, $7)
WHERE account_id = $1 RETURNING account_id;

-- name: insert_plan
INSERT INTO plan (public_id, account_id, name, active, dlr_url, mo_url, at_least_once, resolve_after_s, validity_s,
                  priority, unknown_events, countries, hook_secrets, rate_per_s)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING plan_id;

-- name: update_plan
UPDATE plan SET (public_id, account_id, name, active, dlr_url, mo_url, at_least_once, resolve_after_s, validity_s,
                 priority, unknown_events, countries, hook_secrets, rate_per_s)
    = ROW($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
WHERE plan_id = $1 RETURNING plan_id;

-- name: insert_sender
INSERT INTO sender (plan_id, address, state) VALUES ($1, $2, $3) RETURNING sender_id;

-- name: update_sender
UPDATE sender SET (plan_id, address, state) = ROW($2, $3, $4) WHERE sender_id = $1 RETURNING sender_id;

-- name: insert_carrier
INSERT INTO carrier (name, active, dialect) VALUES ($1, $2, $3::jsonb) RETURNING carrier_id;

-- name: update_carrier
UPDATE carrier SET (name, active, dialect) = ROW($2, $3, $4::jsonb) WHERE carrier_id = $1 RETURNING carrier_id;

-- name: insert_link
INSERT INTO link (carrier_id, name, host, port, system_id, password, system_type, bind_mode, bind_count, send_window, tls,
                  timers, active)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13) RETURNING link_id;

-- name: update_link
UPDATE link SET (carrier_id, name, host, port, system_id, password, system_type, bind_mode, bind_count, send_window, tls,
                 timers, active)
    = ROW($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14)
WHERE link_id = $1 RETURNING link_id;

-- name: insert_route
INSERT INTO route (name, carrier_id, priority, plan_id, countries, active) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING route_id;

-- name: update_route
UPDATE route SET (name, carrier_id, priority, plan_id, countries, active) = ROW($2, $3, $4, $5, $6, $7)
WHERE route_id = $1 RETURNING route_id;

-- name: insert_token
-- $7: seconds from now, null for a token without end. By trunkline_now(), as it is checked.
INSERT INTO token (account_id, label, hash, scopes, plan_ids, networks, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, (SELECT trunkline_now()) + make_interval(secs => $7::float8))
RETURNING token_id, expires_at;

-- name: revoke_token
UPDATE token SET revoked_at = (SELECT trunkline_now()) WHERE token_id = $1 AND revoked_at IS NULL RETURNING token_id;

-- name: cursor_key
SELECT cursor_key FROM installation;

-- name: set_cursor_key
UPDATE installation SET cursor_key = $1 WHERE cursor_key IS NULL;

-- name: record
INSERT INTO audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4::jsonb);

-- name: notices
SELECT at, actor, action, subject, detail FROM audit WHERE subject = $1 ORDER BY audit_id DESC LIMIT $2;
