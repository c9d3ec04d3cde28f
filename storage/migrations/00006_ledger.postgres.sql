-- Events become leaves of a transparency log, so that nobody can change one unnoticed.

-- Events that wait to be logged: a row for each statement that wrote some, of the same transaction. The row goes when they are.
CREATE TABLE event_batches (
    id     {{serial}} PRIMARY KEY,
    n      INTEGER NOT NULL, -- how many
    events TEXT NOT NULL     -- a JSON array of [relationship_key, version]
);

-- One row: how many leaves there are, and the hash of the tree over them.
CREATE TABLE ledger_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    size BIGINT NOT NULL,
    root {{bytes}} NOT NULL
);

-- Hashes of the tree, in tiles of 256 as golang.org/x/mod/sumdb/tlog has them. The last one of a level may have fewer.
CREATE TABLE ledger_tiles (
    level  INTEGER NOT NULL,
    n      BIGINT NOT NULL,
    hashes {{bytes}} NOT NULL,
    PRIMARY KEY (level, n)
);

-- Which events the leaves are, 256 to a row, packed.
CREATE TABLE ledger_bundles (
    n       BIGINT PRIMARY KEY,
    entries {{bytes}} NOT NULL
);

-- Hashes do not get smaller by compressing.
ALTER TABLE ledger_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Of nothing: the SHA-256 of no bytes.
INSERT INTO ledger_head (one, size, root) VALUES (1, 0, sha256(''));

-- Events from before are logged in the order in which they were recorded.
INSERT INTO event_batches (n, events)
    SELECT count(*), CAST(json_agg(json_build_array(relationship_key, version) ORDER BY place) AS TEXT)
    FROM (SELECT relationship_key, version, row_number() OVER (ORDER BY recorded_at, relationship_key, version) - 1 AS place FROM events) AS e
    GROUP BY place / 1000 ORDER BY place / 1000;
