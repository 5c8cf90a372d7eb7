-- Version 3. Frozen: a released migration is never edited, the next change is a new file.
-- Who may sign in. Nothing here lets anybody in by being read: passwords are Argon2id hashes, TOTP secrets are sealed
-- like keys, codes and session tokens are kept as SHA-256 of random texts.
CREATE TABLE accounts (
    id               TEXT    NOT NULL PRIMARY KEY,
    name             TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    role             TEXT    NOT NULL, -- owner | resident | guest | responder
    password         TEXT,             -- a PHC string; NULL until an invitation was taken
    totp             BLOB,             -- sealed; NULL without
    totp_step        INTEGER NOT NULL DEFAULT 0, -- the last step whose code was used: no code is used twice
    invitation       BLOB,             -- SHA-256 of a one-time code
    invitation_until INTEGER,
    created_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash    BLOB NOT NULL,
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    account      TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    hash         BLOB    NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL, -- when the person last proved who they are
    address      TEXT    NOT NULL,
    agent        TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account, last_seen);

-- What the command line did while the hub ran or was stopped; the hub takes it into its journal.
CREATE TABLE console_notes (
    id      INTEGER NOT NULL PRIMARY KEY,
    account TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    what    TEXT    NOT NULL
) STRICT;
