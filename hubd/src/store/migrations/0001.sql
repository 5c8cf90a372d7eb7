-- Version 1. Frozen: a released migration is never edited, the next change is a new file.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One random key a month, sealed with age to the hub and to the recovery recipients. Deleting a row forgets the month.
CREATE TABLE month_keys (
    month  INTEGER NOT NULL PRIMARY KEY, -- year * 100 + month, by the entry's own label of time
    sealed BLOB    NOT NULL
) STRICT;

-- Kinds and subjects of journal entries, so that an entry names them by a small number.
CREATE TABLE names (
    id   INTEGER NOT NULL PRIMARY KEY,
    text TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE journal (
    seq          INTEGER NOT NULL PRIMARY KEY,
    at_ms        INTEGER NOT NULL,
    clock_synced INTEGER NOT NULL,
    kind         INTEGER NOT NULL REFERENCES names (id),
    lock         INTEGER          REFERENCES names (id),
    alarm        INTEGER          REFERENCES names (id),
    person       INTEGER          REFERENCES names (id),
    sealed       BLOB    NOT NULL,
    hash         BLOB    NOT NULL
) STRICT;
-- Each index ends with seq, the row's own key: a page with any one or two of these filters is read in order, without
-- sorting and without passing over entries that do not belong in it.
CREATE INDEX journal_kind        ON journal (kind);
CREATE INDEX journal_lock        ON journal (lock)         WHERE lock IS NOT NULL;
CREATE INDEX journal_lock_kind   ON journal (lock, kind)   WHERE lock IS NOT NULL;
CREATE INDEX journal_lock_person ON journal (lock, person) WHERE lock IS NOT NULL AND person IS NOT NULL;
CREATE INDEX journal_person      ON journal (person)       WHERE person IS NOT NULL;
CREATE INDEX journal_person_kind ON journal (person, kind) WHERE person IS NOT NULL;
CREATE INDEX journal_alarm_kind  ON journal (alarm, kind)  WHERE alarm IS NOT NULL;

-- The earliest and the latest time in each run of 1,024 entries: a page by time finds its entries even where the
-- clock was set back, without an index over a million times.
CREATE TABLE journal_blocks (
    block  INTEGER NOT NULL PRIMARY KEY, -- seq / 1024
    at_min INTEGER NOT NULL,
    at_max INTEGER NOT NULL
) STRICT;

-- Where the journal ends: written with every entry, so that a tail that was cut off is missed.
CREATE TABLE journal_head (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq     INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    hash    BLOB    NOT NULL
) STRICT;

CREATE TABLE devices (
    kind    TEXT    NOT NULL, -- lock | alarm
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL, -- of the row's shape
    row     TEXT    NOT NULL, -- JSON
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE commands (
    id           TEXT    NOT NULL PRIMARY KEY,
    requested_at INTEGER NOT NULL,
    ended        INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    row          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX commands_by_age ON commands (ended, requested_at);

CREATE TABLE adapter_cache (
    radio TEXT NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE adapter_secret (
    radio  TEXT NOT NULL,
    name   TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (radio, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    scope      TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used  INTEGER
) STRICT, WITHOUT ROWID;
