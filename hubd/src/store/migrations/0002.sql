-- Version 2: recovery keys that were added by command, besides those of the configuration.
CREATE TABLE recovery_recipients (
    recipient TEXT    NOT NULL PRIMARY KEY, -- age1…
    name      TEXT    NOT NULL,             -- for people: where the paper lies
    added_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
