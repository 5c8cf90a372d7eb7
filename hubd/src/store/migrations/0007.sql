-- Version 7: what a guest's account was given, and what the household decided for everybody who signs in.
CREATE TABLE account_access (
    account TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    access  TEXT NOT NULL -- JSON: the doors and the hours; an account of a guest without this row was given nothing
) STRICT, WITHOUT ROWID;

CREATE TABLE household (
    name  TEXT NOT NULL PRIMARY KEY, -- confirm_unlock
    value TEXT NOT NULL              -- on | off; absent is off
) STRICT, WITHOUT ROWID;
