-- The operator's own number ranges, and the network that a first answer told.
ALTER TABLE idempotency ADD COLUMN mccmnc text;

CREATE TABLE number_version (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version   bigint NOT NULL DEFAULT 1
);
INSERT INTO number_version DEFAULT VALUES;

CREATE TABLE number_range (
    first       text COLLATE "C" NOT NULL CHECK (first ~ '^[1-9][0-9]{0,14}$'),  -- E.164 without +; as many digits as last
    last        text COLLATE "C" NOT NULL CHECK (last ~ '^[1-9][0-9]{0,14}$'),
    mccmnc      text COLLATE "C" NOT NULL CHECK (mccmnc ~ '^[0-9]{5,6}$'),
    valid_from  timestamptz NOT NULL DEFAULT '-infinity',
    source      text NOT NULL DEFAULT '',               -- where the operator has it from
    PRIMARY KEY (first, last, valid_from),
    CHECK (length(first) = length(last) AND first <= last)
);
CREATE INDEX number_range_valid_from ON number_range (valid_from) WHERE valid_from > '-infinity';

-- The lines of a file while it is being imported; empty otherwise.
CREATE UNLOGGED TABLE number_incoming (
    line        integer NOT NULL,
    first       text COLLATE "C" NOT NULL,
    last        text COLLATE "C" NOT NULL,
    mccmnc      text COLLATE "C" NOT NULL,
    valid_from  timestamptz,
    source      text NOT NULL
);

CREATE FUNCTION numbers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE number_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON number_range FOR EACH STATEMENT EXECUTE FUNCTION numbers_changed();
