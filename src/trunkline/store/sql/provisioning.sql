-- Provisioning: read whole by every process, changed by operators. None of this is on the path of a message.

-- name: version
SELECT provisioning_version, route_version FROM installation;

-- name: lock
-- One change at a time; also the row that the triggers are going to update, so that nobody waits crosswise.
SELECT provisioning_version FROM installation FOR UPDATE;

-- name: accounts
SELECT account_id, public_id, name, active, dlr_url, mo_url, rate_per_s FROM account ORDER BY account_id;

-- name: plans
SELECT plan_id, public_id, account_id, name, active, dlr_url, mo_url, at_least_once, resolve_after_s, validity_s,
       priority, unknown_events, countries, hook_secrets, rate_per_s, sent_events, transliterate,
       max_segments, consent, callback_origins, weight, messages_per_s
FROM plan ORDER BY plan_id;

-- name: tokens
SELECT token_id, account_id, label, hash, scopes, plan_ids, networks, expires_at, revoked_at FROM token ORDER BY token_id;

-- name: senders
SELECT sender_id, plan_id, address, state FROM sender ORDER BY sender_id;

-- name: carriers
SELECT carrier_id, name, active, dialect, rate_per_s FROM carrier ORDER BY carrier_id;

-- name: links
SELECT link_id, carrier_id, name, host, port, system_id, password, system_type, bind_mode, bind_count, send_window, tls,
       timers, active,
       other_hosts, tls_ca, tls_identity, tls_server_name
FROM link ORDER BY link_id;

-- name: routes
SELECT route_id, name, carrier_id, priority, plan_id, countries, active, account_id, prefixes, networks, sender_kinds,
       cost_micro, weight, min_delivery_percent, max_receipt_s, fallback
FROM route ORDER BY route_id;

-- name: route_version
SELECT route_version FROM installation;

-- name: used_routes
SELECT route_id, name, carrier_id, priority, plan_id, account_id, prefixes, networks, countries, sender_kinds,
       cost_micro, weight, min_delivery_percent, max_receipt_s, fallback
FROM route WHERE active ORDER BY priority DESC, route_id;

-- name: keywords
SELECT keyword_id, plan_id, address, word, does, reply, active FROM keyword ORDER BY keyword_id;

-- name: price_lists
SELECT price_list_id, name, currency FROM price_list ORDER BY price_list_id;

-- name: terms
SELECT term_id, plan_id, price_list_id, prepaid, cap_micro, cap_per FROM term ORDER BY term_id;

-- name: guards
SELECT guard_id, plan_id, active, recipient_most, recipient_window_s, range_most, range_window_s, sequence_most,
       sequence_window_s, velocity, blocked
FROM guard ORDER BY guard_id;

-- name: blocked_ranges
SELECT blocked_range_id, prefix, note, active FROM blocked_range ORDER BY prefix;

-- name: insert_price_list
INSERT INTO price_list (name, currency) VALUES ($1, $2) RETURNING price_list_id;

-- name: update_price_list
UPDATE price_list SET (name, currency) = ROW($2, $3) WHERE price_list_id = $1 RETURNING price_list_id;

-- name: insert_term
INSERT INTO term (plan_id, price_list_id, prepaid, cap_micro, cap_per) VALUES ($1, $2, $3, $4, $5) RETURNING term_id;

-- name: update_term
UPDATE term SET (plan_id, price_list_id, prepaid, cap_micro, cap_per) = ROW($2, $3, $4, $5, $6)
WHERE term_id = $1 RETURNING term_id;

-- name: insert_guard
INSERT INTO guard (plan_id, active, recipient_most, recipient_window_s, range_most, range_window_s, sequence_most,
                   sequence_window_s, velocity, blocked)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10) RETURNING guard_id;

-- name: update_guard
UPDATE guard SET (plan_id, active, recipient_most, recipient_window_s, range_most, range_window_s, sequence_most,
                  sequence_window_s, velocity, blocked)
    = ROW($2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11)
WHERE guard_id = $1 RETURNING guard_id;

-- name: insert_blocked_range
INSERT INTO blocked_range (prefix, note, active) VALUES ($1, $2, $3) RETURNING blocked_range_id;

-- name: update_blocked_range
UPDATE blocked_range SET (prefix, note, active) = ROW($2, $3, $4) WHERE blocked_range_id = $1
RETURNING blocked_range_id;

-- name: insert_account
INSERT INTO account (public_id, name, active, dlr_url, mo_url, rate_per_s) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING account_id;

-- name: update_account
UPDATE account SET (public_id, name, active, dlr_url, mo_url, rate_per_s) = ROW($2, $3, $4, $5, $6, $7)
WHERE account_id = $1 RETURNING account_id;

-- name: insert_plan
INSERT INTO plan (public_id, account_id, name, active, dlr_url, mo_url, at_least_once, resolve_after_s, validity_s,
                  priority, unknown_events, countries, hook_secrets, rate_per_s, sent_events, transliterate,
                  max_segments, consent, callback_origins, weight, messages_per_s)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18::jsonb, $19, $20, $21)
RETURNING plan_id;

-- name: update_plan
UPDATE plan SET (public_id, account_id, name, active, dlr_url, mo_url, at_least_once, resolve_after_s, validity_s,
                 priority, unknown_events, countries, hook_secrets, rate_per_s, sent_events, transliterate,
                 max_segments, consent, callback_origins, weight, messages_per_s)
    = ROW($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::jsonb, $20, $21, $22)
WHERE plan_id = $1 RETURNING plan_id;

-- name: insert_sender
INSERT INTO sender (plan_id, address, state) VALUES ($1, $2, $3) RETURNING sender_id;

