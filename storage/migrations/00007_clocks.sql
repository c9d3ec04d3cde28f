-- What clocks move stands by itself: a sweep writes narrow rows with few indexes, and what people have agreed on lies still.

CREATE TABLE agreements (
    key              {{key}} PRIMARY KEY,
    created_at       {{instant}},
    locked_at        {{instant}},
    approved_at      {{instant}},
    activated_at     {{instant}},
    name_released_at {{instant}},
    auto_extend      BOOLEAN NOT NULL,
    id               TEXT NOT NULL UNIQUE,
    partner_id       TEXT NOT NULL,
    display_name     TEXT NOT NULL,
    name_key         TEXT NOT NULL, -- of display_name, for comparing; made in names.go
    duration         TEXT NOT NULL,
    customer_id      TEXT NOT NULL,
    customer_name    TEXT NOT NULL,
    roles            TEXT NOT NULL, -- a JSON array
    digest           TEXT NOT NULL  -- of the text that it was last imported from
);

-- Where it stands, and the next timer. Whoever changes a relationship locks this row, and guards it by the version.
CREATE TABLE clocks (
    key         {{key}} PRIMARY KEY,
    version     BIGINT NOT NULL,
    modified_at {{instant}},
    end_at      {{instant}},
    warn_after  {{instant}},
    next_at     {{instant}},
    assigned    INTEGER NOT NULL, -- live access assignments
    stayed      BOOLEAN NOT NULL DEFAULT FALSE, -- a hold of the relationship or of one of its tenants is in force
    status      TEXT NOT NULL,
    next_rule   TEXT NOT NULL
) {{roomy}};

INSERT INTO agreements (key, created_at, locked_at, approved_at, activated_at, name_released_at, auto_extend, id, partner_id, display_name, name_key,
        duration, customer_id, customer_name, roles, digest)
    SELECT key, created_at, locked_at, approved_at, activated_at, name_released_at, auto_extend, id, partner_id, display_name, name_key,
        duration, customer_id, customer_name, roles, digest
    FROM relationships ORDER BY key;
INSERT INTO clocks (key, version, modified_at, end_at, warn_after, next_at, assigned, stayed, status, next_rule)
    SELECT key, version, modified_at, end_at, warn_after, next_at, assigned, stayed, status, next_rule FROM relationships ORDER BY key;
DROP TABLE relationships;

-- This index is what holds a name.
CREATE UNIQUE INDEX agreements_names ON agreements (partner_id, name_key) WHERE name_released_at IS NULL;
CREATE INDEX agreements_of_partner ON agreements (partner_id, key);
CREATE INDEX agreements_of_customer ON agreements (customer_id, key) WHERE customer_id <> '';
-- A sweep is a range of this one; it has the rule in it so that chunks are cut without a look at the table.
CREATE INDEX clocks_timers ON clocks (next_at, key, next_rule) WHERE next_at IS NOT NULL AND stayed = FALSE;
-- Timers on hold are not among those that sweeps look at.
CREATE INDEX clocks_stayed ON clocks (next_at, key) WHERE stayed = TRUE;
-- Those that another system has to bring to their goal: few at any time.
CREATE INDEX clocks_passing ON clocks (key) WHERE status IN ('approved', 'activating', 'expiring', 'terminationRequested', 'terminating');

-- Both, as whoever reads wants them.
CREATE VIEW relationships AS
    SELECT a.key, a.id, a.partner_id, a.display_name, a.name_key, a.duration, a.auto_extend, c.status, a.customer_id, a.customer_name, a.roles,
        a.created_at, c.modified_at, a.locked_at, a.activated_at, c.end_at, c.warn_after, a.name_released_at, a.digest, c.version, c.next_rule,
        c.next_at, a.approved_at, c.assigned, c.stayed
    FROM agreements AS a JOIN clocks AS c ON c.key = a.key;

-- In the order in which they become ready, and of one instant as they come: each chunk adds to the end of it.
DROP INDEX notices_to_send;
CREATE INDEX notices_to_send ON notices (channel, ready_at) WHERE status IN ('queued', 'failed');

-- Until when files may have brought something is noted from here on (see lateness.go); of what came before it is not known.
INSERT INTO meta (name, value) SELECT 'imported', '9999-12-31T00:00:00.000000Z' WHERE EXISTS (SELECT 1 FROM agreements);
