-- Parts of messages from handsets, and the binds that messages came on. Processes of the version before leave both empty.
SET LOCAL lock_timeout = '5s';

ALTER TABLE mo ADD COLUMN bind_id bigint;
ALTER TABLE mo ADD COLUMN taken_at timestamptz;

-- Sessions that messages from handsets came on. What was taken at unsure_from or later the carrier may not know to be
-- taken, and may send again; of a bind whose dispatcher is dead alive_at says from when on.
CREATE TABLE mo_bind (
    bind_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id   integer NOT NULL,
    epoch        bigint NOT NULL,
    alive_at     timestamptz NOT NULL,
    unsure_from  timestamptz                    -- null: it has not ended, or nobody was left to say so
) WITH (fillfactor = 50);

-- Parts of messages from handsets. Stored first, joined after the commit by whoever sees all of a set. A joined part is
-- emptied and stays for an hour: it tells a repeat.
CREATE TABLE mo_part (
    set_key      bytea NOT NULL,                -- of carrier, source, destination, reference and its width, total
    part_no      smallint NOT NULL,
    digest       bytea NOT NULL,                -- of what the part holds
    arrival      bigint GENERATED ALWAYS AS IDENTITY,
    carrier_id   integer NOT NULL,
    link_id      integer NOT NULL,
    source       text NOT NULL,
    destination  text NOT NULL,
    total        smallint NOT NULL,
    codec        text NOT NULL,
    locking      smallint NOT NULL,             -- languages of the header's shift tables, 0: none
    single       smallint NOT NULL,
    octets       bytea,                         -- user data without its header; null once joined
    received_at  timestamptz NOT NULL,
    msg_id       uuid,                          -- the message that it became a part of
    joined_at    timestamptz,
    PRIMARY KEY (set_key, part_no, digest)
);
CREATE INDEX mo_part_open ON mo_part (received_at) WHERE joined_at IS NULL;
CREATE INDEX mo_part_joined ON mo_part (joined_at) WHERE joined_at IS NOT NULL;
