-- Version 5: people, what opens doors for them, and what every lock's slots hold.
-- Keys of tables whose rows are sealed, sealed with age like the months' keys.
CREATE TABLE data_keys (
    name   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    kind   TEXT NOT NULL, -- person | credential | slot | mirror
    id     TEXT NOT NULL,
    sealed BLOB NOT NULL, -- version of the shape, nonce, XChaCha20-Poly1305 of the JSON under the key `credentials`
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
