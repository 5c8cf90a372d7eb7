-- Version 6: what the owner wrote for the emergency sheet, one row.
CREATE TABLE emergency_sheet (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    sealed BLOB    NOT NULL -- the JSON of its shape, sealed with age: it says where the key box is
) STRICT;
