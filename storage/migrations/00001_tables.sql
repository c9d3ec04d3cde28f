-- Every table, for both databases. What stands in double braces is filled in by the dialect (dialect.go): types that have
-- different names, and how a table is laid out. Instants have microseconds; on SQLite they are text of one fixed width, so
-- that they sort as they follow each other. An empty text means "none"; NULL is for instants only, and means never.

-- What is true of the database as a whole: its kind, when it was created, a sandbox's test clock.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) {{clustered}};

-- The next number of each sequence. Whoever takes one holds the row until it commits, so numbers have no gaps and come in
-- the order of the commits. Keys of relationships that are created one by one are taken in blocks, and may come in another order.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
) {{clustered}};
INSERT INTO counters (name, next) VALUES ('relationship', 1), ('sweep', 1), ('token', 1);

CREATE TABLE relationships (
    key              {{key}} PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    partner_id       TEXT NOT NULL,
    display_name     TEXT NOT NULL,
    name_key         TEXT NOT NULL, -- of display_name, for comparing; made in names.go
    duration         TEXT NOT NULL,
    auto_extend      BOOLEAN NOT NULL,
    status           TEXT NOT NULL,
    customer_id      TEXT NOT NULL,
    customer_name    TEXT NOT NULL,
    roles            TEXT NOT NULL, -- a JSON array
    created_at       {{instant}},
    modified_at      {{instant}},
    locked_at        {{instant}},
    activated_at     {{instant}},
    end_at           {{instant}},
    warn_after       {{instant}},
    name_released_at {{instant}},
    digest           TEXT NOT NULL, -- of the text that it was last imported from
    version          BIGINT NOT NULL,
    next_rule        TEXT NOT NULL, -- the next timer
    next_at          {{instant}}
);
-- This index is what holds a name.
CREATE UNIQUE INDEX relationships_names ON relationships (partner_id, name_key) WHERE name_released_at IS NULL;
-- A sweep is a range of this one; it has the rule in it so that chunks are cut without a look at the table.
CREATE INDEX relationships_timers ON relationships (next_at, key, next_rule) WHERE next_at IS NOT NULL;

-- The history. Kept as it was written: see 00002_events_are_kept.
CREATE TABLE events (
    relationship_key BIGINT NOT NULL,
    version          BIGINT NOT NULL, -- of the relationship, after the step
    type             TEXT NOT NULL,
    rule             TEXT NOT NULL,
    effective_at     {{instant}} NOT NULL,
    recorded_at      {{instant}} NOT NULL,
    from_status      TEXT NOT NULL,
    to_status        TEXT NOT NULL,
    end_at           {{instant}},
    reason           TEXT NOT NULL,
    actor            TEXT NOT NULL,
    PRIMARY KEY (relationship_key, version)
) {{clustered}};

-- The outbox: one row per recipient.
CREATE TABLE notices (
    relationship_key BIGINT NOT NULL,
    version          BIGINT NOT NULL,
    ordinal          INTEGER NOT NULL,
    kind             TEXT NOT NULL,
    stage            TEXT NOT NULL,
    end_at           {{instant}},
    due_at           {{instant}} NOT NULL,
    recorded_at      {{instant}} NOT NULL,
    status           TEXT NOT NULL,
    reason           TEXT NOT NULL,
    tenant_id        TEXT NOT NULL,
    role             TEXT NOT NULL,
    mail             TEXT NOT NULL, -- empty where there is nobody to tell
    recipient_name   TEXT NOT NULL,
    language         TEXT NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    ready_at         {{instant}} NOT NULL, -- by the wall clock: nobody takes it up before; the end of a lease, or of a wait
    last_error       TEXT NOT NULL DEFAULT '',
    sent_at          {{instant}},
    PRIMARY KEY (relationship_key, version, ordinal)
) {{clustered}};
CREATE INDEX notices_to_send ON notices (ready_at, relationship_key, version, ordinal) WHERE status IN ('queued', 'failed');

