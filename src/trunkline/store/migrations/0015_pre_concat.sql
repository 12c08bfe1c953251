-- The concatenation references of messages with several parts, those to one recipient in turn. A message that was claimed
-- before, and is claimed again, gets one now: its parts that went out carry another.
SET LOCAL lock_timeout = '5s';

CREATE TABLE concat (
    msg_id          uuid NOT NULL,
    plan_id         integer NOT NULL,
    recipient_hash  bigint NOT NULL,            -- two recipients with one hash share their turns, which does no harm
    turn            bigint NOT NULL,            -- its low 8 or 16 bits go into the header
    PRIMARY KEY (msg_id, plan_id),
    UNIQUE (recipient_hash, turn)
);