-- name: update_sender
UPDATE sender SET (plan_id, address, state) = ROW($2, $3, $4) WHERE sender_id = $1 RETURNING sender_id;

-- name: insert_carrier
INSERT INTO carrier (name, active, dialect, rate_per_s) VALUES ($1, $2, $3::jsonb, $4) RETURNING carrier_id;

-- name: update_carrier
UPDATE carrier SET (name, active, dialect, rate_per_s) = ROW($2, $3, $4::jsonb, $5) WHERE carrier_id = $1 RETURNING carrier_id;

-- name: insert_link
INSERT INTO link (carrier_id, name, host, port, system_id, password, system_type, bind_mode, bind_count, send_window, tls,
                  timers, active,
                  other_hosts, tls_ca, tls_identity, tls_server_name)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, $16, $17) RETURNING link_id;

-- name: update_link
UPDATE link SET (carrier_id, name, host, port, system_id, password, system_type, bind_mode, bind_count, send_window, tls,
                 timers, active,
                 other_hosts, tls_ca, tls_identity, tls_server_name)
    = ROW($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14, $15, $16, $17, $18)
WHERE link_id = $1 RETURNING link_id;

-- name: insert_route
INSERT INTO route (name, carrier_id, priority, plan_id, countries, active, account_id, prefixes, networks, sender_kinds,
                   cost_micro, weight, min_delivery_percent, max_receipt_s, fallback)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING route_id;

-- name: update_route
UPDATE route SET (name, carrier_id, priority, plan_id, countries, active, account_id, prefixes, networks, sender_kinds,
                  cost_micro, weight, min_delivery_percent, max_receipt_s, fallback)
    = ROW($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
WHERE route_id = $1 RETURNING route_id;

-- name: insert_keyword
INSERT INTO keyword (plan_id, address, word, does, reply, active) VALUES ($1, $2, $3, $4, $5, $6) RETURNING keyword_id;

-- name: update_keyword
UPDATE keyword SET (plan_id, address, word, does, reply, active) = ROW($2, $3, $4, $5, $6, $7)
WHERE keyword_id = $1 RETURNING keyword_id;

-- name: receivers
SELECT receiver_id, account_id, plan_id, origin, credentials FROM receiver ORDER BY receiver_id;

-- name: insert_receiver
INSERT INTO receiver (account_id, plan_id, origin, credentials) VALUES ($1, $2, $3, $4) RETURNING receiver_id;

-- name: update_receiver
UPDATE receiver SET (account_id, plan_id, origin, credentials) = ROW($2, $3, $4, $5)
WHERE receiver_id = $1 RETURNING receiver_id;

-- name: insert_token
-- $7: seconds from now, null for a token without end. By trunkline_now(), as it is checked.
WITH now AS MATERIALIZED (SELECT trunkline_now() AS at)
INSERT INTO token (account_id, label, hash, scopes, plan_ids, networks, created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6, now.at, now.at + make_interval(secs => $7::float8) FROM now
RETURNING token_id, expires_at;

-- name: rotate_token
-- $1 token, $2 hash of the new one, $3 seconds that the new one lives (null: as long as the old one was to), $4 seconds
-- until the old one ends. No row where the old one has ended already, or was rotated before.
WITH now AS MATERIALIZED (SELECT trunkline_now() AS at), old AS (
    SELECT token.*, now.at AS now FROM token, now
    WHERE token_id = $1 AND revoked_at IS NULL AND replaced_by IS NULL
      AND (expires_at IS NULL OR expires_at > now.at)
), new AS (
    INSERT INTO token (account_id, label, hash, scopes, plan_ids, networks, created_at, expires_at)
    SELECT account_id, label, $2, scopes, plan_ids, networks, now,
           now + coalesce(make_interval(secs => $3::float8), expires_at - created_at)
    FROM old
    RETURNING token_id, expires_at
)
UPDATE token
SET replaced_by = new.token_id, expires_at = least(token.expires_at, old.now + make_interval(secs => $4::float8))
FROM old, new WHERE token.token_id = old.token_id
RETURNING new.token_id, new.expires_at, token.expires_at AS old_expires_at;

-- name: revoke_token
UPDATE token SET revoked_at = (SELECT trunkline_now()) WHERE token_id = $1 AND revoked_at IS NULL RETURNING token_id;

-- name: token_account
SELECT account.public_id FROM token JOIN account USING (account_id) WHERE token_id = $1;

-- name: described_tokens
-- $1 account, null for all. What may be shown of tokens: nothing that they could be found or guessed by.
WITH now AS MATERIALIZED (SELECT trunkline_now() AS at)
SELECT t.token_id, a.public_id AS account, a.name AS account_name, t.label, t.scopes, t.networks, t.created_at,
       t.expires_at, t.revoked_at, t.replaced_by,
       ARRAY(SELECT p.name FROM plan p WHERE p.plan_id = ANY (t.plan_ids) ORDER BY p.plan_id) AS plans,
       CASE WHEN t.revoked_at <= now.at THEN 'revoked' WHEN t.expires_at <= now.at THEN 'expired'
            WHEN t.replaced_by IS NOT NULL THEN 'replaced' ELSE 'active' END AS state
FROM token t JOIN account a USING (account_id), now
WHERE $1::int IS NULL OR t.account_id = $1
ORDER BY t.token_id;

-- name: cursor_key
SELECT cursor_key FROM installation;

-- name: set_cursor_key
UPDATE installation SET cursor_key = $1 WHERE cursor_key IS NULL;

-- name: record
INSERT INTO audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4::jsonb);

-- name: notices
SELECT at, actor, action, subject, detail FROM audit WHERE subject = $1 ORDER BY audit_id DESC LIMIT $2;