-- What was rendered for a notice, apart from it so that the outbox stays narrow.
CREATE TABLE messages (
    relationship_key BIGINT NOT NULL,
    version          BIGINT NOT NULL,
    ordinal          INTEGER NOT NULL,
    message_id       TEXT NOT NULL,
    message          {{bytes}} NOT NULL,
    PRIMARY KEY (relationship_key, version, ordinal)
);

CREATE TABLE sweeps (
    id          {{key}} PRIMARY KEY,
    rules       TEXT NOT NULL, -- a JSON array; empty: all
    dry_run     BOOLEAN NOT NULL,
    opened_by   TEXT NOT NULL,
    as_of       {{instant}} NOT NULL,
    state       TEXT NOT NULL,
    cut         BOOLEAN NOT NULL,
    cut_at      {{instant}} NOT NULL, -- how far chunks have been cut, in the order of relationships_timers
    cut_key     BIGINT NOT NULL,
    next_chunk  INTEGER NOT NULL,
    opened_at   {{instant}} NOT NULL,
    finished_at {{instant}}
);
CREATE INDEX sweeps_running ON sweeps (id) WHERE state = 'running';

CREATE TABLE chunks (
    sweep_id   BIGINT NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    n          INTEGER NOT NULL,
    after_at   {{instant}} NOT NULL,
    after_key  BIGINT NOT NULL,
    upto_at    {{instant}} NOT NULL,
    upto_key   BIGINT NOT NULL,
    state      TEXT NOT NULL, -- open, claimed, done, cancelled
    claim      INTEGER NOT NULL DEFAULT 0,
    attempts   INTEGER NOT NULL DEFAULT 0,
    rung_at    {{instant}}, -- all three by the wall clock
    ready_at   {{instant}} NOT NULL, -- nobody takes it up before; the end of a lease, or of a wait
    last_error TEXT NOT NULL DEFAULT '',
    found      BIGINT NOT NULL, -- when it was cut; once it is done, when its records were read
    changed    BIGINT NOT NULL DEFAULT 0,
    skipped    BIGINT NOT NULL DEFAULT 0,
    failed     BIGINT NOT NULL DEFAULT 0,
    notices    BIGINT NOT NULL DEFAULT 0,
    lateness   BIGINT NOT NULL DEFAULT 0, -- microseconds
    PRIMARY KEY (sweep_id, n)
) {{clustered}};
CREATE INDEX chunks_open ON chunks (sweep_id, n) WHERE state IN ('open', 'claimed');

-- One row for each rule and nominal instant of its schedule: whoever writes it has won the tick.
CREATE TABLE ticks (
    rule       TEXT NOT NULL,
    nominal_at {{instant}} NOT NULL,
    sweep_id   BIGINT NOT NULL, -- which may have been pruned since
    PRIMARY KEY (rule, nominal_at)
) {{clustered}};

CREATE TABLE sweep_failures (
    sweep_id         BIGINT NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    relationship_key BIGINT NOT NULL,
    reason           TEXT NOT NULL,
    failed_at        {{instant}} NOT NULL,
    PRIMARY KEY (sweep_id, relationship_key)
) {{clustered}};

CREATE TABLE idempotency_keys (
    name       TEXT PRIMARY KEY,
    request    TEXT NOT NULL, -- a hash of what was asked for
    sweep_id   BIGINT NOT NULL,
    expires_at {{instant}} NOT NULL
) {{clustered}};

CREATE TABLE contacts (
    tenant_id    TEXT {{plain}} NOT NULL,
    role         TEXT {{plain}} NOT NULL,
    mail_key     TEXT {{plain}} NOT NULL, -- mail in lower case
    mail         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    language     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, role, mail_key)
) {{clustered}};

CREATE TABLE tokens (
    id         {{key}} PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       {{bytes}} NOT NULL UNIQUE,
    scopes     TEXT NOT NULL, -- a JSON array
    created_at {{instant}} NOT NULL,
    revoked_at {{instant}}
);
CREATE UNIQUE INDEX tokens_names ON tokens (name) WHERE revoked_at IS NULL;
