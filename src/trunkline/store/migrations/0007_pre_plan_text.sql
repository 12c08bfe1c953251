-- What a plan does about texts: typography written as GSM-7 has it, and a limit of parts.
ALTER TABLE plan ADD COLUMN transliterate boolean NOT NULL DEFAULT false;
ALTER TABLE plan ADD COLUMN max_segments smallint CHECK (max_segments > 0);
