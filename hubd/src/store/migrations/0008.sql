-- Version 8: passkeys. Nothing here lets anybody in by being read: a passkey's private key never leaves its owner's
-- device, and what is kept is its public one.
CREATE TABLE passkeys (
    id         TEXT    NOT NULL PRIMARY KEY,
    account    TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    origin     TEXT    NOT NULL,        -- the page that it was made for; it counts for that one alone
    credential BLOB    NOT NULL UNIQUE, -- the id that the authenticator chose
    public_key BLOB    NOT NULL,        -- in COSE form
    counter    INTEGER NOT NULL,        -- what its counter said last; it has to go on
    created_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_by_account ON passkeys (account);
