-- Version 4: life safety. One row each for the policy, what stands besides it, every incident and every drill.
CREATE TABLE life_safety (
    kind     TEXT    NOT NULL, -- policy | standing | incident | drill
    id       TEXT    NOT NULL, -- an incident's or drill's id; empty for the others
    revision INTEGER NOT NULL, -- grows with every change of any row
    version  INTEGER NOT NULL, -- of the row's shape
    row      TEXT    NOT NULL, -- JSON
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
