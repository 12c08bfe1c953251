-- Which token a rotated one was replaced by; and customers' reads see the rows of one account only. Who owns the tables is
-- not held by it: nothing changes for processes of the version before.
SET LOCAL lock_timeout = '5s';

ALTER TABLE token ADD COLUMN replaced_by integer REFERENCES token;
CREATE INDEX plan_account ON plan (account_id);

ALTER TABLE plan ENABLE ROW LEVEL SECURITY;
ALTER TABLE msg ENABLE ROW LEVEL SECURITY;
ALTER TABLE mo ENABLE ROW LEVEL SECURITY;
ALTER TABLE ref ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON plan FOR SELECT
    USING (account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer));
CREATE POLICY own ON msg FOR SELECT
    USING (account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer));
CREATE POLICY own ON mo FOR SELECT
    USING (account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer));
CREATE POLICY own ON ref FOR SELECT
    USING (plan_id = ANY (ARRAY(
        SELECT p.plan_id FROM plan p
        WHERE p.account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer))));
CREATE POLICY own ON idempotency FOR SELECT
    USING (plan_id = ANY (ARRAY(
        SELECT p.plan_id FROM plan p
        WHERE p.account_id = (SELECT nullif(current_setting('trunkline.account', true), '')::integer))));
