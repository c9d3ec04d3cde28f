-- Timers are held up, sweeps wait for an operator's word, and the history can be proven.

-- What keeps timers from taking effect. A row stays when it is released.
CREATE TABLE holds (
    id           {{key}} PRIMARY KEY,
    kind         TEXT NOT NULL, -- relationship, tenant, rule, everything
    subject      TEXT NOT NULL, -- the relationship's id, the tenant, the rule
    cause        TEXT NOT NULL, -- why tenure itself has placed it; empty: a person did
    note         TEXT NOT NULL,
    placed_at    {{instant}} NOT NULL, -- by the deployment's clock, as all instants here
    placed_by    TEXT NOT NULL,
    released_at  {{instant}},
    released_by  TEXT NOT NULL DEFAULT '',
    release_note TEXT NOT NULL DEFAULT ''
);
-- This index is what keeps a thing from being held twice.
CREATE UNIQUE INDEX holds_active ON holds (kind, subject) WHERE released_at IS NULL;

-- A hold of the relationship or of one of its tenants is in force. Such timers are not among those that sweeps look at.
ALTER TABLE relationships ADD COLUMN stayed BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX relationships_timers;
CREATE INDEX relationships_timers ON relationships (next_at, key, next_rule) WHERE next_at IS NOT NULL AND stayed = FALSE;
CREATE INDEX relationships_stayed ON relationships (next_at, key) WHERE stayed = TRUE;

-- Of the record after the step: see lifecycle.Record.Fingerprint.
ALTER TABLE events ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';

ALTER TABLE sweeps ADD COLUMN plan TEXT NOT NULL DEFAULT ''; -- a JSON object; empty: it never was held
ALTER TABLE sweeps ADD COLUMN ruled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE sweeps ADD COLUMN ruling TEXT NOT NULL DEFAULT ''; -- why it was approved or rejected
ALTER TABLE sweeps ADD COLUMN ruled_at {{instant}};
-- What it would do was looked at, and let through: its instant moves no more.
ALTER TABLE sweeps ADD COLUMN examined BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX sweeps_held ON sweeps (id) WHERE state = 'held';

-- How late changes were, by rule, the time on hold left out; a JSON object of objects of counts, see lifecycle.Latenesses.
ALTER TABLE chunks ADD COLUMN latenesses TEXT NOT NULL DEFAULT '';
ALTER TABLE chunks ADD COLUMN done_at {{instant}}; -- by the deployment's clock; NULL in those of before
CREATE INDEX chunks_late ON chunks (done_at) WHERE latenesses <> '';
CREATE INDEX sweeps_ruled ON sweeps (ruled_at) WHERE ruled_at IS NOT NULL;

-- The policies that the stored timers went by, one after the other.
CREATE TABLE policies (
    id     {{key}} PRIMARY KEY, -- counts up
    mark   TEXT NOT NULL,
    policy TEXT NOT NULL, -- a JSON object
    set_at {{instant}} NOT NULL -- by the deployment's clock
);

INSERT INTO counters (name, next) VALUES ('hold', 1), ('policy', 1);
